"""Faults of machines: a server stands still or dies in mid-story, a worker dies, everything dies."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from deploy.local import processes, stack, state
from deploy.local.faults.causes import ask_training
from deploy.local.faults.lab import DidNotHappen, Lab, until
from deploy.local.faults.orders import is_frozen
from deploy.local.faults.quiet import settle

AWAY_SECONDS = 5.0
# A story with a training takes about so long.
STORY_SECONDS = 8.0
WORKER_TRIES = 3


def outage(server: str) -> Callable[[Lab], int]:
    """A server stands still for some seconds in mid-story, and in the next story it is killed."""

    def make(lab: Lab) -> int:
        return sum(_in_a_story(lab, partial(how, lab, server)) for how in (_stop, _kill))

    return make


def _in_a_story(lab: Lab, harm: Callable[[], int]) -> int:
    lab.drop(days=30)
    time.sleep(lab.dice.uniform(0, STORY_SECONDS))
    happened = harm()
    settle(lab)
    return happened


def _stop(lab: Lab, server: str) -> int:
    part = _part(lab, server)
    os.killpg(part["pid"], signal.SIGSTOP)
    try:
        time.sleep(AWAY_SECONDS)
        return int(is_frozen(part["pid"]))
    finally:
        with suppress(ProcessLookupError):
            os.killpg(part["pid"], signal.SIGCONT)


def _kill(lab: Lab, server: str) -> int:
    part = _part(lab, server)
    processes.end_group(part["pid"])
    until(lambda: not processes.lives(part["pid"]), f"{server} to die")
    until(lambda: _is_up_again(lab, part), f"{server} to be started again")
    return 1


def _part(lab: Lab, name: str) -> dict[str, Any]:
    return until(lambda: lab.part(name), f"{name} to run")


def _is_up_again(lab: Lab, before: dict[str, Any]) -> bool:
    now = lab.part(before["name"])
    return now is not None and now["pid"] != before["pid"] and now["state"] == "up"


def kill_worker(lab: Lab) -> int:
    """The machine dies in mid-training, wherever it is, and the same request goes on."""
    return sum(_kill_worker(lab) for _ in range(WORKER_TRIES))


def _kill_worker(lab: Lab) -> int:
    request = ask_training(lab).id
    part = _part(lab, f"train-{request}")
    time.sleep(lab.dice.uniform(0, STORY_SECONDS / 2))
    still_trains = processes.lives(part["pid"])
    processes.end_group(part["pid"])
    settle(lab)
    return int(still_trains)


def kill_everything(lab: Lab) -> int:
    """All processes of the stack die in mid-story, and it is started again."""
    return sum(_in_a_story(lab, lambda: _kill_all(lab)) for _ in range(2))


def _kill_all(lab: Lab) -> int:
    running = stack.read_state(lab.home)
    if running is None:
        raise DidNotHappen("the stack does not run.")
    with suppress(ProcessLookupError):
        os.kill(running["pid"], signal.SIGKILL)
    pids = [part["pid"] for part in running["parts"] if part["pid"]]
    for pid in pids:
        processes.end_group(pid)
    until(lambda: not any(map(processes.lives, pids)), "everything to die")
    until(lambda: not state.is_locked(lab.layout.lock), "the guard to clear up")
    stack.up(lab.home, detach=True, functions=lab.functions, on_progress=lambda _: None)
    return 1
