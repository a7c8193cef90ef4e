"""Drift is told from chance, in numbers and in categories, and survives being kept as JSON."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contract.catalog import model
from shared.contract.spec import FLOAT64, INT64, STRING, Column
from shared.evaluation import drift

WATCHED = [Column("km", FLOAT64), Column("kind", STRING), Column("seats", INT64)]


def rides(count: int, seed: int, **changed: Any) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    drawn = {
        "km": rng.exponential(3, count),
        "kind": rng.choice(list("abc"), count),
        "seats": rng.integers(1, 5, count),
    }
    return pd.DataFrame(drawn | changed)


def drifted_between(then: pd.DataFrame, now: pd.DataFrame, limit: float = 0.25) -> set[str]:
    kept = json.loads(json.dumps(drift.profile(then, WATCHED)))
    return set(drift.drifted(kept, drift.psi(kept, now), limit, len(now)))


def test_times_and_keys_that_stand_alone_are_not_watched_but_parts_of_a_longer_key_are() -> None:
    watched = {name: {column.name for column in drift.watched(model(name))} for name in ("taxi_fare", "flight_delay")}
    assert not watched["taxi_fare"] & {"key", "pickup_datetime", "fare_amount"}
    assert watched["flight_delay"] == {"carrier", "origin", "dest", "distance", "dep_delay"}


def test_the_same_rows_have_an_index_of_zero() -> None:
    kept = drift.profile(rides(500, 1), WATCHED)
    assert drift.psi(kept, rides(500, 1)) == {"km": 0.0, "kind": 0.0, "seats": 0.0}


@given(st.lists(st.floats(-1e6, 1e6) | st.none(), max_size=60), st.lists(st.floats(-1e6, 1e6) | st.none(), max_size=60))
def test_the_index_is_finite_and_never_negative(then: list[float | None], now: list[float | None]) -> None:
    columns = [Column("km", FLOAT64, nullable=True)]
    kept = json.loads(json.dumps(drift.profile(pd.DataFrame({"km": then}), columns)))
    index = drift.psi(kept, pd.DataFrame({"km": now}))["km"]
    assert math.isfinite(index) and index >= 0


@pytest.mark.parametrize("count", [30, 300, 30_000])
def test_other_rows_of_the_same_kind_have_not_drifted(count: int) -> None:
    assert drifted_between(rides(5_000, 1), rides(count, 2)) == set()


def test_chance_alone_stays_under_the_threshold_nearly_always() -> None:
    pairs = range(0, 300, 2)
    alarms = sum(len(drifted_between(rides(400, seed), rides(60, seed + 1), limit=0.0)) for seed in pairs)
    assert alarms <= 4  # Three columns, 150 pairs, one false alarm in a thousand: 0.45 are expected.


@pytest.mark.parametrize(
    ("column", "now"),
    [
        ("km", np.full(500, 1.5)),
        ("km", np.full(500, np.nan)),
        ("kind", ["d"] * 500),
        ("kind", [None] * 500),
        ("seats", [1] * 500),
    ],
)
def test_a_column_that_became_another_has_drifted(column: str, now: Any) -> None:
    assert drifted_between(rides(500, 1), rides(500, 2, **{column: now})) == {column}


def test_a_column_that_was_always_null_has_drifted_when_it_is_filled() -> None:
    assert drifted_between(rides(500, 1, km=np.nan), rides(500, 2)) == {"km"}


@pytest.mark.parametrize("known", [[1, 2, 2], [True, False, False]])
def test_a_null_does_not_turn_its_neighbours_into_other_values(known: list[Any]) -> None:
    kept = drift.profile(pd.DataFrame({"seats": known * 2_000}), [Column("seats", INT64)])
    one_null = pd.DataFrame({"seats": [*known * 2_000, None]})
    assert drift.psi(kept, one_null)["seats"] < 0.01


def test_fewer_rows_raise_the_threshold_and_no_rows_never_drift() -> None:
    thresholds = [drift.psi_threshold(0.25, 10, 10_000, count) for count in (0, 10, 100, 10_000)]
    assert thresholds[0] == math.inf and thresholds[1] > thresholds[2] > thresholds[3] == 0.25
