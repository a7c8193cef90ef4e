"""Drops of a day: many of them are judged at once, and it takes weeks until there are days enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline, make_pipeline

from benchmarks.decisions_lifecycle import Lifecycle
from shared.contract.spec import ModelSpec
from shared.lifecycle.standing import KEEP, NOT_ENOUGH, PROMOTE
from tests.unit.rides import frame_of, spec_of

ROWS = 120
BEGINNING = 30


def linear(_: Mapping[str, Any]) -> Pipeline:
    return make_pipeline(make_column_transformer(("passthrough", ["km"])), LinearRegression())


def daily(**policy: Any) -> ModelSpec:
    """Trained anew by age alone."""
    said = {"max_age_days": 27, "decline_skill": 9.0, "drift_psi": 9.0, "odd_skill": 9.0} | policy
    # By the name of a file that there is.
    return replace(spec_of(policy=said), name="taxi_fare", pipeline=linear, slices={})


def rides_of(first: int, last: int, *, dollars_per_km: float = 2.0) -> pd.DataFrame:
    """Rides of these days, counted from 0."""
    days = np.repeat(np.arange(first, last + 1), ROWS)
    rng = np.random.default_rng(first)
    km = rng.uniform(1, 20, len(days))
    rides = frame_of(3 + dollars_per_km * km + rng.normal(0, 2, len(days)), days=days).assign(km=km)
    return rides.assign(_row_key=[f"{first} {number}" for number in range(len(days))])


def lived(spec: ModelSpec, days: int, *, dollars_per_km: float) -> Lifecycle:
    """A first drop of many days, and then one a day, in a world that has changed."""
    life = Lifecycle(spec=spec)
    life.drop("beginning", rides_of(0, BEGINNING - 1))
    for day in range(BEGINNING, BEGINNING + days):
        life.drop(f"{day:04}", rides_of(day, day, dollars_per_km=dollars_per_km))
    return life


def test_what_only_the_challenger_has_learned_from_is_news_however_many_drops_that_are() -> None:
    first = next(each for each in lived(daily(), 28, dollars_per_km=2.4).history if each.version == 2)
    assert first.verdict == NOT_ENOUGH and first.evidence["all"]["groups"] >= 20
    assert first.evidence["news"]["groups"] == first.evidence["all"]["groups"] and "alike" not in first.evidence


def test_days_too_few_to_tell_spend_nothing_of_the_level() -> None:
    history = [each for each in lived(daily(), 48, dollars_per_km=2.4).history if each.version == 2]
    levels = [each.level for each in history]
    assert len(levels) == 21 and levels[0] == daily().policy.level / 2
    assert {*levels[1:]} == {daily().policy.level / 4}
    assert history[-1].verdict == PROMOTE and history[-1].evidence["all"]["groups"] == 20


def test_a_challenger_that_waits_for_days_is_decided_before_another_one_is_trained() -> None:
    life = lived(daily(decline_skill=0.05), 48, dollars_per_km=3.4)
    assert life.champion not in (None, 1)
    waited = [each for each in life.history if each.version == life.champion]
    assert [each.cause.partition(":")[0] for each in waited] == ["ModelTrained", *["ModelEvaluated"] * 20]


def test_after_a_look_that_decided_nothing_the_next_one_waits_for_as_many_days() -> None:
    life = lived(daily(min_gain_relative=0.5), 28, dollars_per_km=2.4)
    # No other challenger takes its place.
    life.spec = daily(min_gain_relative=0.5, max_age_days=900)
    for day in range(BEGINNING + 28, BEGINNING + 75):
        life.drop(f"{day:04}", rides_of(day, day, dollars_per_km=2.4))
    looks = [each for each in life.history if each.cause.startswith("ModelEvaluated") and each.is_look]
    assert [(each.version, each.drops[0]) for each in looks] == [(2, "taxi_fare/0076"), (2, "taxi_fare/0096")]
    assert [each.level for each in looks] == [daily().policy.level / 4, daily().policy.level / 8]


def test_a_trial_on_a_sample_is_not_the_newest_training() -> None:
    life = lived(daily(), 20, dollars_per_km=2.0)
    [tried] = life.train(rows="1k")
    assert tried.version == 2
    for day in range(BEGINNING + 20, BEGINNING + 30):
        life.drop(f"{day:04}", rides_of(day, day))
    # By its age, as if nobody had tried anything.
    assert 3 in {each.version for each in life.history}


def test_a_trial_on_a_sample_does_not_push_out_a_challenger_that_waits() -> None:
    life = lived(daily(), 30, dollars_per_km=2.4)
    assert life.services.decisions.standing(life.spec.name).pending == 2
    [tried] = life.train(rows="1k")
    assert tried.version == 3 and tried.verdict == KEEP
    assert tried.why.endswith("It does not wait: it was trained on a sample, and version 2 waits already.")
    assert life.services.decisions.standing(life.spec.name).pending == 2
    [whole] = life.train()
    assert whole.verdict == NOT_ENOUGH and life.services.decisions.standing(life.spec.name).pending == 4
