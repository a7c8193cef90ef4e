"""One at a time: whoever swaps rows of a model holds its lock; a lock whose owner died opens when its lease is over.

The owner's heartbeat moves the end of the lease on, so that it may be short, however long a swap takes. The lock keeps
neighbours from disturbing each other, no more: what must hold if an owner sleeps past its lease is held by the
transaction, which looks at the drop's generation itself.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from shared.adapters.storage import Storage
from shared.errors import PassingError

log = logging.getLogger(__name__)
LEASE_SECONDS = 30.0
PATIENCE_SECONDS = 45.0
PAUSE_SECONDS = 0.25


@dataclass(frozen=True)
class Locks:
    """The locks of one project, as objects in the state bucket."""

    storage: Storage
    bucket: str
    clock: Callable[[], float] = field(default=time.time)
    sleep: Callable[[float], None] = field(default=time.sleep)
    lease_seconds: float = LEASE_SECONDS

    @contextmanager
    def hold(self, name: str, *, seconds: float | None = None, patience: float = PATIENCE_SECONDS) -> Iterator[None]:
        """Wait for the lock and hold it.

        Raises:
            PassingError: somebody else has held it for longer than one waits.
        """
        deadline, mine = self.clock() + patience, _Hold(self, f"locks/{name}", seconds or self.lease_seconds)
        while not mine.take():
            if self.clock() > deadline:
                raise PassingError(f"somebody else holds the lock {name}.")
            self.sleep(PAUSE_SECONDS)
        with mine:
            yield


class _Hold:
    """One owner's lock, from when it is taken until the block is left."""

    def __init__(self, locks: Locks, name: str, seconds: float) -> None:
        self._locks, self._name, self._seconds = locks, name, seconds
        self._nonce, self._generation = uuid.uuid4().hex, 0
        self._stop = threading.Event()

    def take(self) -> bool:
        """Whether nobody else has it, or whoever had it has died."""
        storage, bucket = self._locks.storage, self._locks.bucket
        taken = storage.create(bucket, self._name, self._body())
        if taken is None and (there := storage.read(bucket, self._name)) and there[0]["until"] <= self._locks.clock():
            taken = storage.replace(bucket, self._name, self._body(), generation=there[1])
        self._generation = taken or 0
        return taken is not None

    def __enter__(self) -> None:
        self._heart = threading.Thread(target=self._beat, name="lock", daemon=True)
        self._heart.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._heart.join()
        self._locks.storage.delete(self._locks.bucket, self._name, generation=self._generation)

    def _beat(self) -> None:
        while not self._stop.wait(self._seconds / 3):
            try:
                self._renew()
            except PassingError as error:
                log.warning("a heartbeat for %s failed: %s", self._name, error)

    def _renew(self) -> None:
        storage, bucket = self._locks.storage, self._locks.bucket
        generation = storage.replace(bucket, self._name, self._body(), generation=self._generation)
        if generation is None and (there := storage.read(bucket, self._name)) and there[0]["owner"] == self._nonce:
            # A heartbeat that seemed to fail was written after all.
            generation = storage.replace(bucket, self._name, self._body(), generation=there[1])
        if generation is not None:
            self._generation = generation

    def _body(self) -> dict[str, Any]:
        return {"owner": self._nonce, "until": self._locks.clock() + self._seconds}
