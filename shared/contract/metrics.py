"""The metrics by which a model may be judged: a name, a direction, and the value of a perfect model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, kw_only=True)
class Metric:
    """How good predictions are.

    `score` takes the true values and the predictions, two arrays of shape (rows,), and returns one number; `on` says
    whether the predictions are the model's values or its probabilities of the positive class. Where the score is
    `of_mean` of the rows' mean `losses` (an array of shape (rows,)), saying so makes comparisons much faster.
    """

    name: str
    score: Callable[[np.ndarray, np.ndarray], float]
    lower_is_better: bool
    perfect: float
    on: Literal["prediction", "probability"] = "prediction"
    losses: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None
    of_mean: Callable[[np.ndarray], np.ndarray] = lambda mean: mean
    influences: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None

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


def _averaged(name: str, losses: Callable[..., np.ndarray], of_mean: Callable[..., Any], **given: Any) -> Metric:
    """A metric that is a mean over the rows."""

    def score(true: np.ndarray, predicted: np.ndarray) -> float:
        return float(of_mean(losses(true, predicted).mean()))

    return Metric(name=name, score=score, losses=losses, of_mean=of_mean, **given)


def _auc(true: np.ndarray, probability: np.ndarray) -> float:
    """Area under the ROC curve by the rank sum (Hanley and McNeil 1982)."""
    from scipy.stats import rankdata

    positive = true == 1
    ones, others = int(positive.sum()), int((~positive).sum())
    if not ones or not others:
        # One class only: the area is not defined, and NaN fails closed further on.
        return float("nan")
    return float((rankdata(probability)[positive].sum() - ones * (ones + 1) / 2) / (ones * others))


def _auc_influences(true: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """How much a row's share of pairs in the right order differs from all rows' (DeLong et al. 1988).

    They are told by ranks (Sun and Xu 2014). Summed over the rows of a group they give the variance for clustered
    rows (Obuchowski 1997).
    """
    import numpy as np
    from scipy.stats import rankdata

    positive, moved = true == 1, np.full(len(true), np.nan)
    ones, others = int(positive.sum()), int((~positive).sum())
    if not ones or not others:
        return moved
    ranks = rankdata(probability)
    above = (ranks[positive] - rankdata(probability[positive])) / others
    below = 1 - (ranks[~positive] - rankdata(probability[~positive])) / ones
    moved[positive] = (above - above.mean()) / ones
    moved[~positive] = (below - below.mean()) / others
    return moved * len(true)


MAE = _averaged("mae", lambda true, told: abs(true - told), lambda mean: mean, lower_is_better=True, perfect=0.0)
RMSE = _averaged(
    "rmse", lambda true, told: (true - told) ** 2, lambda mean: mean**0.5, lower_is_better=True, perfect=0.0
)
ACCURACY = _averaged(
    "accuracy", lambda true, told: (true == told) * 1.0, lambda mean: mean, lower_is_better=False, perfect=1.0
)
AUC = Metric(name="auc", score=_auc, lower_is_better=False, perfect=1.0, on="probability", influences=_auc_influences)
