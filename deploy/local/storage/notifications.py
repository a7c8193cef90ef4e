"""OBJECT_FINALIZE messages, as a bucket with a Pub/Sub notification sends them: late if need be, never lost."""

from __future__ import annotations

import json
import logging
import threading
from functools import cached_property
from typing import TYPE_CHECKING, Any

from deploy.local.storage.catalog import Catalog

if TYPE_CHECKING:
    from google.pubsub_v1 import PublisherClient

log = logging.getLogger(__name__)
BATCH = 100
TIMEOUT_SECONDS = 10.0
LONGEST_PAUSE_SECONDS = 2.0


class Announcer(threading.Thread):
    """Publishes what the catalog promises, oldest first, and forgets a promise when the broker has confirmed it."""

    def __init__(self, pubsub_host: str, topic: str) -> None:
        super().__init__(name="announcer", daemon=True)
        self._pubsub_host, self._topic = pubsub_host, topic
        self._news = threading.Event()
        self._catalog: Catalog

    def follow(self, catalog: Catalog) -> None:
        """Begin, with what an earlier process has left."""
        self._catalog = catalog
        self._news.set()
        self.start()

    def wake(self) -> None:
        """There is a new promise."""
        self._news.set()

    def run(self) -> None:
        from google.api_core.exceptions import GoogleAPIError

        pause = 0.1
        # Now, beside the start of everything else, rather than when the first object lands.
        _ = self._publisher
        while True:
            self._news.wait()
            self._news.clear()
            try:
                self._publish_all()
                pause = 0.1
            except GoogleAPIError as error:
                log.warning("Pub/Sub did not take a notification, trying again: %s", error)
                # New objects must not shorten the pause: they wait for the same broker.
                threading.Event().wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
                self._news.set()

    def _publish_all(self) -> None:
        while promised := self._catalog.intents(BATCH):
            messages = [message(resource, overwrote) for _, resource, overwrote in promised]
            request = {"topic": self._topic, "messages": messages}
            self._publisher.publish(request=request, timeout=TIMEOUT_SECONDS, retry=None)
            self._catalog.confirm(generation for generation, _, _ in promised)

    @cached_property
    def _publisher(self) -> PublisherClient:
        import grpc
        from google.pubsub_v1 import PublisherClient
        from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport

        # Short reconnects: the broker next door may be starting.
        options = [("grpc.max_reconnect_backoff_ms", 500), ("grpc.initial_reconnect_backoff_ms", 100)]
        channel = grpc.insecure_channel(self._pubsub_host, options=options)
        return PublisherClient(transport=PublisherGrpcTransport(channel=channel))


def message(resource: dict[str, Any], overwrote: str | None) -> dict[str, Any]:
    """The Pub/Sub message of one new object, with the attributes that Cloud Storage gives it."""
    bucket = resource["bucket"]
    attributes = {
        "notificationConfig": f"projects/_/buckets/{bucket}/notificationConfigs/1",
        "eventType": "OBJECT_FINALIZE",
        "payloadFormat": "JSON_API_V1",
        "bucketId": bucket,
        "objectId": resource["name"],
        "objectGeneration": resource["generation"],
        "eventTime": resource["updated"],
    }
    if overwrote:
        attributes["overwroteGeneration"] = overwrote
    return {"data": json.dumps(resource).encode(), "attributes": attributes}
