"""A lease in the ledger: an attempt's right to its work, kept up by a heartbeat and given back when it fails."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from shared.adapters.storage import Storage
from shared.errors import LostLease, PassingError

log = logging.getLogger(__name__)


@dataclass
class Lease:
    """The right to do a piece of work until a moment that a heartbeat keeps moving on."""

    storage: Storage
    bucket: str
    folder: str
    seconds: float
    clock: Callable[[], float]
    attempt: int = 0
    until: float = 0.0

    def __post_init__(self) -> None:
        self.nonce = uuid.uuid4().hex
        self._generation = 0
        self._stop = threading.Event()

    def take(self, attempt: int) -> bool:
        """Claim an attempt; whether nobody else has it."""
        until = self.clock() + self.seconds
        generation = self.storage.create(self.bucket, self._name(attempt), self._claim(until))
        if generation is None:
            return False
        self.attempt, self.until, self._generation = attempt, until, generation
        return True

    def check(self) -> None:
        """Go on only while the work is ours.

        Raises:
            LostLease: the lease ran out, and somebody has taken over.
        """
        if self.clock() >= self.until and self.storage.read(self.bucket, self._name(self.attempt + 1)):
            raise LostLease(f"the lease on {self.folder} ran out, and another attempt has begun.")

    def __enter__(self) -> Lease:
        self._heart = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._heart.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        self._stop.set()
        self._heart.join()
        if error is not None:
            self._give_back(error)

    def _give_back(self, error: BaseException) -> None:
        """Let the next attempt begin at once, and say why there has to be one."""
        try:
            self._renew(0.0, error=f"{type(error).__name__}: {error}"[:2000])
        except PassingError as also:
            # The lease runs out by itself; what went wrong first is what has to be seen.
            log.warning("the lease on %s could not be given back: %s", self.folder, also)

    def _beat(self) -> None:
        while not self._stop.wait(self.seconds / 3):
            try:
                self._renew(self.clock() + self.seconds)
            except PassingError as error:
                log.warning("a heartbeat for %s failed: %s", self.folder, error)

    def _renew(self, until: float, **more: Any) -> None:
        body = self._claim(until) | more
        name = self._name(self.attempt)
        generation = self.storage.replace(self.bucket, name, body, generation=self._generation)
        if generation is None and (there := self.storage.read(self.bucket, name)) and there[0]["until"]:
            # A heartbeat that seemed to fail was written after all.
            generation = self.storage.replace(self.bucket, name, body, generation=there[1])
        if generation is not None:
            self.until, self._generation = until, generation

    def _claim(self, until: float) -> dict[str, Any]:
        return {"owner": self.nonce, "until": until}

    def _name(self, attempt: int) -> str:
        return f"{self.folder}/claim-{attempt}"


_MINE: ContextVar[Lease | None] = ContextVar("mine", default=None)


def mine(lease: Lease) -> None:
    """What this thread does from here on, it does under this lease."""
    _MINE.set(lease)


def attempt() -> int:
    """The number of the attempt that this thread is at; a store that is told may refuse one that sleeps too long."""
    lease = _MINE.get()
    return lease.attempt if lease else 0


def check() -> None:
    """Go on only while the work that this thread is at is ours: before a change that has no fence of its own.

    Raises:
        LostLease: the lease ran out, and somebody has taken over.
    """
    if lease := _MINE.get():
        lease.check()
