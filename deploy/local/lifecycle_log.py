"""`python -m deploy.local.lifecycle_log`: every event of every topic, in batches, into BigQuery's `lifecycle_log`.

On Google Cloud Pub/Sub's own BigQuery subscriptions write the same table. A batch is acknowledged after it is written:
a message may be there twice after a crash, and is told apart by its id.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.adapters.warehouse import Warehouse
from shared.errors import TidewheelError
from shared.lifecycle.events import LOGGED_TOPICS
from shared.settings import Settings

if TYPE_CHECKING:
    from google.pubsub_v1 import ReceivedMessage, SubscriberClient

log = logging.getLogger(__name__)
MOST_ROWS = 500
LONGEST_WAIT_SECONDS = 1.0
PULL_SECONDS = 30.0
PAUSE_SECONDS = 1.0
PAUSES_SECONDS = (0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True)
class Entry:
    """One message, and what is needed to acknowledge it."""

    subscription: str
    ack_id: str
    row: dict[str, str]


class Tap:
    """Pulls one subscription for ever and hands on what comes."""

    def __init__(self, subscriber: SubscriberClient, subscription: str, into: queue.Queue[Entry]) -> None:
        self._subscriber, self._subscription, self._into = subscriber, subscription, into

    def run(self) -> None:
        """Pull until the process ends."""
        from google.api_core.exceptions import DeadlineExceeded, GoogleAPIError

        while True:
            began = time.monotonic()
            try:
                received = self._pull()
            except DeadlineExceeded:
                continue
            except GoogleAPIError as error:
                log.warning("%s cannot be pulled, trying again: %s", self._subscription, error)
                received = []
            for each in received:
                self._into.put(Entry(self._subscription, each.ack_id, as_row(self._subscription, each)))
            if not received and time.monotonic() - began < PAUSE_SECONDS:
                time.sleep(PAUSE_SECONDS)

    def _pull(self) -> list[ReceivedMessage]:
        request = {"subscription": self._subscription, "max_messages": MOST_ROWS}
        return list(self._subscriber.pull(request=request, timeout=PULL_SECONDS, retry=None).received_messages)


def as_row(subscription: str, received: ReceivedMessage) -> dict[str, str]:
    """A message as Pub/Sub's BigQuery subscription with metadata writes it."""
    message = received.message
    return {
        "subscription_name": subscription,
        "message_id": message.message_id,
        "publish_time": message.publish_time.isoformat(),
        "data": message.data.decode(errors="replace"),
        "attributes": json.dumps(dict(message.attributes)),
    }


def batches(entries: queue.Queue[Entry]) -> Iterator[list[Entry]]:
    """Up to 500 messages, or what comes within a second after the first."""
    while True:
        batch = [entries.get()]
        deadline = time.monotonic() + LONGEST_WAIT_SECONDS
        while len(batch) < MOST_ROWS and (left := deadline - time.monotonic()) > 0:
            try:
                batch.append(entries.get(timeout=left))
            except queue.Empty:
                break
        yield batch


def record(batch: list[Entry], warehouse: Warehouse, subscriber: SubscriberClient) -> None:
    """Write a batch, then acknowledge it."""
    warehouse.append_log([entry.row for entry in batch])
    by_subscription: dict[str, list[str]] = {}
    for entry in batch:
        by_subscription.setdefault(entry.subscription, []).append(entry.ack_id)
    for subscription, ack_ids in by_subscription.items():
        subscriber.acknowledge(subscription=subscription, ack_ids=ack_ids)


def record_patiently(batch: list[Entry], warehouse: Warehouse, subscriber: SubscriberClient) -> None:
    """Write a batch when BigQuery is back; if it stays away, or one row spoils the batch, each row for itself."""
    for pause_seconds in PAUSES_SECONDS:
        if _is_recorded(batch, warehouse, subscriber):
            return
        time.sleep(pause_seconds)
    for entry in batch:
        _is_recorded([entry], warehouse, subscriber)


def _is_recorded(batch: list[Entry], warehouse: Warehouse, subscriber: SubscriberClient) -> bool:
    from google.api_core.exceptions import GoogleAPIError

    try:
        record(batch, warehouse, subscriber)
    except (GoogleAPIError, TidewheelError) as error:
        # What is not acknowledged is delivered again.
        log.warning("%d rows are not written yet: %s", len(batch), error)
        return False
    return True


def connect(host: str) -> SubscriberClient:
    """A subscriber of the laptop's Pub/Sub; without the threads that streaming would take for each topic."""
    import grpc
    from google.pubsub_v1 import SubscriberClient
    from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

    options: list[tuple[str, Any]] = [("grpc.max_reconnect_backoff_ms", 1000)]
    return SubscriberClient(transport=SubscriberGrpcTransport(channel=grpc.insecure_channel(host, options=options)))


def main() -> None:
    """Write until the process is ended; what is not acknowledged then comes again."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    settings = Settings.from_env()
    # Made now, so that the log can be read before the first event.
    warehouse = Warehouse(settings)
    warehouse.prepare_common()
    subscriber = connect(os.environ["PUBSUB_EMULATOR_HOST"])
    entries: queue.Queue[Entry] = queue.Queue(maxsize=4 * MOST_ROWS)
    for topic in LOGGED_TOPICS:
        tap = Tap(subscriber, f"projects/{settings.project}/subscriptions/log-{topic}", entries)
        threading.Thread(target=tap.run, daemon=True).start()
    for batch in batches(entries):
        record_patiently(batch, warehouse, subscriber)


if __name__ == "__main__":
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    main()
