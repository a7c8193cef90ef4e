"""Generation preconditions: what a request demands of the object before it is touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

Resource = dict[str, Any]


class Refused(Exception):
    """A request that is answered with an error, in the form in which Cloud Storage says it."""

    def __init__(self, status: HTTPStatus, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message


def precondition_failed() -> Refused:
    """The answer that a lost race gets, word for word as Cloud Storage gives it."""
    message = "At least one of the pre-conditions you specified did not hold."
    return Refused(HTTPStatus.PRECONDITION_FAILED, "conditionNotMet", message)


def not_modified() -> Refused:
    """The answer to a reader who has seen this generation already."""
    return Refused(HTTPStatus.NOT_MODIFIED, "notModified", "Not Modified")


def no_such_object() -> Refused:
    """The generation that was asked for is not the living one, and older ones are not kept."""
    return Refused(HTTPStatus.NOT_FOUND, "notFound", "No such object")


@dataclass(frozen=True)
class Conditions:
    """What one request demands; 0 stands for "there is no such object"."""

    generation: int | None = None
    match: int | None = None
    not_match: int | None = None
    meta_match: int | None = None
    meta_not_match: int | None = None

    @classmethod
    def read(cls, query: Mapping[str, Sequence[str]], source: bool = False) -> Conditions:
        """The conditions in a query; with `source`, those on the object that is copied from."""
        key = "ifSource" if source else "if"
        return cls(
            generation=_number(query, "sourceGeneration" if source else "generation"),
            match=_number(query, f"{key}GenerationMatch"),
            not_match=_number(query, f"{key}GenerationNotMatch"),
            meta_match=_number(query, f"{key}MetagenerationMatch"),
            meta_not_match=_number(query, f"{key}MetagenerationNotMatch"),
        )

    def require_for_write(self, current: Resource | None) -> None:
        """Refuse with 412 unless the living object is as demanded."""
        if not self._matches(current) or self._seen(current):
            raise precondition_failed()

    def require_for_read(self, current: Resource | None) -> None:
        """Refuse with 404, 412 or 304 unless the living object is the one that the reader wants."""
        if self.generation is not None and self.generation != _generation(current):
            raise no_such_object()
        if not self._matches(current):
            raise precondition_failed()
        if self._seen(current):
            raise not_modified()

    def _matches(self, current: Resource | None) -> bool:
        wanted = ((self.match, _generation(current)), (self.meta_match, _metageneration(current)))
        return all(want is None or want == have for want, have in wanted)

    def _seen(self, current: Resource | None) -> bool:
        unwanted = ((self.not_match, _generation(current)), (self.meta_not_match, _metageneration(current)))
        return any(want is not None and want == have for want, have in unwanted)


# What the request in hand demands: the emulator's handlers do not pass a query on to the store.
NOTHING = Conditions()
DEMANDED: ContextVar[Conditions] = ContextVar("demanded", default=NOTHING)


def _generation(current: Resource | None) -> int:
    return int(current["generation"]) if current else 0


def _metageneration(current: Resource | None) -> int:
    return int(current["metageneration"]) if current else 0


def _number(query: Mapping[str, Sequence[str]], name: str) -> int | None:
    if name not in query:
        return None
    try:
        return int(query[name][0])
    except ValueError:
        message = f'{name} is "{query[name][0]}", which is not a number.'
        raise Refused(HTTPStatus.BAD_REQUEST, "invalid", message) from None
