"""Scores are of the features that the contract names, on rows that exist, and beside a baseline."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier

from shared.contract.metrics import ACCURACY, AUC, MAE, RMSE, Metric
from shared.contract.spec import BOOL, FLOAT64, INT64
from shared.evaluation.scores import (
    baseline_score,
    baseline_value,
    predictions,
    score,
    score_with_slices,
    slice_scores,
)
from tests.unit.rides import Recorder, always, frame_of, spec_of


def test_a_pipeline_sees_the_features_in_the_contracts_order_and_nothing_else() -> None:
    pipeline = Recorder()
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
    assert math.isnan(score(spec_of(), always(1.0), empty)) and slice_scores(spec_of(), always(1.0), empty) == {}
    assert math.isnan(baseline_score(spec_of(), 1.0, empty))


def test_every_row_is_predicted_once_however_many_slices_there_are() -> None:
    pipeline = Recorder()
    score_with_slices(spec_of(), pipeline, frame_of([1.0, 2.0], kinds="ab"))
    assert len(pipeline.shown) == 1


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
