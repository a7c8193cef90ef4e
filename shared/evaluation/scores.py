"""How good a fitted pipeline is on rows: in all, per slice, and beside a baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from shared.contract.metrics import Metric
from shared.contract.spec import ModelSpec

if TYPE_CHECKING:
    import pandas as pd


class Predictor(Protocol):
    """A fitted pipeline, or a version's."""

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """Values, an array of shape (rows,)."""

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
        """Probabilities, an array of shape (rows, classes); asked of it where the metric wants them."""


def predictions(spec: ModelSpec, pipeline: Predictor, frame: pd.DataFrame) -> np.ndarray:
    """Values, or probabilities of the positive class if the metric wants them; an array of shape (rows,)."""
    features = frame[[column.name for column in spec.features]]
    if spec.metric.on == "probability":
        return np.asarray(pipeline.predict_proba(features))[:, 1]
    return np.asarray(pipeline.predict(features))


def score_with_slices(
    spec: ModelSpec, pipeline: Predictor, frame: pd.DataFrame
) -> tuple[float, dict[str, tuple[int, float]]]:
    """The score in all, and rows and score of each slice that has rows; every row is predicted once."""
    if frame.empty:
        return float("nan"), {}
    true, predicted = _truth(spec, frame), predictions(spec, pipeline, frame)
    slices = {name: mask for name, mask in slice_masks(spec, frame).items() if mask.any()}
    return _score(spec.metric, true, predicted), {
        name: (int(mask.sum()), _score(spec.metric, true[mask], predicted[mask])) for name, mask in slices.items()
    }


def score(spec: ModelSpec, pipeline: Predictor, frame: pd.DataFrame) -> float:
    """The metric of a pipeline's predictions; NaN without rows."""
    return score_with_slices(spec, pipeline, frame)[0]


def slice_scores(spec: ModelSpec, pipeline: Predictor, frame: pd.DataFrame) -> dict[str, tuple[int, float]]:
    """Rows and score of each slice that has rows."""
    return score_with_slices(spec, pipeline, frame)[1]


def slice_masks(spec: ModelSpec, frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """Which rows belong to each slice; a row about which that is unknown does not."""
    return {name: select(frame).fillna(False).to_numpy(dtype=bool) for name, select in spec.slices.items()}


def baseline_value(spec: ModelSpec, target: pd.Series) -> float:
    """The constant that the model's named baseline predicts, learned from the training rows' targets.

    `prior` is what scikit-learn's DummyClassifier of that name does: the share of the positive class where the metric
    takes probabilities, else the most frequent class.
    """
    values = target.to_numpy(dtype=float)
    if spec.baseline == "median":
        return float(np.median(values))
    if spec.baseline == "prior" and spec.metric.on == "prediction":
        classes, counts = np.unique(values, return_counts=True)
        return float(classes[counts.argmax()])
    return float(values.mean())


def baseline_score(spec: ModelSpec, value: float, frame: pd.DataFrame) -> float:
    """The metric of predicting the same value for every row; NaN without rows."""
    return _score(spec.metric, _truth(spec, frame), np.full(len(frame), value))


def _score(metric: Metric, true: np.ndarray, predicted: np.ndarray) -> float:
    """The metric; NaN without rows, as a model that nobody has seen predict has shown nothing."""
    return float(metric.score(true, predicted)) if len(true) else float("nan")


def _truth(spec: ModelSpec, frame: pd.DataFrame) -> np.ndarray:
    return frame[spec.target.name].to_numpy(dtype=float)
