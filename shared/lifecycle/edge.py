"""Between a function's HTTP server and its step: decode, do the work through the ledger, publish what it returns."""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from shared.adapters.stories import first_id, story_of
from shared.errors import PassingError, PermanentError
from shared.lifecycle import messages
from shared.lifecycle.events import DropReceived, Event
from shared.lifecycle.logs import log_to_stdout
from shared.lifecycle.services import Services

if TYPE_CHECKING:
    from cloudevents.http import CloudEvent

log = logging.getLogger(__name__)
FINALIZED = "google.cloud.storage.object.v1.finalized"
Step = Callable[[Any, Services], Sequence[Event]]
Steps = Mapping[type[Event], Step]


@dataclass(frozen=True, kw_only=True)
class Message:
    """What came, before anybody has read it."""

    topic: str
    data: bytes
    attributes: Mapping[str, str]
    id: str


@dataclass(frozen=True, kw_only=True)
class Unreadable(Event):
    """A message that says nothing we understand; it has no other name than its id, which is its topic's alone."""

    of_topic: str
    message: str

    @property
    def identity(self) -> str:
        return f"{self.of_topic}/{self.message}.{self.epoch}"

    @property
    def subject(self) -> str:
        """Its id."""
        return f"message {self.message}"


@cache
def services_of_process() -> Services:
    """Made once; what it holds is made when it is first used."""
    return Services()


def handle(cloud_event: CloudEvent, step: str, steps: Steps, services: Services | None = None) -> None:
    """Have a step do what a message asks for, exactly once in effect.

    Returning acknowledges the message. Raising makes Pub/Sub deliver it again, later.

    Raises:
        PassingError: somebody else is at it, or the world is not ready.
    """
    log_to_stdout()
    services = services or services_of_process()
    message = unwrap(cloud_event)
    event, work = _read(message, steps, services)
    try:
        outcome = services.ledger.run(step, event, work, services.publish, message_id=message.id)
    except PassingError as error:
        log.warning("%s for %s waits: %s", step, event.subject, error, extra={"step": step, "story": event.story})
        raise
    log.info("%s for %s is %s", step, event.subject, outcome, extra={"step": step, "story": event.story})


def unwrap(cloud_event: CloudEvent) -> Message:
    """The message in a Pub/Sub push, or what a bucket says as a CloudEvent."""
    data = cloud_event.get_data()
    if cloud_event["type"] == FINALIZED:
        resource = {"kind": "storage#object"} | (data if isinstance(data, dict) else {})
        body = messages.as_json(resource)
        return Message(topic=DropReceived.topic, data=body, attributes={}, id=cloud_event["id"])
    inside = data.get("message") if isinstance(data, dict) else None
    inside = inside if isinstance(inside, dict) else {}
    return Message(
        topic=cloud_event["source"].rpartition("/topics/")[2],
        data=_decoded(inside.get("data")),
        attributes=inside.get("attributes") or {},
        id=str(inside.get("messageId") or cloud_event["id"]),
    )


def _read(message: Message, steps: Steps, services: Services) -> tuple[Event, Callable[[], Sequence[Event]]]:
    """The event and the work that it asks for; of a message that cannot be read, the work is to say so."""
    try:
        event = messages.decode(message.topic, message.data, message.attributes, message.id)
        step = _step_for(event, steps)
    except PermanentError as error:
        return _unreadable(message), _raise(error)
    return event, lambda: step(event, services)


def _step_for(event: Event, steps: Steps) -> Step:
    for kind, step in steps.items():
        if isinstance(event, kind):
            return step
    known = ", ".join(kind.__name__ for kind in steps)
    raise PermanentError(f"{type(event).__name__} has come to a function that takes {known}.", "Mend its subscription.")


def _unreadable(message: Message) -> Unreadable:
    story = story_of(message.topic, message.data, message.attributes, message.id)
    first = first_id(message.attributes, message.id)
    return Unreadable(of_topic=message.topic, message=first, story=story)


def _raise(error: PermanentError) -> Callable[[], Sequence[Event]]:
    def work() -> Sequence[Event]:
        raise error

    return work


def _decoded(data: Any) -> bytes:
    try:
        return base64.b64decode(data or "", validate=True)
    except (binascii.Error, TypeError, ValueError):
        # What is not base64 is not JSON either: decoding says so.
        return str(data).encode()
