"""One lifecycle in memory: the functions' own steps evaluate drops, and launch, train and judge challengers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from unittest.mock import patch

import numpy as np
import pandas as pd

from benchmarks.decisions_stores import InMemory
from functions.evaluate.step import evaluate
from functions.launch_training.step import launch
from functions.preprocess.withdrawal import withdraw
from functions.promote.judging import judged
from functions.promote.step import STEPS
from shared.adapters.registry import Evaluation, Version
from shared.adapters.warehouse_drops import Account
from shared.contract import catalog
from shared.contract.spec import ModelSpec
from shared.evaluation import scores
from shared.evaluation.comparison import ALL
from shared.lifecycle.decisions import Decision
from shared.lifecycle.events import DataPrepared, Event, StepFailed, TrainingRequested, WithdrawalRequested
from shared.lifecycle.lineage import prepared
from shared.lifecycle.standing import KEEP, PROMOTE, Standing
from training_vm.training import train

Gate = Callable[[ModelSpec, Version, Standing, Evaluation], Decision]
_numbers = count(1)


def always_keep(spec: ModelSpec, version: Version, standing: Standing, scored: Evaluation) -> Decision:
    """A gate that shuts out every mistake of one kind, and makes every one of the other."""
    decision = judged(spec, version, standing, scored)
    return decision if standing.champion is None else replace(decision, verdict=KEEP, champion=standing.champion)


def bigger(spec: ModelSpec, version: Version, standing: Standing, scored: Evaluation) -> Decision:
    """A gate that believes every difference, though of the same rows for both."""
    decision = judged(spec, version, standing, scored)
    if standing.champion is None or ALL not in decision.evidence:
        return decision
    is_better = decision.evidence[ALL]["gain"] > 0
    verdict, champion = (PROMOTE, version.version) if is_better else (KEEP, standing.champion)
    return replace(decision, verdict=verdict, champion=champion)


GATES: dict[str, Gate] = {"": judged, "always_keep": always_keep, "bigger": bigger}


@dataclass
class Lifecycle:
    """A model, its stores, and what has been decided there."""

    spec: ModelSpec
    gate: Gate = judged
    services: InMemory = field(default_factory=InMemory)

    def fork(self, gate: Gate | None = None) -> Lifecycle:
        """Another future of the same past."""
        return Lifecycle(spec=self.spec, gate=gate or self.gate, services=self.services.copy())

    def add(self, name: str, rows: pd.DataFrame) -> Account:
        """A drop's rows come in, and nothing follows from that yet."""
        return self.services.rows.swap(self.spec.name, self.spec, f"{self.spec.name}/{name}", rows)

    def drop(self, name: str, rows: pd.DataFrame) -> list[Decision]:
        """A drop comes in: what has been decided by the end of its story."""
        return self._told([prepared(self.add(name, rows))])

    def train(self, **asked: object) -> list[Decision]:
        """A person asks for a training."""
        request = f"by-hand-{next(_numbers)}"
        return self._told([TrainingRequested(model=self.spec.name, request=request, **asked)])  # type: ignore[arg-type]

    @property
    def history(self) -> list[Decision]:
        return self.services.decisions.history(self.spec.name)

    @property
    def champion(self) -> int | None:
        return self.services.decisions.champion(self.spec.name)

    def predictions(self, version: int, rows: pd.DataFrame) -> np.ndarray:
        """What a version predicts for rows."""
        return scores.predictions(self.spec, self.services.registry.load(self.spec.name, version).pipeline, rows)

    def _told(self, events: list[Event]) -> list[Decision]:
        before, waiting = len(self.history), deque(events)
        with _on(self):
            while waiting:
                waiting.extend(_handled(waiting.popleft(), self.services))
        return self.history[before:]


def _handled(event: Event, services: InMemory) -> list[Event]:
    if isinstance(event, StepFailed):
        raise RuntimeError(f"{event.step}: {event.error}")
    if isinstance(event, DataPrepared):
        # Whoever has it evaluated again takes the next epoch.
        services.ledger.ask_again("evaluate", event)
        return evaluate(event, services)
    if isinstance(event, TrainingRequested):
        return _launched(event, services)
    if isinstance(event, WithdrawalRequested):
        return _withdrawn(event, services)
    step = STEPS.get(type(event))
    return step(event, services) if step else []


def _withdrawn(event: WithdrawalRequested, services: InMemory) -> list[Event]:
    told: list[Event] = []
    # Once, however often it is asked for.
    services.ledger.run("preprocess", event, lambda: withdraw(event, services), told.extend)
    return told


def _launched(event: TrainingRequested, services: InMemory) -> list[Event]:
    machines = Machines()
    vars(services)["machines"] = machines
    told = launch(event, services)
    return [*told, *(train(event, services) if machines.launched else [])]


@dataclass
class Machines:
    """Remembers that it was asked for one; the training is done at once, in this process."""

    launched: bool = False

    def launch(self, *_: object) -> None:
        self.launched = True


@contextmanager
def _on(lifecycle: Lifecycle) -> Iterator[None]:
    """The model and the gate of this lifecycle are what every step finds."""
    with (
        patch.object(catalog, "model", lambda _: lifecycle.spec),
        patch("functions.promote.step.judged", lifecycle.gate),
        # It decides nothing, and its plots take longer than all the rest.
        patch("training_vm.training.report", lambda *_: None),
    ):
        yield
