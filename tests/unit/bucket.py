"""A bucket in memory, under the real adapter: its requests can be stopped, refused, or left without an answer.

It has Cloud Storage's semantics: generation preconditions, generations that only grow, and lists that miss nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, auto
from types import SimpleNamespace
from typing import Any, TypeVar

from google.api_core.exceptions import NotFound, PreconditionFailed, ServiceUnavailable

from shared.adapters.storage import Storage
from shared.settings import Settings

T = TypeVar("T")
STATE = "tidewheel-test-state"
SETTINGS = Settings(project="tidewheel-test", landing_bucket="l", quarantine_bucket="q", state_bucket=STATE)


class Fate(Enum):
    """What becomes of a request."""

    FINE = auto()
    LOST = auto()
    """It is carried out, its answer is lost, and the client tries again."""
    UNHEARD = auto()
    """It is carried out, but no answer ever comes, however often the client tries."""
    REFUSED = auto()
    """It is not carried out, however often the client tries."""


FAULTS = [Fate.LOST, Fate.UNHEARD, Fate.REFUSED]
Turn = Callable[[str], Fate]


@dataclass(frozen=True)
class Write:
    """One write that was carried out."""

    name: str
    generation: int
    is_first: bool
    by: object
    body: dict[str, Any]
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass
class Bucket:
    """The objects, and how they came about. What begins with `unguarded` is written whatever is there."""

    unguarded: str | None = None
    writes: list[Write] = field(default_factory=list)
    on_write: Callable[[Write], None] = lambda _: None
    objects: dict[str, Write] = field(default_factory=dict)

    def put(self, name: str, text: str, expected: int, by: object) -> int | None:
        """The new generation; None if another one than expected is there."""
        there = self.objects.get(name)
        is_guarded = self.unguarded is None or not name.rpartition("/")[2].startswith(self.unguarded)
        if is_guarded and (there.generation if there else 0) != expected:
            return None
        write = Write(name, len(self.writes) + 1, there is None, by, json.loads(text))
        self.on_write(write)
        self.objects[name] = write
        self.writes.append(write)
        return write.generation

    def body(self, name: str) -> dict[str, Any] | None:
        """What an object says now."""
        return self.objects[name].body if name in self.objects else None


@dataclass
class Client:
    """One process's way to the bucket; it takes a turn before each request, and after it."""

    content: Bucket
    by: object
    turn: Turn

    def bucket(self, _: str) -> Client:
        return self

    def blob(self, name: str) -> Blob:
        return Blob(self, name)

    def list_blobs(self, _: str, prefix: str, **__: Any) -> list[SimpleNamespace]:
        found = self.ask(f"list {prefix}", lambda: sorted(self.content.objects.items()))
        return [
            SimpleNamespace(name=name, generation=write.generation, updated=write.at)
            for name, write in found
            if name.startswith(prefix)
        ]

    def ask(self, what: str, request: Callable[[], T]) -> T:
        """The answer to a request, sooner or later."""
        while True:
            fate = self.turn(what)
            if fate is Fate.REFUSED:
                raise ServiceUnavailable("of a test, before")
            answer = request()
            if fate is Fate.UNHEARD:
                raise ServiceUnavailable("of a test, after")
            if fate is Fate.FINE:
                self.turn("answer")
                return answer


@dataclass
class Blob:
    """What the adapter uses of google.cloud.storage.Blob."""

    client: Client
    name: str
    generation: int = 0

    def upload_from_string(self, text: str, *, content_type: str, if_generation_match: int, **_: Any) -> None:
        content, by = self.client.content, self.client.by
        written = self.client.ask(f"put {self.name}", lambda: content.put(self.name, text, if_generation_match, by))
        if written is None:
            raise PreconditionFailed(self.name)
        self.generation = written

    def download_as_bytes(self) -> bytes:
        there = self.client.ask(f"get {self.name}", lambda: self.client.content.objects.get(self.name))
        if there is None:
            raise NotFound(self.name)
        self.generation = there.generation
        return json.dumps(there.body).encode()


def storage_of(content: Bucket, turn: Turn = lambda _: Fate.FINE, by: object = None) -> Storage:
    """The real adapter over a bucket in memory."""
    storage = Storage(SETTINGS)
    vars(storage)["_client"] = Client(content, by, turn)
    return storage
