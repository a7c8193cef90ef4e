"""Threads that run only while they are told to, each up to its next stop: interleavings on purpose."""

from __future__ import annotations

import _thread
import threading
from collections.abc import Callable
from typing import Any

_HERE = threading.local()


class Killed(BaseException):
    """The process has died: nothing of it is carried out any more."""


class Actor:
    """One thread of a process; `at` says where it stands, `children` are the threads that it started."""

    def __init__(self, target: Callable[[], Any], name: str = "") -> None:
        self.name, self.at, self.is_over, self.is_killed = name, "start", False, False
        self.outcome: Any = None
        self.error: Exception | None = None
        self.children: list[Actor] = []
        self._target, self._order = target, None
        # Semaphores made of Python code take ten times as long.
        self._go, self._back = _thread.allocate_lock(), _thread.allocate_lock()
        self._go.acquire()
        self._back.acquire()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """It runs when it is told to."""
        self._thread.start()

    def step(self, order: Any = None) -> None:
        """Run to the next stop; the order is what the stop answers."""
        self._order = order
        self._go.release()
        self._back.acquire()

    def pause(self, at: str) -> Any:
        """Stop here until the next step."""
        if not self.is_killed:
            self.at = at
            self._back.release()
            self._go.acquire()
        if self.is_killed:
            raise Killed
        return self._order

    def join(self) -> None:
        """Make the thread that calls it wait for the end of this one."""
        while not self.is_over:
            here().pause("join")

    def kill(self) -> None:
        """Kill -9 of the process."""
        self.is_killed = True
        for each in (*self.children, self):
            each.is_killed = True
            if not each.is_over:
                each.step()

    def run_to(self, at: str) -> None:
        """Go on until it stands at a point that begins so, or is over; its children stand still."""
        while not self.is_over and not self.at.startswith(at):
            self.step()

    def finish(self) -> None:
        """Go on to the end, together with its children."""
        while not self.is_over:
            self.step()
            for child in self.children:
                if not child.is_over and self.at == "join":
                    child.step()

    def _run(self) -> None:
        _HERE.actor = self
        self._go.acquire()
        try:
            self.outcome = None if self.is_killed else self._target()
        except Killed:
            pass
        except Exception as error:  # noqa: BLE001  # Whoever plays looks at it.
            self.error = error
        finally:
            self.is_over, self.at = True, "end"
            self._back.release()


def here() -> Actor:
    """The actor that is running."""
    actor: Actor = _HERE.actor
    return actor


class Pulse:
    """An event of `threading` whose waiting ends when the actor is told to go on."""

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        self._is_set = True

    def wait(self, _: float) -> bool:
        here().pause("beat")
        return self._is_set


class Threads:
    """Stands for the module `threading`: what is started belongs to the actor that starts it."""

    Event = Pulse

    @staticmethod
    def Thread(*, target: Callable[[], Any], name: str, daemon: bool) -> Actor:
        actor = Actor(target, f"{name} of {here().name}")
        here().children.append(actor)
        return actor
