"""A model of rides, rows of it, and what a comparison of two of its versions may have measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
from sklearn.dummy import DummyRegressor

from shared.contract.metrics import MAE
from shared.contract.spec import FLOAT64, INT64, STRING, TIMESTAMP, Column, ModelSpec, Policy
from shared.evaluation.comparison import ALL, Part
from shared.evaluation.verdicts import Evidence

NEW_YORK = "America/New_York"
SLICES = {"a": lambda rides: rides["kind"] == "a", "b": lambda rides: rides["kind"] == "b"}
JANUARY, DECEMBER = "rides/2013-01.csv", "rides/2012-12.csv"


def spec_of(*, policy: Mapping[str, Any] | None = None, target: Any = FLOAT64, **given: Any) -> ModelSpec:
    columns = [
        Column("at", TIMESTAMP, event_time=True, zone=NEW_YORK),
        Column("ride", STRING, row_key=True),
        Column("kind", STRING),
        Column("km", FLOAT64, nullable=True),
        Column("seats", INT64),
        Column("fare", target, target=True),
    ]
    said: dict[str, Any] = {"metric": MAE, "slices": SLICES} | given
    return ModelSpec(title="Rides", columns=columns, pipeline=dict, policy=Policy(**(policy or {})), **said)


def frame_of(fares: Any, kinds: str | Sequence[str] = "", *, days: Any = None, drop: str = JANUARY) -> pd.DataFrame:
    """Rides with these fares, one an hour, or on the given days of 2013, counted from 0."""
    count = len(fares)
    numbers = np.arange(count)
    at = pd.date_range("2013-01-01T12", periods=count, freq="h", tz="UTC")
    if days is not None:
        at = pd.DatetimeIndex(pd.Timestamp("2013-01-01T17", tz="UTC") + pd.to_timedelta(np.asarray(days), unit="D"))
    return pd.DataFrame(
        {
            "at": at,
            "ride": [f"ride {number}" for number in numbers],
            "kind": list(kinds or "a" * count),
            "km": numbers.astype(float),
            "seats": numbers % 4,
            "fare": fares,
            "_drop": drop,
            "_row_key": [f"ride {number}" for number in numbers],
        }
    )


def always(value: float) -> DummyRegressor:
    return DummyRegressor(strategy="constant", constant=value).fit([[0]], [value])


class Recorder(DummyRegressor):
    """Remembers which columns it was shown, and how often it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[list[str]] = []

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        self.shown.append(list(X.columns))
        return np.zeros(len(X))


def part(challenger: float, rival: float, **given: Any) -> Part:
    """Of an error that is better when it is smaller; the gain is sure unless an `error` is given."""
    measured = {"rows": 5_012.0, "groups": 60.0, "gain": rival - challenger, "error": 1e-6} | given
    return Part(challenger=challenger, rival=rival, **measured)


def evidence(whole: Part | None, *, rival: int | None = 1, **given: Any) -> Evidence:
    """All rows as given, nothing on which it is worse, and none that it was trained on."""
    parts = {name.removeprefix("part_"): given.pop(name) for name in [*given] if name.startswith("part_")}
    alike = {"slice_a": part(2.0, 2.0), "slice_b": part(2.0, 2.0, rows=150.0)} | parts
    measured = {name: each for name, each in {ALL: whole, **alike}.items() if each is not None}
    said: dict[str, Any] = {"level": 0.05, "overlap_rows": 0.0} | given
    return Evidence(parts=measured, rival=rival, **said)


def day(number: int) -> datetime:
    """A day of January 2013, or after it."""
    return datetime(2013, 1, 1, 17, tzinfo=UTC) + pd.Timedelta(days=number - 1).to_pytimedelta()
