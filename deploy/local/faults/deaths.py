"""Faults of machines: a worker dies in mid-training, everything dies in mid-story."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

from deploy.local import processes, stack, state
from deploy.local.faults.causes import ask_training
from deploy.local.faults.lab import DidNotHappen, Lab, until
from deploy.local.faults.quiet import settle

# A story with a training takes about so long.
STORY_SECONDS = 8.0
WORKER_TRIES = 3
EVERYTHING_TRIES = 2


def kill_worker(lab: Lab) -> int:
    """The machine dies in mid-training, wherever it is, and the same request goes on."""
    return sum(_kill_worker(lab) for _ in range(WORKER_TRIES))


def _kill_worker(lab: Lab) -> int:
    request = ask_training(lab).id
    part = until(lambda: lab.part(f"train-{request}"), f"train-{request} to run")
    time.sleep(lab.dice.uniform(0, STORY_SECONDS / 2))
    still_trains = processes.lives(part["pid"])
    processes.end_group(part["pid"])
    settle(lab)
    return int(still_trains)


def kill_everything(lab: Lab) -> int:
    """All processes of the stack die in mid-story, and it is started again."""
    return sum(_in_a_story(lab) for _ in range(EVERYTHING_TRIES))


def _in_a_story(lab: Lab) -> int:
    lab.drop(days=30)
    time.sleep(lab.dice.uniform(0, STORY_SECONDS))
    _kill_all(lab)
    settle(lab)
    return 1


def _kill_all(lab: Lab) -> None:
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
    lab.start()
