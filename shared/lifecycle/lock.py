"""One at a time: whoever swaps rows of a model holds its lock; a lock whose owner died opens when its lease is over.

The lock keeps neighbours from disturbing each other, no more: what must hold if an owner sleeps past its lease is held
by the transaction, which looks at the drop's generation itself.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from shared.adapters.storage import Storage
from shared.errors import PassingError

LEASE_SECONDS = 120.0
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
        deadline = self.clock() + patience
        while (mine := self._take(name, seconds or self.lease_seconds)) is None:
            if self.clock() > deadline:
                raise PassingError(f"somebody else holds the lock {name}.")
            self.sleep(PAUSE_SECONDS)
        try:
            yield
        finally:
            self.storage.delete(self.bucket, _object(name), generation=mine)

    def _take(self, name: str, seconds: float) -> int | None:
        body = {"owner": uuid.uuid4().hex, "until": self.clock() + seconds}
        taken = self.storage.create(self.bucket, _object(name), body)
        if taken is not None:
            return taken
        there = self.storage.read(self.bucket, _object(name))
        if there is None or there[0]["until"] > self.clock():
            return None
        return self.storage.replace(self.bucket, _object(name), body, generation=there[1])


def _object(name: str) -> str:
    return f"locks/{name}"
