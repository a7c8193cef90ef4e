"""A world in which requests for training race for one desk, and every step may die and come again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

from shared.adapters.warehouse import Account
from shared.errors import PassingError, PermanentError
from shared.lifecycle.desk import LAUNCHED, Desk
from shared.lifecycle.events import DataPrepared, Event, TrainingRequested
from tests.unit.actors import Actor, here
from tests.unit.bucket import STATE, Bucket, Fate, Write, storage_of

MODEL = "taxi_fare"
PAGE = f"requests/{MODEL}.json"


@dataclass(eq=False)
class Task:
    """A step that the ledger has done until its result is written down; whoever comes first writes it."""

    name: str
    step: Callable[[Desk], Any]
    go_on: Callable[[Any], None]
    result: Any = None
    is_done: bool = False


class World:
    """Requests of one model, from the message to the end; `broken` are promises that did not hold."""

    failures: ClassVar = {"launch": [None], "outbox": [None]}

    def __init__(self) -> None:
        self.bucket = Bucket(on_write=self._judge_write)
        self.tasks: list[Task] = []
        self.processes: list[Actor] = []
        self.broken: list[str] = []
        self.asked: list[TrainingRequested] = []
        self.outcomes: dict[str, tuple[str, str | None]] = {}
        self.machines: dict[str, TrainingRequested] = {}
        self.ended: list[str] = []
        self.again: list[DataPrepared] = []

    # What happens.

    def ask(self, **wishes: Any) -> None:
        """A request comes, for the first time."""
        event = TrainingRequested(model=MODEL, request=f"r{len(self.asked) + 1}", **wishes)
        self.asked.append(event)
        self._place(event)

    def try_task(self, task: Task) -> Actor:
        """Another delivery of what a task is about."""
        actor = Actor(lambda: self._attempt(task), task.name)
        self.processes.append(actor)
        actor.start()
        return actor

    def pending(self) -> list[Task]:
        """What is not done yet."""
        return [task for task in self.tasks if not task.is_done]

    def finish(self) -> None:
        """Let everybody end without further faults, and deliver everything until it is done."""
        for actor in self.processes:
            actor.finish()
        for _ in range(200):
            for task in self.pending():
                self.try_task(task).finish()
        self._judge_end()

    def _attempt(self, task: Task) -> None:
        storage = storage_of(self.bucket, lambda what: here().pause(what) or Fate.FINE)
        try:
            result = task.step(Desk(storage, STATE, _account))
        except PassingError:
            return
        except PermanentError:
            # Who slept while somebody else did it all may find that it is over.
            self._demand(task.is_done, f"{task.name} was refused for good")
            return
        here().pause("outbox")
        if not task.is_done:
            task.is_done, task.result = True, result
            task.go_on(result)

    def _add(self, name: str, step: Callable[[Desk], Any], go_on: Callable[[Any], None]) -> None:
        self.tasks.append(Task(name, step, go_on))

    def _place(self, event: TrainingRequested) -> None:
        def step(desk: Desk) -> tuple[str, str | None]:
            placed = desk.place(event)
            if placed[0] == LAUNCHED:
                here().pause("launch")
                self._launch(event)
            return placed

        def go_on(placed: tuple[str, str | None]) -> None:
            self.outcomes[event.identity] = placed

        self._add(f"place {event.identity}", step, go_on)

    def _launch(self, event: TrainingRequested) -> None:
        """Asking twice for the same name starts one machine."""
        if event.machine in self.machines:
            return
        others = [each for each in self.machines.values() if each.request not in self.ended]
        self._demand(not others, f"{event.machine} was launched beside {others}")
        self.machines[event.machine] = event
        self._add(f"start {event.machine}", lambda desk: desk.start(MODEL, event.request), lambda _: self._close(event))

    def _close(self, event: TrainingRequested) -> None:
        self._add(f"close {event.machine}", lambda desk: desk.close(MODEL, event.request), self._go_on)

    def _go_on(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, TrainingRequested):
                self._place(event)
            elif isinstance(event, DataPrepared):
                self.again.append(event)

    # What must hold.

    def _demand(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.broken.append(otherwise)

    def _judge_write(self, write: Write) -> None:
        before = self.bucket.body(PAGE) or {"open": None, "waiting": []}
        if before["open"] and before["open"] != write.body["open"]:
            self._demand(write.body["open"] is None, "one open request pushed out another")
            self.ended.append(before["open"]["fields"]["request"])
        line, now = before["waiting"], write.body["waiting"]
        self._demand(now in (line[1:], line) or now[:-1] == line, "the line did not move in its order")

    def _judge_end(self) -> None:
        self._demand(not self.pending(), f"{[task.name for task in self.pending()]} never came to an end")
        for actor in self.processes:
            self._demand(actor.error is None, f"{actor.name}: {actor.error!r}")
        page: dict[str, Any] = self.bucket.body(PAGE) or {}
        left = [page.get(name) for name in ("open", "waiting", "again") if page.get(name)]
        self._demand(not left, f"left on the desk: {left}")
        for event in self.asked:
            self._judge_fate(event)

    def _judge_fate(self, event: TrainingRequested) -> None:
        """Trained once, or part of a training that ended, or its drop is evaluated once more."""
        mine = [identity for identity in self.outcomes if identity.split(".")[0] == event.request]
        final = [self.outcomes[max(mine)]]
        trained = sum(each.request == event.request for each in self.machines.values())
        if final[0][0] in ("launched", "waiting"):
            self._demand(trained == 1, f"{event.request} ({final}) was trained {trained} times")
        elif final[0][0] == "joined":
            self._demand(final[0][1] in self.ended, f"{event.request} joined {final[0][1]}, which did not end")
        else:
            newest = max((each.generation for each in self.again), default=0)
            self._demand(newest >= (event.generation or 0), f"the drop of {event.request} was not evaluated once more")


def _account(model: str, drop: str, generation: int) -> Account:
    may = datetime(2012, 5, 1, tzinfo=UTC)
    counts: dict[str, Any] = {"rows": 3, "accepted": 2, "rejected": 1, "duplicate": 0}
    span: dict[str, Any] = {"first_event": may, "last_event": may, "prepared_at": may}
    return Account(model=model, drop=drop, generation=generation, outcome="prepared", **counts, **span)
