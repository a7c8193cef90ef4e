"""Dead letters: messages that no attempt could handle, as Pub/Sub keeps them for people to look at."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from shared.errors import PassingError, TidewheelError
from shared.settings import Settings

if TYPE_CHECKING:
    from google.pubsub_v1 import ReceivedMessage, SubscriberClient

SOURCE = "CloudPubSubDeadLetterSource"
MOST_AT_ONCE = 500
PULL_SECONDS = 20.0
# How often an answer without messages is asked about again: the service may say nothing although there are some.
TRIES, TRIES_IN_CLOUD = 1, 3


@dataclass(frozen=True, kw_only=True)
class Letter:
    """A dead letter; `attributes` are those of the message as it was published at first, at `sent_at`.

    Pub/Sub does not say which id the message had then: `id` is the letter's own.
    """

    id: str
    data: bytes
    attributes: Mapping[str, str]
    subscription: str
    attempts: int
    sent_at: datetime | None
    ack_id: str


class DeadLetters:
    """The dead-letter subscription of a project."""

    def __init__(self, settings: Settings, subscription: str) -> None:
        self._name = f"projects/{settings.project}/subscriptions/{subscription}"

    @cached_property
    def _client(self) -> SubscriberClient:
        from google.pubsub_v1 import SubscriberClient

        host = os.environ.get("PUBSUB_EMULATOR_HOST")
        return SubscriberClient(transport=_emulated(host)) if host else SubscriberClient()

    def peek(self) -> list[Letter]:
        """All that wait, oldest first; they stay where they are."""
        with self.held() as letters:
            return letters

    @contextmanager
    def held(self) -> Iterator[list[Letter]]:
        """All that wait, oldest first, and nobody else gets them meanwhile; those not acknowledged stay.

        Raises:
            PassingError: Pub/Sub is away.
            TidewheelError: there is no such subscription.
        """
        with _said(self._name):
            letters = self._pull_all()
        try:
            yield sorted(letters, key=lambda each: (each.sent_at or datetime.max.replace(tzinfo=UTC), each.id))
        finally:
            with _said(self._name):
                self._give_back(letters)

    def acknowledge(self, letter: Letter) -> None:
        """Done with it: it is no dead letter any more."""
        with _said(self._name):
            self._client.acknowledge(subscription=self._name, ack_ids=[letter.ack_id])

    def _pull_all(self) -> list[Letter]:
        found: dict[str, Letter] = {}
        tries = TRIES if "PUBSUB_EMULATOR_HOST" in os.environ else TRIES_IN_CLOUD
        while tries:
            some = self._pull()
            found |= {each.message.message_id: _letter(each) for each in some}
            tries -= not some
        return list(found.values())

    def _pull(self) -> Sequence[ReceivedMessage]:
        request = {"subscription": self._name, "max_messages": MOST_AT_ONCE, "return_immediately": True}
        return self._client.pull(request=request, timeout=PULL_SECONDS).received_messages

    def _give_back(self, letters: list[Letter]) -> None:
        # An acknowledged one is not known any more, which is no fault.
        for first in range(0, len(letters), MOST_AT_ONCE):
            ids = [each.ack_id for each in letters[first : first + MOST_AT_ONCE]]
            self._client.modify_ack_deadline(subscription=self._name, ack_ids=ids, ack_deadline_seconds=0)


def _letter(received: ReceivedMessage) -> Letter:
    message, attributes = received.message, dict(received.message.attributes)
    about = {name.removeprefix(SOURCE): attributes.pop(name) for name in list(attributes) if name.startswith(SOURCE)}
    attempts = about.get("DeliveryCount", "")
    return Letter(
        id=message.message_id,
        data=message.data,
        attributes=attributes,
        subscription=about.get("Subscription", ""),
        attempts=int(attempts) if attempts.isdecimal() else 0,
        sent_at=_moment(about.get("TopicPublishTime", "")),
        ack_id=received.ack_id,
    )


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@contextmanager
def _said(name: str) -> Iterator[None]:
    from google.api_core import exceptions as google

    try:
        yield
    except google.NotFound as error:
        raise TidewheelError(f"there is no subscription {name}.", "Make it, or start the stack anew.") from error
    except (google.ServerError, google.RetryError) as error:
        raise PassingError(f"Pub/Sub does not answer about {name}: {error}") from error


def _emulated(host: str) -> Any:
    import grpc
    from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

    return SubscriberGrpcTransport(channel=grpc.insecure_channel(host))
