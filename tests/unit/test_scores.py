"""Scores are of the features that the contract names, on rows that exist, under names that everybody reads."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier, DummyRegressor

from shared.contract.metrics import ACCURACY, AUC, MAE, RMSE, Metric
from shared.contract.spec import BOOL, FLOAT64, INT64, STRING, TIMESTAMP, Column, ModelSpec
from shared.evaluation.policy import judge
from shared.evaluation.scores import (
    baseline_score,
    baseline_value,
    holdout_metrics,
    predictions,
    score,
    slice_scores,
)


def spec_of(**given: Any) -> ModelSpec:
    columns = [
        Column("at", TIMESTAMP, event_time=True),
        Column("ride", STRING, row_key=True),
        Column("kind", STRING),
        Column("km", FLOAT64, nullable=True),
        Column("seats", INT64),
        Column("fare", given.pop("target", FLOAT64), target=True),
    ]
    said: dict[str, Any] = {"metric": MAE, "slices": SLICES} | given
    return ModelSpec(title="Rides", columns=columns, pipeline=dict, **said)


def frame_of(fares: Any, kinds: str = "") -> pd.DataFrame:
    count = len(fares)
    numbers = np.arange(count)
    return pd.DataFrame(
        {
            "at": pd.date_range("2013-01-01", periods=count, freq="h", tz="UTC"),
            "ride": [f"ride {number}" for number in numbers],
            "kind": list(kinds or "a" * count),
            "km": numbers.astype(float),
            "seats": numbers % 4,
            "fare": fares,
        }
    )


def always(value: float) -> DummyRegressor:
    return DummyRegressor(strategy="constant", constant=value).fit([[0]], [value])


SLICES = {"a": lambda rides: rides["kind"] == "a", "b": lambda rides: rides["kind"] == "b"}


class Recorder(DummyRegressor):
    """Remembers which columns it was shown, and how often it was asked."""

    shown: list[list[str]]

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        self.shown.append(list(X.columns))
        return np.zeros(len(X))


def test_a_pipeline_sees_the_features_in_the_contracts_order_and_nothing_else() -> None:
    pipeline = Recorder()
    pipeline.shown = []
    predictions(spec_of(), pipeline, frame_of([1.0, 2.0])[["fare", "km", "at", "seats", "ride", "kind"]])
    assert pipeline.shown == [["at", "ride", "kind", "km", "seats"]]


def test_a_probability_metric_gets_the_positive_class() -> None:
    spec = spec_of(metric=AUC, target=BOOL)
    pipeline = DummyClassifier().fit(frame_of([0, 0, 0, 0]), [True, False, False, False])
    assert predictions(spec, pipeline, frame_of([0, 1])).tolist() == [0.25, 0.25]


def test_slices_have_rows_and_scores_and_empty_ones_are_left_out() -> None:
    frame = frame_of([1.0, 2.0, 5.0], kinds="aac")
    assert score(spec_of(), always(1.0), frame) == pytest.approx(5 / 3)
    assert slice_scores(spec_of(), always(1.0), frame) == {"a": (2, 0.5)}


def test_a_row_whose_slice_is_unknown_belongs_to_none() -> None:
    spec = spec_of(slices={"far": lambda rides: rides["km"].astype("Float64") > 0})
    frame = frame_of([1.0, 2.0, 3.0]).assign(km=[None, 0.0, 7.0])
    assert slice_scores(spec, always(0.0), frame) == {"far": (1, 3.0)}


def test_no_rows_have_no_score() -> None:
    empty = frame_of([1.0]).head(0)
    metrics = holdout_metrics(spec_of(), empty, challenger=always(1.0), baseline=1.0)
    assert metrics["holdout_rows"] == 0 and math.isnan(metrics["holdout_mae"])
    assert judge(spec_of(), metrics, champion=None).outcome == "keep"


@pytest.mark.parametrize(
    ("baseline", "metric", "target", "fares", "value"),
    [
        ("mean", RMSE, FLOAT64, [1.0, 2.0, 9.0], 4.0),
        ("median", MAE, FLOAT64, [1.0, 2.0, 9.0], 2.0),
        ("prior", AUC, BOOL, [True, False, False, False], 0.25),
        ("prior", ACCURACY, INT64, [7, 7, 8], 7.0),
    ],
)
def test_a_baseline_is_a_constant(baseline: Any, metric: Metric, target: Any, fares: list[float], value: float) -> None:
    assert baseline_value(spec_of(baseline=baseline, metric=metric, target=target), pd.Series(fares)) == value


def test_the_baseline_of_probabilities_cannot_rank() -> None:
    assert baseline_score(spec_of(metric=AUC, target=BOOL), 0.3, frame_of([True, False, True])) == 0.5


def test_holdout_metrics_have_the_names_that_everybody_reads() -> None:
    frame = frame_of([1.0, 2.0, 5.0], kinds="aac")
    metrics = holdout_metrics(spec_of(), frame, challenger=always(2.0), champion=always(1.0), baseline=3.0)
    assert metrics == {
        "holdout_rows": 3.0,
        "holdout_mae": pytest.approx(4 / 3),
        "baseline_holdout_mae": pytest.approx(5 / 3),
        "holdout_skill": pytest.approx(0.2),
        "champion_holdout_mae": pytest.approx(5 / 3),
        "holdout_mae_slice_a": 0.5,
        "champion_holdout_mae_slice_a": 0.5,
        "holdout_rows_slice_a": 2.0,
        "holdout_rows_slice_b": 0.0,
    }


def test_each_model_predicts_the_held_out_rows_once() -> None:
    pipeline = Recorder()
    pipeline.shown = []
    holdout_metrics(spec_of(), frame_of([1.0, 2.0], kinds="ab"), challenger=pipeline, champion=pipeline, baseline=0.0)
    assert len(pipeline.shown) == 2
