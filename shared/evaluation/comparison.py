"""Challenger and rival on the same rows: how much better, and between which bounds, by resampling event days.

Neighbouring rows are not independent: the rows of a group (an event day, or a value of the column that the model names)
are drawn together, and always for both versions, since months and days differ in difficulty. What is kept of a part of
the rows is a handful of numbers, from which the interval of any level follows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from shared.contract.metrics import Metric
from shared.contract.spec import ModelSpec

if TYPE_CHECKING:
    import pandas as pd

# For a standard error; its own error is then 2 % (Efron and Tibshirani 1993, 6.4).
RESAMPLES = 1_000
# A score of which nothing more is known has to be taken again of each resample.
RESAMPLES_OF_ROWS = 400
# More groups than these are merged: the merged ones are as independent of each other, and memory stays bounded.
MOST_GROUPS = 2_000
SEED = 20_130_101
ALL = "all"


@dataclass(frozen=True, kw_only=True)
class Part:
    """Both scores on the same rows, the challenger's gain in the metric's unit, and the standard error of that gain."""

    rows: float
    groups: float
    challenger: float
    rival: float
    gain: float
    error: float

    def bounds(self, level: float) -> tuple[float, float]:
        """The gain's interval whose either bound is wrong with the chance `level` (Efron and Tibshirani 1993, 12.4).

        Student's t with groups - 1 degrees of freedom, as few groups demand it (Cameron and Miller 2015, VI.D).
        """
        from scipy.special import stdtrit

        if self.groups < 2:
            return -math.inf, math.inf
        reach = -float(stdtrit(self.groups - 1, level)) * self.error
        return self.gain - reach, self.gain + reach

    @property
    def is_known(self) -> bool:
        """Whether the scores are numbers, and the error is, which one group alone cannot have."""
        numbers = (self.rows, self.groups, self.challenger, self.rival, self.gain)
        return all(map(math.isfinite, numbers)) and (self.groups < 2 or math.isfinite(self.error))


def compare(
    spec: ModelSpec,
    frame: pd.DataFrame,
    challenger: np.ndarray,
    rival: np.ndarray,
    masks: Mapping[str, np.ndarray] | None = None,
) -> dict[str, Part]:
    """The comparison on all rows, called `all`, and on each part of them that has rows on which there can be a score.

    Args:
        frame: the rows, with their target and whatever says of which group they are.
        challenger: its predictions, of shape (rows,); `rival` likewise.
        masks: of each part which rows belong to it, booleans of shape (rows,).
    """
    true, groups = frame[spec.target.name].to_numpy(dtype=float), groups_of(spec, frame)
    every = {ALL: np.ones(len(frame), dtype=bool), **(masks or {})}
    return {
        name: _part(spec.metric, true[mask], challenger[mask], rival[mask], groups[mask])
        for name, mask in every.items()
        if mask.any() and (name == ALL or _can_score(spec.metric, true[mask]))
    }


def groups_of(spec: ModelSpec, frame: pd.DataFrame) -> np.ndarray:
    """Of which group each row is, whole numbers of shape (rows,); a group that is not known is one of its own."""
    import pandas as pd

    if spec.group:
        return np.asarray(pd.factorize(frame[spec.group])[0])
    local = frame[spec.event_time.name].dt.tz_convert(spec.event_time.zone)
    # Without its zone a time is floored as a number, a hundred times faster than a date is made of it.
    return np.asarray(pd.factorize(local.dt.tz_localize(None).dt.floor("D"))[0])


def to_metrics(prefix: str, parts: Mapping[str, Part]) -> dict[str, float]:
    """As flat names, by which MLflow keeps them."""
    return {f"{prefix}/{name}/{each}": getattr(part, each) for name, part in parts.items() for each in _NUMBERS}


def from_metrics(prefix: str, metrics: Mapping[str, float]) -> dict[str, Part]:
    """What `to_metrics` wrote; a number that is missing is not a number."""
    names = dict.fromkeys(
        key.removeprefix(f"{prefix}/").rpartition("/")[0] for key in metrics if key.startswith(f"{prefix}/")
    )
    return {
        name: Part(**{each: metrics.get(f"{prefix}/{name}/{each}", math.nan) for each in _NUMBERS}) for name in names
    }


_NUMBERS = tuple(each.name for each in fields(Part))


def _can_score(metric: Metric, true: np.ndarray) -> bool:
    """Whether these rows tell predictions apart at all: an AUC of one class alone is not defined, however good."""
    return math.isfinite(metric.score(true, true))


def _part(metric: Metric, true: np.ndarray, mine: np.ndarray, theirs: np.ndarray, groups: np.ndarray) -> Part:
    scores = [float(metric.score(true, each)) for each in (mine, theirs)]
    present, codes = np.unique(groups, return_inverse=True)
    gains = _resampled_gains(metric, true, mine, theirs, codes % MOST_GROUPS)
    return Part(
        rows=len(true),
        groups=len(present),
        challenger=scores[0],
        rival=scores[1],
        gain=metric.gain(*scores),
        error=_spread(gains) * _small_sample(len(present)),
    )


def _spread(gains: np.ndarray) -> float:
    return float(np.std(gains, ddof=1)) if len(gains) > 1 else math.nan


def _small_sample(groups: int) -> float:
    """What a resample of few groups lacks in spread (Efron and Tibshirani 1993, 5.3); one group says nothing of it."""
    return math.sqrt(groups / (groups - 1)) if groups > 1 else math.nan


def _resampled_gains(
    metric: Metric, true: np.ndarray, mine: np.ndarray, theirs: np.ndarray, codes: np.ndarray
) -> np.ndarray:
    """The gain on each resample of the groups; resamples on which it is not defined are left out."""
    if metric.losses is not None:
        sums = [np.bincount(codes, metric.losses(true, each)) for each in (mine, theirs)]
        gains = _gains_of_means(metric, sums, codes)
    elif metric.influences is not None:
        # But for the gain on all rows, which moves no resample away from another.
        gains = _moved(metric.influences(true, mine) - metric.influences(true, theirs), codes)
    else:
        gains = np.array([*_gains_of_rows(metric, true, mine, theirs, codes)])
    return gains[np.isfinite(gains)]


def _gains_of_means(metric: Metric, sums: list[np.ndarray], codes: np.ndarray) -> np.ndarray:
    sizes = np.bincount(codes).astype(float)
    weights = _weights(len(sizes), RESAMPLES)
    # A prediction may be infinite, and a resample without it is not: what is no number is left out.
    with np.errstate(invalid="ignore"):
        mine, theirs = (metric.of_mean(weights @ each / (weights @ sizes)) for each in sums)
    return theirs - mine if metric.lower_is_better else mine - theirs


def _moved(influences: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """What each resample moves; a group counts as if it had been left out, for few or unequal ones else seem too alike.

    That is the jackknife's error rather than the first order's (MacKinnon, Nielsen and Webb 2023, section 3).
    """
    sizes = np.bincount(codes)
    groups = np.bincount(codes, influences) / np.maximum(len(codes) - sizes, 1)
    return _weights(len(sizes), RESAMPLES) @ (groups - groups.mean())


def _gains_of_rows(
    metric: Metric, true: np.ndarray, mine: np.ndarray, theirs: np.ndarray, codes: np.ndarray
) -> Iterator[float]:
    for weights in _weights(int(codes.max()) + 1, RESAMPLES_OF_ROWS):
        rows = np.repeat(np.arange(len(true)), weights[codes].astype(int))
        yield metric.gain(*(float(metric.score(true[rows], each[rows])) for each in (mine, theirs)))


def _weights(groups: int, resamples: int) -> np.ndarray:
    """How often each resample draws each group, of shape (resamples, groups); the same ones for every part."""
    drawn = np.random.default_rng([SEED, groups]).integers(0, groups, (resamples, groups), dtype=np.int32)
    # Counting what was drawn is ten times faster than drawing the counts.
    drawn += np.arange(resamples, dtype=np.int32)[:, None] * groups
    return np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape).astype(float)
