"""What the supervisor says about itself: a lock that dies with it, and a file that anybody may read."""

from __future__ import annotations

import fcntl
import json
import os
import time
from pathlib import Path
from typing import IO, Any

from deploy.local import processes
from deploy.local.layout import Layout
from shared.errors import TidewheelError

State = dict[str, Any]
PATIENCE_SECONDS = 0.5
CLEARING_SECONDS = 10.0


def write(layout: Layout, state: State) -> None:
    """Replace the state in one step, so that nobody reads half of it."""
    fresh = layout.state.with_suffix(f".{os.getpid()}")
    fresh.write_text(json.dumps(state, indent=1))
    fresh.replace(layout.state)


def read(layout: Layout) -> State | None:
    """The state of the stack that runs, None if none does."""
    if not is_locked(layout.lock) or not layout.state.exists():
        return None
    state = json.loads(layout.state.read_text())
    return state if processes.lives(state["pid"]) else None


def take_lock(layout: Layout) -> IO[str]:
    """Become the one supervisor of this folder; the lock is free when it and its guard are gone.

    Raises:
        TidewheelError: there is one already.
    """
    layout.home.mkdir(parents=True, exist_ok=True)
    lock = layout.lock.open("a")
    began = time.monotonic()
    while not _lock(lock, fcntl.LOCK_EX):
        # Readers hold it for an instant; the guard of a supervisor that was killed, until it has cleared up.
        if time.monotonic() - began > (PATIENCE_SECONDS if read(layout) else CLEARING_SECONDS):
            lock.close()
            raise running_already(layout)
        time.sleep(0.02)
    layout.state.unlink(missing_ok=True)
    return lock


def running_already(layout: Layout) -> TidewheelError:
    """The sentence for a second `up`."""
    state = read(layout) or {}
    who = f" (process {state['pid']})" if "pid" in state else ""
    return TidewheelError(
        f"the stack in {layout.home} is running already{who}.",
        'See it with "tidewheel status", stop it with "tidewheel down".',
    )


def is_locked(path: Path) -> bool:
    """Whether a supervisor lives."""
    if not path.exists():
        return False
    with path.open("a") as lock:
        return not _lock(lock, fcntl.LOCK_SH)


def _lock(file: IO[str], how: int) -> bool:
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
