"""What the project would be without one of its guards: switched off inside a function, before it is served."""

from __future__ import annotations

from pathlib import Path

from shared.adapters import warehouse_drops
from shared.lifecycle.lease import Lease
from shared.lifecycle.ledger import Ledger

ROOT = Path(__file__).parents[2]
MAIN = """from tests.e2e import mutations

mutations.{mutation}()
from functions.{name}.main import {name}
"""


def claim() -> None:
    """Whoever comes has the work."""

    def take(self: Lease, attempt: int) -> bool:
        there = self.storage.read(self.bucket, self._name(attempt))
        until, before = self.clock() + self.seconds, there[1] if there else 0
        after = self.storage.replace(self.bucket, self._name(attempt), self._claim(until), generation=before)
        self.attempt, self.until, self._generation = attempt, until, after or 0
        return True

    Lease.take = take  # type: ignore[method-assign]


def outbox() -> None:
    """Nobody reads what an attempt that died had decided to announce."""
    Ledger._adopt = lambda self, folder, lease: [] if lease.attempt > 1 else None  # type: ignore[method-assign]


def fence() -> None:
    """An older generation may replace the rows of a newer one."""
    written = warehouse_drops.statement

    def statement(name: str, **names: str) -> str:
        return written(name, **names).replace("IF newest > this_generation THEN", "IF FALSE THEN")

    warehouse_drops.statement = statement


def outbox_and_fence() -> None:
    """Both."""
    outbox()
    fence()


def nothing() -> None:
    """As it is."""


def mutated(folder: Path, **mutations: str) -> Path:
    """A folder of functions, those that are named with their mutation."""
    for main in (ROOT / "functions").glob("*/main.py"):
        name = main.parent.name
        (folder / name).mkdir(parents=True)
        (folder / name / "main.py").write_text(MAIN.format(name=name, mutation=mutations.get(name, "nothing")))
    return folder
