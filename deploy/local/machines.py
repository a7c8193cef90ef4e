"""The laptop's "VMs": each file `<name>.json` in their folder is a training process, until `<name>.exit` is there."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.local import processes
from deploy.local.guard import Guard
from deploy.local.layout import ROOT, Layout
from shared.settings import Settings

log = logging.getLogger(__name__)
WORKER = "training_vm"
MOST_STARTS = 3
# What `timeout` says, too.
HUNG = 124
PAUSE_SECONDS = 1.0
# A training ends itself at its deadline; one that cannot, since it hangs outside of Python, is ended this much later.
GRACE_SECONDS = 60.0


@dataclass
class Machine:
    """One training process and how often it was started."""

    name: str
    starts: int = 0
    process: subprocess.Popen[bytes] | None = None
    not_before: float = 0.0
    started: float = 0.0


class Machines:
    """Starts what is asked for. A process that fails is started three times in all, like a VM that is preempted."""

    def __init__(
        self,
        layout: Layout,
        guard: Guard,
        env: Mapping[str, str],
        worker: str = WORKER,
        deadline_seconds: float = Settings.training_deadline_seconds,
    ) -> None:
        self._layout, self._guard, self._env, self._worker = layout, guard, env, worker
        self._longest_seconds = deadline_seconds + GRACE_SECONDS
        self._machines: dict[str, Machine] = {}

    def step(self) -> None:
        """Look for new requests and for processes that have ended."""
        for name in self._wanted():
            self._machines.setdefault(name, Machine(name))
        for machine in list(self._machines.values()):
            if not self._file(machine.name).exists():
                log.warning("%s is not wanted any more", machine.name)
                self._clear(machine)
                del self._machines[machine.name]
            elif machine.process is None and time.monotonic() >= machine.not_before:
                self._start(machine)
            elif machine.process is not None and machine.process.poll() is not None:
                self._ended(machine, machine.process.returncode)
            elif machine.process is not None and time.monotonic() - machine.started > self._longest_seconds:
                log.warning("%s hangs, and is ended", machine.name)
                self._clear(machine)
                self._note_end(machine, HUNG)

    def running(self) -> list[dict[str, Any]]:
        """The trainings that go on, as parts of the stack."""
        return [
            {
                "name": each.name,
                "kind": "machine",
                "pid": each.process.pid if each.process else None,
                "port": None,
                "state": "up" if each.process else "restarting",
                "restarts": max(0, each.starts - 1),
            }
            for each in self._machines.values()
        ]

    def ask_to_stop(self) -> None:
        """End the trainings; their files stay, so that the next start of the stack begins them again."""
        for machine in self._machines.values():
            if machine.process:
                machine.process.send_signal(signal.SIGTERM)

    def wait_until_stopped(self, deadline: float) -> None:
        """Wait for the trainings' end, and end what is left."""
        for machine in self._machines.values():
            if machine.process:
                try:
                    machine.process.wait(max(0.0, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    log.warning("%s did not stop in time and is ended", machine.name)
                self._clear(machine)

    def _wanted(self) -> list[str]:
        files = self._layout.machines.glob("*.json")
        return [file.stem for file in files if file.stem not in self._machines and self._is_open(file)]

    def _is_open(self, file: Path) -> bool:
        if file.with_suffix(".exit").exists():
            return False
        try:
            json.loads(file.read_text())
        except ValueError:
            # It is being written at this moment.
            return False
        return True

    def _start(self, machine: Machine) -> None:
        machine.starts, machine.started = machine.starts + 1, time.monotonic()
        file = self._file(machine.name)
        with suppress(FileNotFoundError):
            # Its age is that of its process: a stack may have slept in between.
            os.utime(file)
        command = [sys.executable, "-m", self._worker, str(file)]
        env = {**self._env, "TIDEWHEEL_MACHINE_STARTS_LEFT": str(MOST_STARTS - machine.starts)}
        machine.process = processes.start(command, env=env, log=self._layout.log(machine.name), cwd=ROOT)
        self._guard.add(machine.process.pid)
        log.info("%s is training (start %d)", machine.name, machine.starts)

    def _ended(self, machine: Machine, code: int) -> None:
        self._clear(machine)
        if code and machine.starts < MOST_STARTS:
            log.warning("%s ended with code %s and is started again", machine.name, code)
            machine.not_before = time.monotonic() + PAUSE_SECONDS
        else:
            self._note_end(machine, code)

    def _note_end(self, machine: Machine, code: int) -> None:
        """It is not started again: whoever asks learns that it has ended."""
        fresh = self._layout.machines / f"{machine.name}.exit.new"
        fresh.write_text(f"{code}\n")
        fresh.replace(self._layout.machines / f"{machine.name}.exit")
        del self._machines[machine.name]

    def _file(self, name: str) -> Path:
        return self._layout.machines / f"{name}.json"

    def _clear(self, machine: Machine) -> None:
        if machine.process:
            processes.end_group(machine.process.pid)
            machine.process.wait()
            self._guard.remove(machine.process.pid)
            machine.process = None
