"""How long a training waits for a store that is away, and when it has to stop."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from shared.errors import LostLease, PassingError, PermanentError

log = logging.getLogger(__name__)
PATIENCE_SECONDS = 240.0
LONGEST_PAUSE_SECONDS = 10.0
T = TypeVar("T")


class DeadlineOver(PermanentError):
    """The training has taken longer than it may."""


def patiently(
    ask: Callable[[], T], *, seconds: float = PATIENCE_SECONDS, sleep: Callable[[float], None] = time.sleep
) -> T:
    """Ask again, with growing pauses, for as long as the failure is one that passes.

    Raises:
        PassingError: it has not passed in that time.
        LostLease: somebody else does the work now.
    """
    deadline, pause = time.monotonic() + seconds, 1.0
    while True:
        try:
            return ask()
        except LostLease:
            raise
        except PassingError as error:
            if time.monotonic() + pause > deadline:
                raise
            log.warning("Waiting %.0f s: %s", pause, error)
            sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Stop what is inside after that time, wherever it is; outside of the main thread there is no such power.

    Raises:
        DeadlineOver: the time is over.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, lambda *_: _stop(seconds))
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _stop(seconds: float) -> Any:
    raise DeadlineOver(
        f"the training was stopped after {seconds:g} s, which is its deadline.",
        "Ask for fewer rows, or raise TIDEWHEEL_TRAINING_DEADLINE_SECONDS.",
    )
