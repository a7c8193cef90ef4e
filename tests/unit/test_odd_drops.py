"""A drop that turns out to be odd is withdrawn before anybody else learns from it, once, unless a person decides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmarks.decisions_lifecycle import Lifecycle
from benchmarks.decisions_models import BY_LINES
from benchmarks.decisions_rows import POISONS, Kind, month, prepared
from functions.evaluate.step import evaluate
from functions.preprocess.withdrawal import withdraw
from functions.promote.judging import judged
from shared.adapters.registry import Evaluation, Version
from shared.contract import catalog
from shared.contract.spec import ModelSpec
from shared.lifecycle.decisions import Decision
from shared.lifecycle.events import (
    DataPrepared,
    DropWithdrawn,
    Event,
    ModelEvaluated,
    TrainingRequested,
    WithdrawalRequested,
)
from shared.lifecycle.lineage import prepared as about
from shared.lifecycle.standing import PAUSE, Standing

MODEL = BY_LINES.name
POISONED = f"{MODEL}/2"


def rides(number: int) -> pd.DataFrame:
    """The rides of a month; in the third each fare belongs to another ride."""
    plain = month(Kind(rows=1_000), number, seed=1)
    return prepared(POISONS["shuffled_targets"](plain, np.random.default_rng(1)) if number == 2 else plain)


@pytest.fixture
def life(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Lifecycle:
    """Two good months and a poisoned one; nobody can know that yet."""
    spec = getattr(request, "param", BY_LINES)
    monkeypatch.setattr(catalog, "model", lambda _: spec)
    life = Lifecycle(spec=spec)
    for number in range(3):
        life.drop(str(number), rides(number))
    assert withdrawn(life) == []
    return life


def withdrawn(life: Lifecycle) -> list[str]:
    return [each.drop for each in life.services.rows.known if each.withdrawn]


def told(life: Lifecycle, number: int, *, epoch: int = 0) -> list[Event]:
    """What evaluate says of a month that comes in; nobody acts on it."""
    account = life.services.rows.account(MODEL, f"{MODEL}/{number}") or life.add(str(number), rides(number))
    return evaluate(replace(about(account), epoch=epoch), life.services)


def test_it_is_withdrawn_and_the_next_training_goes_without_it(life: Lifecycle) -> None:
    life.drop("3", rides(3))
    assert withdrawn(life) == [POISONED]
    *_, newest = life.services.registry.versions(MODEL)
    (learned,) = life.services.registry.drops([newest])
    assert list(learned) == [f"{MODEL}/0", f"{MODEL}/1", f"{MODEL}/3"]


def test_the_training_waits_until_it_is_withdrawn(life: Lifecycle) -> None:
    asked, evaluated = told(life, 3)
    assert isinstance(evaluated, ModelEvaluated) and isinstance(asked, WithdrawalRequested)
    assert evaluated.verdict == "keep" and f"But {POISONED} is withdrawn first: a version's skill was" in evaluated.why
    assert (asked.drop, asked.who) == (POISONED, "the gate")
    again, gone = withdraw(asked, life.services)
    assert isinstance(gone, DropWithdrawn) and isinstance(again, DataPrepared)
    assert (again.drop, again.story) == (f"{MODEL}/3", f"{MODEL}/3")
    _, requested = told(life, 3, epoch=1)
    assert (
        isinstance(requested, TrainingRequested)
        and f"(version 3) has learned from {POISONED}, withdrawn since" in requested.reason
    )


def test_what_a_person_has_put_back_is_not_withdrawn_again(life: Lifecycle) -> None:
    asked, _ = told(life, 3)
    assert isinstance(asked, WithdrawalRequested)
    life.services.ledger.run("preprocess", asked, lambda: withdraw(asked, life.services), lambda _: None)
    life.services.rows.withdraw(MODEL, POISONED, withdrawn=False)
    for number, epoch in ((3, 1), (4, 0)):
        assert not [each for each in told(life, number, epoch=epoch) if isinstance(each, WithdrawalRequested)]


PROPOSING = replace(BY_LINES, policy=replace(BY_LINES.policy, odd_drops="propose"))


@pytest.mark.parametrize("life", [PROPOSING], indirect=True)
def test_a_policy_may_leave_it_to_a_person(life: Lifecycle) -> None:
    life.drop("3", rides(3))
    assert withdrawn(life) == []
    *_, newest = life.services.registry.versions(MODEL)
    assert POISONED in life.services.registry.drops([newest])[0]


def test_while_a_model_is_paused_nothing_is_withdrawn(life: Lifecycle) -> None:
    champion = life.champion
    life.services.decisions.decide(
        MODEL, "by hand", lambda _: Decision(model=MODEL, version=None, champion=champion, verdict=PAUSE, why="so")
    )
    assert not [each for each in told(life, 3) if isinstance(each, WithdrawalRequested)]


def test_what_a_verdict_has_found_odd_is_withdrawn_at_once(life: Lifecycle) -> None:
    def doubting(spec: ModelSpec, version: Version, standing: Standing, scored: Evaluation) -> Decision:
        return replace(judged(spec, version, standing, scored), odd={f"{POISONED}#3": "it shone there"})

    life.gate = doubting
    life.train()
    assert withdrawn(life) == [POISONED]
