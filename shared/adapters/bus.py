"""Pub/Sub: a message is published when the broker has confirmed it, and not before."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from shared.errors import PassingError, PermanentError
from shared.settings import Settings

if TYPE_CHECKING:
    from google.api_core.retry import Retry
    from google.pubsub_v1 import PublisherClient

CONFIRMATION_SECONDS = 60


class Bus:
    """Publishes to the project's topics."""

    def __init__(self, settings: Settings) -> None:
        self._project = settings.project

    @cached_property
    def _client(self) -> PublisherClient:
        # Not google.cloud.pubsub_v1: it hands each message to threads that gather batches, which takes longer than the
        # call itself, and nothing is gathered from events that come one at a time. Both retry alike.
        from google.pubsub_v1 import PublisherClient

        host = os.environ.get("PUBSUB_EMULATOR_HOST")
        return PublisherClient(transport=_emulated(host)) if host else PublisherClient()

    def publish(self, messages: Iterable[tuple[str, bytes, Mapping[str, str]]]) -> list[str]:
        """Publish (topic, data, attributes): the messages' ids, once the broker has confirmed them all.

        Raises:
            PassingError: the broker has not confirmed within a minute.
            PermanentError: there is no such topic, or the message is one that no broker takes.
        """
        return [self._publish_one(topic, data, given) for topic, data, given in messages]

    def _publish_one(self, topic: str, data: bytes, attributes: Mapping[str, str]) -> str:
        from google.api_core.exceptions import InvalidArgument, NotFound, RetryError

        path = self._client.topic_path(self._project, topic)
        request: dict[str, Any] = {"topic": path, "messages": [{"data": data, "attributes": attributes}]}
        try:
            answer = self._client.publish(request=request, retry=self._retry, timeout=CONFIRMATION_SECONDS)
        except RetryError as error:
            raise PassingError(f"Pub/Sub does not confirm a message on {topic}: {error}") from error
        except NotFound as error:
            raise PermanentError(f'Pub/Sub has no topic "{topic}".', "Make it, or start the stack anew.") from error
        except InvalidArgument as error:
            raise PermanentError(f"Pub/Sub refuses a message on {topic}: {error.message}") from error
        return answer.message_ids[0]

    @cached_property
    def _retry(self) -> Retry:
        """The client's own choice of what passes, but no longer than a push may take."""
        from google.api_core import exceptions as google
        from google.api_core.retry import Retry, if_exception_type

        passing = (google.Aborted, google.Cancelled, google.ResourceExhausted, google.ServerError)
        return Retry(predicate=if_exception_type(*passing), initial=0.1, multiplier=2, timeout=CONFIRMATION_SECONDS)


def _emulated(host: str) -> Any:
    import grpc
    from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport

    return PublisherGrpcTransport(channel=grpc.insecure_channel(host))
