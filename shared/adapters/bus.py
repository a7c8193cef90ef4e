"""Pub/Sub: a message is published when the broker has confirmed it, and not before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from shared.settings import Settings

if TYPE_CHECKING:
    from google.cloud import pubsub_v1

CONFIRMATION_SECONDS = 60


class Bus:
    """Publishes to the project's topics."""

    def __init__(self, settings: Settings) -> None:
        self._project = settings.project

    @cached_property
    def _client(self) -> pubsub_v1.PublisherClient:
        from google.cloud import pubsub_v1

        # The default waits 10 ms for more messages to come; events come one at a time.
        return pubsub_v1.PublisherClient(pubsub_v1.types.BatchSettings(max_messages=1))

    def publish(self, messages: Iterable[tuple[str, bytes, Mapping[str, str]]]) -> list[str]:
        """Publish (topic, data, attributes) side by side: the messages' ids, once the broker has confirmed them all."""
        path = self._client.topic_path
        sent = [self._client.publish(path(self._project, topic), data, **given) for topic, data, given in messages]
        return [message.result(timeout=CONFIRMATION_SECONDS) for message in sent]
