"""The metrics by which a model may be judged: a name, a direction, and the value of a perfect model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, kw_only=True)
class Metric:
    """How good predictions are.

    `score` takes the true values and the predictions, two arrays of shape (rows,), and returns one number; `on` says
    whether the predictions are the model's values or its probabilities of the positive class.
    """

    name: str
    score: Callable[[np.ndarray, np.ndarray], float]
    lower_is_better: bool
    perfect: float
    on: Literal["prediction", "probability"] = "prediction"

    def better(self, one: float, other: float) -> bool:
        """Whether `one` is strictly better than `other`; NaN is never better."""
        return one < other if self.lower_is_better else one > other

    def gain(self, one: float, other: float) -> float:
        """By how much `one` is better than `other`, in the metric's unit; negative when it is worse."""
        return other - one if self.lower_is_better else one - other

    def skill(self, score: float, baseline: float) -> float:
        """Skill score (Murphy 1988): 1 is perfect, 0 no better than the baseline on the same rows, NaN undefined."""
        reach = self.perfect - baseline
        return (score - baseline) / reach if reach else float("nan")


def _mae(true: np.ndarray, predicted: np.ndarray) -> float:
    return float(abs(true - predicted).mean())


def _rmse(true: np.ndarray, predicted: np.ndarray) -> float:
    return float(((true - predicted) ** 2).mean() ** 0.5)


def _accuracy(true: np.ndarray, predicted: np.ndarray) -> float:
    return float((true == predicted).mean())


def _auc(true: np.ndarray, probability: np.ndarray) -> float:
    from sklearn.metrics import roc_auc_score

    # One class only: the area is not defined, and NaN fails closed further on.
    return float(roc_auc_score(true, probability)) if len(set(true.tolist())) == 2 else float("nan")


MAE = Metric(name="mae", score=_mae, lower_is_better=True, perfect=0.0)
RMSE = Metric(name="rmse", score=_rmse, lower_is_better=True, perfect=0.0)
ACCURACY = Metric(name="accuracy", score=_accuracy, lower_is_better=False, perfect=1.0)
AUC = Metric(name="auc", score=_auc, lower_is_better=False, perfect=1.0, on="probability")
