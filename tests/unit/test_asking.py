"""What evaluate asks for when the champion cannot be loaded, and when what was learned from has been withdrawn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from benchmarks.decisions_lifecycle import Lifecycle
from benchmarks.decisions_models import BY_LINES
from benchmarks.decisions_rows import MONTHS, Kind, month, prepared
from functions.evaluate.step import evaluate
from functions.promote.by_person import promote_by_hand, roll_back
from functions.promote.step import decide
from shared.adapters.registry import Loaded
from shared.contract import catalog
from shared.contract.spec import Policy
from shared.errors import PassingError, PermanentError
from shared.lifecycle.events import (
    DataPrepared,
    Event,
    ModelEvaluated,
    ModelTrained,
    PromotionRequested,
    RollbackRequested,
    StepFailed,
    TrainingRequested,
)
from shared.lifecycle.lineage import prepared as about

# One that is not trained again because of its age, or of the season.
SPEC = replace(BY_LINES, policy=Policy(max_age_days=400, drift_psi=50))
MODEL = SPEC.name
OTHER_PYTHON = PermanentError(
    "version 1 of taxi_fare cannot be loaded: it was trained with python 3.9.", "Train again."
)


@pytest.fixture
def life(monkeypatch: pytest.MonkeyPatch) -> Lifecycle:
    """Version 1 serves after two months."""
    monkeypatch.setattr(catalog, "model", lambda _: SPEC)
    life = Lifecycle(spec=SPEC)
    life.add("0", rides(0))
    life.drop("1", rides(1))
    assert life.champion == 1
    return life


def rides(number: int) -> pd.DataFrame:
    """The rides of a month."""
    return prepared(month(Kind(rows=1_000), number, seed=1))


def told(life: Lifecycle, number: int) -> tuple[ModelEvaluated, list[Event]]:
    """What evaluate says of the next month, and what follows; nobody acts on it."""
    evaluated, *following = evaluate(about(life.add(str(number), rides(number))), life.services)
    assert isinstance(evaluated, ModelEvaluated)
    return evaluated, following


def without(life: Lifecycle, monkeypatch: pytest.MonkeyPatch, *lost: int, error: Exception = OTHER_PYTHON) -> None:
    """Let versions not be loadable any more."""
    registry = life.services.registry
    load = registry.load

    def refuse(model: str, number: int) -> Loaded:
        if number in lost:
            raise error
        return load(model, number)

    monkeypatch.setattr(registry, "load", refuse)


def test_a_champion_that_cannot_be_loaded_is_announced_and_a_training_asked_for(
    life: Lifecycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(life, monkeypatch, 1)
    evaluated, (requested, failed) = told(life, 2)
    assert (evaluated.champion, evaluated.scores, evaluated.verdict) == (1, {}, "train")
    assert isinstance(requested, TrainingRequested) and "it was trained with python 3.9" in requested.reason
    assert failed == StepFailed(
        step="evaluate", about=f"{MODEL}/2", error=OTHER_PYTHON.error, remedy="Train again.", model=MODEL
    )


def test_what_replaces_a_champion_that_cannot_be_loaded_is_for_a_person_to_say(
    life: Lifecycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    life.train()
    without(life, monkeypatch, 1)
    evaluated, (failed,) = told(life, 2)
    assert evaluated.verdict == "keep" and "tidewheel promote" in evaluated.why and "Version 2 was" in evaluated.why
    assert isinstance(failed, StepFailed)
    assert life.champion == 1


def test_a_later_training_that_cannot_be_loaded_either_is_no_successor(
    life: Lifecycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    life.train()
    without(life, monkeypatch, 1, 2)
    assert told(life, 2)[0].verdict == "train"


def test_a_challenger_goes_on_waiting_while_the_champion_cannot_be_scored(
    life: Lifecycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The fares of a month that only the challenger knows rose: it waits for the next.
    kind = Kind(rows=1_000, tariff_from=MONTHS[2])
    life.add("2", prepared(month(kind, 2, seed=1)))
    life.train()
    assert life.services.decisions.standing(MODEL).pending == 2
    next_month = about(life.add("3", prepared(month(kind, 3, seed=1))))
    with monkeypatch.context() as patched:
        without(life, patched, 1)
        evaluated, *_ = evaluate(next_month, life.services)
        assert isinstance(evaluated, ModelEvaluated)
        assert evaluated.challenger is None and evaluated.scores.keys() == {"challenger"}
    evaluated, *_ = evaluate(next_month, life.services)
    assert isinstance(evaluated, ModelEvaluated) and evaluated.challenger == 2


def test_a_registry_that_is_away_is_waited_for(life: Lifecycle, monkeypatch: pytest.MonkeyPatch) -> None:
    without(life, monkeypatch, 1, error=PassingError("MLflow is away."))
    with pytest.raises(PassingError):
        told(life, 2)


def test_what_has_learned_from_what_was_withdrawn_is_trained_again(life: Lifecycle) -> None:
    life.services.rows.withdraw(MODEL, f"{MODEL}/0")
    evaluated, (requested,) = told(life, 2)
    assert evaluated.verdict == "train" and isinstance(requested, TrainingRequested)
    assert f"the latest training (version 1) has learned from {MODEL}/0, withdrawn since" in requested.reason


def test_after_a_training_without_it_the_newest_drop_that_was_withdrawn_asks_for_no_other(life: Lifecycle) -> None:
    life.add("2", rides(2))
    life.train()
    life.services.rows.withdraw(MODEL, f"{MODEL}/2")
    life.train()
    # Version 3 has learned from older rows than version 2; it is what counts all the same.
    evaluated, following = told(life, 3)
    assert (evaluated.verdict, following) == ("keep", []) and "withdrawn" not in evaluated.why


def test_a_drop_that_was_withdrawn_while_it_was_learned_from_has_the_policy_asked_again(life: Lifecycle) -> None:
    version = life.services.registry.version(MODEL, 1)
    trained = ModelTrained(model=MODEL, request=version.request, version=1, run=version.run)
    assert not [each for each in decide(trained, life.services) if isinstance(each, DataPrepared)]
    life.services.rows.withdraw(MODEL, f"{MODEL}/0")
    [again] = [each for each in decide(trained, life.services) if isinstance(each, DataPrepared)]
    assert (again.drop, again.epoch) == (f"{MODEL}/1", 1)


def test_what_was_rolled_back_is_no_successor(life: Lifecycle, monkeypatch: pytest.MonkeyPatch) -> None:
    life.train()
    wish: dict[str, Any] = {"model": MODEL, "reason": "a test"}
    promote_by_hand(PromotionRequested(**wish, version=2, request="p1"), life.services)
    roll_back(RollbackRequested(**wish, request="r1"), life.services)
    without(life, monkeypatch, 1)
    assert (life.champion, told(life, 2)[0].verdict) == (1, "train")


def test_once_a_training_has_gone_without_the_withdrawn_drop_there_is_no_reason_for_another(life: Lifecycle) -> None:
    life.services.rows.withdraw(MODEL, f"{MODEL}/0")
    life.drop("2", rides(2))
    assert len(life.services.registry.versions(MODEL)) == 2
    evaluated, _ = told(life, 3)
    assert "withdrawn" not in evaluated.why
