"""The models that the gate judges here: taxi fares by fewer and smaller trees, and twins that are exactly as good."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

from benchmarks.decisions_rows import ENDS, RIDES

COLUMNS = (*ENDS, "km", "along_avenues", "across_streets", "hour", "month", "passenger_count")
HOUR, MONTH = COLUMNS.index("hour"), COLUMNS.index("month")
HALF_LIFE_MONTHS = 1
# A twin errs by some dollars on each ride, and on all rides of a day alike.
RIDE_DOLLARS, DAY_DOLLARS = 1.0, 0.5


def features(rides: pd.DataFrame) -> np.ndarray:
    """Ends, legs, clock and passengers, in the order of the columns below."""
    return rides[list(COLUMNS)].to_numpy(dtype=float)


def trees(params: Mapping[str, Any]) -> Pipeline:
    """Boosted trees for the absolute error, on all rows or, with a seed, on a sample of them with repetition."""
    boosted = HistGradientBoostingRegressor(
        loss="absolute_error", early_stopping=False, learning_rate=0.5, max_iter=12, max_leaf_nodes=12, random_state=0
    )
    return make_pipeline(FunctionTransformer(features), Resampled(boosted, params["seed"]))


def lines(params: Mapping[str, Any]) -> Pipeline:
    """A linear model by legs, clock and passengers, for which a row of a month ago counts half; quick to fit."""
    return make_pipeline(FunctionTransformer(features), Resampled(Fading(), params["seed"]))


class Fading(RegressorMixin, BaseEstimator):
    """Least squares in which older rows count less; a tariff that has changed is forgotten in time."""

    def fit(self, rows: np.ndarray, target: np.ndarray) -> Fading:
        weights = 0.5 ** ((rows[:, MONTH].max() - rows[:, MONTH]) / HALF_LIFE_MONTHS / 2)
        terms = _terms(rows) * weights[:, None]
        # A little ridge, so that columns that say the same do no harm.
        self.factors_ = np.linalg.solve(
            terms.T @ terms + 0.1 * np.eye(terms.shape[1]), terms.T @ (np.asarray(target) * weights)
        )
        return self

    def predict(self, rows: np.ndarray) -> np.ndarray:
        return np.asarray(_terms(rows) @ self.factors_)


def _terms(rows: np.ndarray) -> np.ndarray:
    ends, legs, hours, passengers = rows[:, :4], rows[:, 4:7], rows[:, HOUR], rows[:, -1:]
    night, work = (hours >= 20) | (hours < 6), (hours >= 8) & (hours < 19)
    # Degrees from the middle of town, so that no term is large.
    places = 10 * (ends - [40.75, -73.98, 40.75, -73.98])
    return np.column_stack([np.ones(len(rows)), places, legs, night, work, legs * work[:, None], passengers])


class Resampled(RegressorMixin, BaseEstimator):
    """A model fitted to a bootstrap sample of the rows: with another seed another one, and none is better."""

    def __init__(self, model: Any, seed: int) -> None:
        self.model, self.seed = model, seed

    def fit(self, rows: np.ndarray, target: pd.Series) -> Resampled:
        rng = np.random.default_rng(self.seed)
        which = rng.integers(0, len(rows), len(rows)) if self.seed else np.arange(len(rows))
        self.model_ = self.model.fit(rows[which], target.to_numpy()[which])
        return self

    def predict(self, rows: np.ndarray) -> np.ndarray:
        return np.asarray(self.model_.predict(rows))


class Twin(RegressorMixin, BaseEstimator):
    """The fare by a fixed rule, and an error of its own: each is exactly as good as any other, whatever it learned.

    Days as a whole are told too high or too low, so that the differences between two twins are alike within a day.
    """

    def __init__(self, seed: int, more_dollars: float = 0.0) -> None:
        self.seed, self.more_dollars = seed, more_dollars

    def fit(self, rows: pd.DataFrame, target: pd.Series) -> Twin:
        self.salt_ = self.seed * 1_000_003 + len(rows)
        return self

    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        rides = features(rows)
        moments = rows["pickup_datetime"].astype("int64").to_numpy() // 1_000_000
        errs = RIDE_DOLLARS * _normal(moments + (rides[:, 2] * 1e6).astype("int64"), self.salt_)
        errs = errs + DAY_DOLLARS * _normal(moments // 86_400, self.salt_)
        return np.asarray(2.8 + 1.7 * (rides[:, 5] + rides[:, 6]) + (1 + self.more_dollars) * errs)


def twins(params: Mapping[str, Any]) -> Pipeline:
    """A twin, or one that errs by more."""
    return make_pipeline(Twin(params["seed"], params["more_dollars"]))


def _normal(numbers: np.ndarray, salt: int) -> np.ndarray:
    """Standard normal numbers that are made of whole ones, always the same (splitmix64; Box and Muller 1958)."""
    with np.errstate(over="ignore"):
        halves = [_mixed(numbers.astype("uint64") * np.uint64(2) + np.uint64(half), salt) for half in (0, 1)]
    one, other = ((half >> np.uint64(11)).astype(float) * 2.0**-53 for half in halves)
    return np.asarray(np.sqrt(-2 * np.log1p(-one)) * np.cos(2 * np.pi * other))


def _mixed(numbers: np.ndarray, salt: int) -> np.ndarray:
    mixed = numbers + np.uint64(salt * 0x9E3779B97F4A7C15 % 2**64)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


BY_LINES = replace(RIDES, pipeline=lines, params={"seed": 0})
BY_TREES = replace(BY_LINES, pipeline=trees)
TWINS = replace(RIDES, pipeline=twins, params={"seed": 0, "more_dollars": 0.0})
