"""The demo's own stack: begun anew, and ended with it unless it is kept."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cli.output import say
from cli.place import home
from shared.errors import TidewheelError

MARK = "demo.pid"


@contextmanager
def fresh(*, keep: bool) -> Iterator[None]:
    """A stack that knows nothing, and the environment to use it.

    Raises:
        TidewheelError: somebody's stack runs here.
    """
    from deploy.local import stack

    _end_earlier_demo(home())
    before = signal.signal(signal.SIGTERM, _end)
    ended_well = False
    try:
        say(f"Starting a fresh stack in {home()}; MLflow takes the longest.")
        stack.up(home(), detach=True, fresh=True, on_progress=say, on_ready=_mark)
        os.environ.update(stack.stack_env(home()))
        yield
        ended_well = True
    finally:
        if not (keep and ended_well):
            stack.down(home())
        signal.signal(signal.SIGTERM, before)


def tell_how_to_go_on(model: str) -> None:
    """For whoever wants to look around."""
    say("The stack is left up. Go on with, for instance:")
    say("  tidewheel status")
    say(f"  tidewheel timeline {model}")
    say(f"  tidewheel train {model} --rows 1k --wait")
    say("  tidewheel down")


def _end_earlier_demo(folder: Path) -> None:
    from deploy.local import stack

    running = stack.read_state(folder)
    if running is None:
        return
    mark = folder / MARK
    if not mark.exists() or mark.read_text() != str(running["pid"]):
        raise TidewheelError(
            f"a stack runs in {folder}, and the demo would forget what it knows.",
            'Stop it with "tidewheel down", or name another folder: TIDEWHEEL_HOME=/tmp/demo tidewheel demo.',
        )
    say("Stopping the stack of an earlier demo.")
    stack.down(folder)


def _mark(running: dict[str, Any]) -> None:
    (home() / MARK).write_text(str(running["pid"]))


def _end(*_: object) -> None:
    raise SystemExit(128 + signal.SIGTERM)
