"""A stack of its own, and what the lab does with it: drops files, sends messages, orders faults, waits for the end."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from deploy.local import stack
from deploy.local.faults import flights
from deploy.local.faults.flights import MODEL, Counts
from deploy.local.faults.orders import Orders
from deploy.local.layout import ROOT, Layout
from deploy.local.machines import WORKER
from shared.adapters.stories import topic_of
from shared.errors import TidewheelError
from shared.lifecycle import crash
from shared.lifecycle.services import Services

# Whoever dies is followed after seconds, not after minutes.
LEASE_SECONDS = 4.0
HASTE = {"TIDEWHEEL_LEASE_SECONDS": f"{LEASE_SECONDS}", "TIDEWHEEL_LOCK_SECONDS": "12"}
HASTE |= {"TIDEWHEEL_RECONCILE_SECONDS": "10"}
PATIENCE_SECONDS, SETTLE_SECONDS = 120.0, 180.0
# How long a server is away: longer than any client waits for one answer.
AWAY_SECONDS = 60.0
PAUSE_SECONDS = 0.1
ROWS = 600
FIRST_DAY = datetime(2013, 1, 1)
T = TypeVar("T")


class DidNotHappen(TidewheelError):
    """What the lab waited for did not come."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """One that was published: where, what, and under which id."""

    topic: str
    data: bytes
    attributes: Mapping[str, str]
    id: str


@dataclass
class Lab:
    """What the lab has done so far: the drops that it wrote and withdrew, the ids that the broker confirmed."""

    home: Path
    seed: int
    functions: Path = ROOT / "functions"
    worker: str = WORKER
    rate_limit: bool = False
    services: Services = field(default_factory=Services)
    dropped: dict[tuple[str, int], Counts] = field(default_factory=dict)
    confirmed: list[Message] = field(default_factory=list)
    refused: list[Message] = field(default_factory=list)
    withdrawn: dict[str, bool] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    stuck: set[str] = field(default_factory=set)
    patience_seconds: float = SETTLE_SECONDS
    away_seconds: float = AWAY_SECONDS

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self.layout = Layout(self.home)
        self.orders = Orders(self.home / "faults")
        self._day, self._files = FIRST_DAY, 0

    def start(self, say: Callable[[str], None] = lambda _: None) -> None:
        """Start the stack, or start it again."""
        stack.up(
            self.home,
            detach=True,
            functions=self.functions,
            worker=self.worker,
            rate_limit=self.rate_limit,
            on_progress=say,
        )

    def drop(self, *, days: int = 1, name: str | None = None) -> tuple[str, int]:
        """Put a file of the next days into the landing bucket: its name and generation.

        A drop of thirty days makes the champion due for a challenger, one of a day does not.
        """
        self._files += 1
        file = self.home / f"{self._files:03}.csv"
        counts = flights.write(file, self.dice, self._day, days, ROWS)
        self._day += timedelta(days=days)
        name = name or f"{MODEL}/{file.name}"
        generation = self.services.storage.put(self.services.settings.landing_bucket, name, file)
        self.dropped[name, generation] = counts
        # A new file is a new beginning.
        self.withdrawn.pop(name, None)
        return name, generation

    def publish(
        self, topic: str, data: bytes | Mapping[str, Any], attributes: Mapping[str, str] | None = None
    ) -> Message:
        """Publish a message; the broker has confirmed it."""
        body = data if isinstance(data, bytes) else json.dumps(data).encode()
        [number] = self.services.bus.publish([(topic, body, attributes or {})])
        message = Message(topic=topic, data=body, attributes=attributes or {}, id=number)
        self.confirmed.append(message)
        return message

    def received(self, name: str, generation: int) -> bytes:
        """What is said by hand of a drop that has landed."""
        said = {"bucket": self.services.settings.landing_bucket, "name": name, "generation": generation}
        return json.dumps(said).encode()

    def logged(self) -> list[Message]:
        """Every message of the lifecycle log, oldest first."""
        return [
            Message(
                topic=topic_of(row["subscription_name"]),
                data=str(row["data"]).encode(),
                attributes=json.loads(row["attributes"] or "{}"),
                id=row["message_id"],
            )
            for row in self.services.warehouse.log(limit=1_000_000)
        ]

    def part(self, name: str) -> dict[str, Any] | None:
        """What the supervisor says of a part; a part that has no process is none."""
        running = stack.read_state(self.home) or {"parts": []}
        return next((each for each in running["parts"] if each["name"] == name and each["pid"]), None)

    def obeyed(self, point: str, how: str, cause: Callable[[], object]) -> bool:
        """Order a fault at a point and set off what leads there: whether it happened."""
        self.orders.give(point, how)
        cause()
        try:
            until(lambda: self.orders.obeyed(point), f"a process at {point}", PATIENCE_SECONDS)
        except DidNotHappen:
            return False
        return True


def until(ask: Callable[[], T | None], what: str, seconds: float = PATIENCE_SECONDS) -> T:
    """Ask until the answer is a true one.

    Raises:
        DidNotHappen: it never was.
    """
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        if time.monotonic() > deadline:
            raise DidNotHappen(f"waited {seconds:.0f} s in vain for {what}.")
        time.sleep(PAUSE_SECONDS)
    return answer


@contextmanager
def running(lab: Lab, say: Callable[[str], None] = print) -> Iterator[Lab]:
    """The lab while its stack is up; the environment is the stack's, and afterwards as it was before."""
    before = dict(os.environ)
    lab.orders.folder.mkdir(parents=True, exist_ok=True)
    os.environ.update(HASTE | {crash.FOLDER: str(lab.orders.folder)})
    handler = signal.signal(signal.SIGTERM, _end)
    try:
        lab.start(say)
        os.environ.update(stack.stack_env(lab.home))
        yield lab
    finally:
        lab.orders.take_back()
        stack.down(lab.home)
        os.environ.clear()
        os.environ.update(before)
        signal.signal(signal.SIGTERM, handler)


def _end(*_: object) -> None:
    raise SystemExit(128 + signal.SIGTERM)
