"""Keeps one part alive: waits for what it comes after, starts it, sees that it is up, starts it again when it dies."""

from __future__ import annotations

import logging
import signal
import subprocess
import time
from collections.abc import Callable, Container

from deploy.local import probe, processes
from deploy.local.guard import Guard
from deploy.local.layout import ROOT, Layout
from deploy.local.parts import Part

log = logging.getLogger(__name__)
START_SECONDS = 120.0
FIRST_ATTEMPTS = 3
SETTLED_SECONDS = 30.0
LONGEST_PAUSE_SECONDS = 10.0


class Keeper:
    """A part's life: down -> starting -> up, and restarting after deaths. It gives up only before the first `up`."""

    def __init__(self, part: Part, layout: Layout, guard: Guard, clock: Callable[[], float] = time.monotonic) -> None:
        self.part, self.state, self.restarts = part, "down", 0
        self.has_been_up = self.given_up = False
        self._layout, self._guard, self._clock = layout, guard, clock
        self._process: subprocess.Popen[bytes] | None = None
        self._deaths = 0
        self._since = clock()

    @property
    def pid(self) -> int | None:
        """Of the part's process, if it has one."""
        return self._process.pid if self._process else None

    def step(self, up: Container[str]) -> None:
        """Do what is to be done now; never waits for the part."""
        if self.state in ("starting", "up") and self._process and self._process.poll() is not None:
            self._ended(self._process.returncode)
        elif self.state == "starting":
            self._look()
        elif self._may_start(up):
            self._start()

    def again(self) -> None:
        """What a task prepared is in question, because what it prepared was restarted."""
        if self.state == "up":
            self.state = "down"

    def ask_to_stop(self) -> None:
        """Let the part finish what it has in hand."""
        self.given_up = True
        if self._process:
            self._process.send_signal(signal.SIGTERM)

    def wait_until_stopped(self, deadline: float) -> None:
        """Wait for the part's end, and end what it leaves."""
        if self._process:
            try:
                self._process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.warning("%s did not stop in time and is ended", self.part.name)
            self._clear()
        self.state = "down"

    def _may_start(self, up: Container[str]) -> bool:
        if (self._layout.held / self.part.name).exists():
            return False
        if self.state == "restarting":
            return self._clock() >= self._since
        return self.state == "down" and not self.given_up and all(name in up for name in self.part.after)

    def _start(self) -> None:
        part = self.part
        self._process = processes.start(part.command, env=part.env, log=self._layout.log(part.name), cwd=ROOT)
        self._guard.add(self._process.pid)
        self._be("starting")

    def _look(self) -> None:
        age = self._clock() - self._since
        if self._answers(age):
            self._be("up")
        elif age > START_SECONDS:
            log.warning("%s did not answer within %.0f s", self.part.name, START_SECONDS)
            self._died()

    def _answers(self, age_seconds: float) -> bool:
        if self.part.port:
            return probe.answers(self.part.port, self.part.health_path)
        # A consumer has no door to knock at: it is up when it has not fallen at once.
        return self.part.kind == "consumer" and age_seconds > 1.0

    def _ended(self, code: int) -> None:
        if self.part.kind == "task" and code == 0:
            self._clear()
            return self._be("up")
        log.warning("%s ended with code %s", self.part.name, code)
        return self._died()

    def _died(self) -> None:
        if self.state == "up" and self._clock() - self._since > SETTLED_SECONDS:
            self._deaths = 0
        self._deaths += 1
        self._clear()
        if not self.has_been_up and self._deaths >= FIRST_ATTEMPTS:
            self.given_up, self.state = True, "down"
            return
        self.restarts += 1
        self._be("restarting")
        self._since += min(0.1 * 2**self._deaths, LONGEST_PAUSE_SECONDS)

    def _be(self, state: str) -> None:
        self.state, self._since = state, self._clock()
        self.has_been_up |= state == "up"

    def _clear(self) -> None:
        """End what the part's process leaves behind: a gunicorn worker would keep the port."""
        if self._process:
            processes.end_group(self._process.pid)
            self._process.wait()
            self._guard.remove(self._process.pid)
            self._process = None
