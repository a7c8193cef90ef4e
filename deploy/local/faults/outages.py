"""Faults of servers: one stands still, or is down, from a chosen moment of a story on, and comes back after a minute.

The moment is a crash point of the phase: the process that gets there is frozen until the server is away, and goes on
from there without it.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from deploy.local import processes
from deploy.local.faults.causes import ask_training
from deploy.local.faults.lab import Lab, until
from deploy.local.faults.orders import is_frozen
from deploy.local.faults.quiet import settle
from shared.lifecycle.crash import FREEZE

PHASES: dict[str, tuple[str, tuple[str, ...]]] = {
    "preparing": ("preprocess", ("claimed", "staged", "swapped", "worked", "outbox", "announced")),
    "evaluating": ("evaluate", ("claimed", "appended", "recorded", "worked", "outbox", "announced")),
    "launching": ("launch_training", ("claimed", "placed", "launched", "worked", "outbox", "announced")),
    "training": ("train", ("claimed", "started", "fitted", "registered", "finished", "worked", "outbox", "announced")),
    "promoting": ("promote", ("claimed", "decided", "closed", "worked", "outbox", "announced")),
}
FROM_A_DROP = ("preparing", "evaluating")


def outage(server: str) -> Callable[[Lab], int]:
    """A server stands still in one phase and is down in another; the dice choose."""
    return lambda lab: sum(how(server, lab.dice.choice(list(PHASES)))(lab) for how in (still, down))


def still(server: str, phase: str) -> Callable[[Lab], int]:
    """The server takes what comes and answers nothing, from a point of the phase on."""
    return lambda lab: _away(lab, server, phase, _still)


def down(server: str, phase: str) -> Callable[[Lab], int]:
    """The server is killed at a point of the phase, and is not there until it is let start again."""
    return lambda lab: _away(lab, server, phase, _down)


Away = Callable[[Lab, str], Any]


def _away(lab: Lab, server: str, phase: str, away: Away) -> int:
    step, points = PHASES[phase]
    point = f"{step}.{lab.dice.choice(points)}"
    if not lab.obeyed(point, FREEZE, lambda: lab.drop(days=30) if phase in FROM_A_DROP else ask_training(lab)):
        return 0
    with away(lab, server):
        lab.orders.thaw(point)
        time.sleep(lab.away_seconds)
    settle(lab)
    return 1


@contextmanager
def _still(lab: Lab, server: str) -> Iterator[None]:
    part = _part(lab, server)
    os.killpg(part["pid"], signal.SIGSTOP)
    try:
        until(lambda: is_frozen(part["pid"]), f"{server} to stand still")
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(part["pid"], signal.SIGCONT)


@contextmanager
def _down(lab: Lab, server: str) -> Iterator[None]:
    part = _part(lab, server)
    lab.layout.held.mkdir(exist_ok=True)
    held = lab.layout.held / server
    held.touch()
    try:
        processes.end_group(part["pid"])
        until(lambda: not processes.lives(part["pid"]), f"{server} to die")
        yield
    finally:
        held.unlink()
    until(lambda: _is_up_again(lab, part), f"{server} to be started again")


def _part(lab: Lab, name: str) -> dict[str, Any]:
    return until(lambda: lab.part(name), f"{name} to run")


def _is_up_again(lab: Lab, before: dict[str, Any]) -> bool:
    now = lab.part(before["name"])
    return now is not None and now["pid"] != before["pid"] and now["state"] == "up"
