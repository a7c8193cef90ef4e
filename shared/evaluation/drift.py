"""Whether a drop's columns are still distributed as those that the champion was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from shared.contract.spec import TIMESTAMP, Column, ModelSpec

DECILES = np.arange(0.1, 1.0, 0.1)
MOST_CATEGORIES = 20
UNCHANGED_PROBABILITY = 0.999


def watched(spec: ModelSpec) -> list[Column]:
    """The features whose drift means something: times always move on, and a key that stands alone never comes again."""
    keys = [column for column in spec.row_key if len(spec.row_key) == 1]
    return [column for column in spec.features if column.type != TIMESTAMP and column not in keys]


def profile(frame: pd.DataFrame, columns: Sequence[Column]) -> dict[str, Any]:
    """What is remembered of the training rows, as JSON can hold it: per column its bins and the rows in each.

    A number's bins are cut at its deciles, the last one holds nulls. What has few values, or no order, has a bin for
    each of its most frequent values, then one for all others, then one for nulls.
    """
    bins = {column.name: _bins(frame[column.name]) for column in columns}
    return {
        "rows": len(frame),
        "columns": {name: {**kept, "counts": _counts(frame[name], kept)} for name, kept in bins.items()},
    }


def psi(profile: dict[str, Any], frame: pd.DataFrame) -> dict[str, float]:
    """Population stability index of each column (Siddiqi 2006), in nats; 0 is no change, over 0.25 a shift."""
    return {
        name: _psi(np.array(then["counts"]), np.array(_counts(frame[name], then)))
        for name, then in profile["columns"].items()
    }


def psi_threshold(limit: float, bins: int, rows_then: int, rows_now: int) -> float:
    """The index over which a column has drifted: the limit, or more where few rows make chance alone that large.

    Without any change the index is distributed about as chi-squared with bins - 1 degrees of freedom, times
    1 / rows_then + 1 / rows_now (Yurdakul 2018, Statistical Properties of Population Stability Index); the threshold
    is not under the 99.9 % quantile of that.
    """
    from scipy.special import chdtri

    if not rows_then or not rows_now:
        return float("inf")
    by_chance = chdtri(max(bins - 1, 1), 1 - UNCHANGED_PROBABILITY) * (1 / rows_then + 1 / rows_now)
    return max(limit, float(by_chance))


def drifted(profile: dict[str, Any], indices: dict[str, float], limit: float, rows_now: int) -> dict[str, float]:
    """Those of the columns' indices that are over their threshold."""
    bins = {name: len(then["counts"]) for name, then in profile["columns"].items()}
    return {
        name: index
        for name, index in indices.items()
        if index > psi_threshold(limit, bins[name], profile["rows"], rows_now)
    }


def _bins(values: pd.Series) -> dict[str, list[Any]]:
    known = _known(values)
    if is_numeric_dtype(known) and known.nunique() > MOST_CATEGORIES:
        return {"edges": np.unique(np.quantile(known, DECILES)).tolist()}
    return {"values": known.value_counts().index[:MOST_CATEGORIES].tolist()}


def _counts(values: pd.Series, bins: dict[str, Any]) -> list[int]:
    """Rows in each bin, nulls last."""
    known = _known(values)
    if "edges" in bins:
        places = np.searchsorted(bins["edges"], known, side="right")
        counts = np.bincount(places, minlength=len(bins["edges"]) + 1).tolist()
    else:
        by_value = known.value_counts()
        counts = [int(by_value.get(value, 0)) for value in bins["values"]]
        counts.append(len(known) - sum(counts))
    return [*counts, len(values) - len(known)]


def _known(values: pd.Series) -> pd.Series:
    """What is not null: as floats, since nulls elsewhere in a column make its whole numbers floats, or as strings."""
    known = values.dropna().infer_objects()
    return known.astype(float if is_numeric_dtype(known) else str)


def _psi(then: np.ndarray, now: np.ndarray) -> float:
    # Half a row in every bin, so that an empty one costs much but not everything.
    shares_then, shares_now = ((counts + 0.5) / (counts.sum() + 0.5 * len(counts)) for counts in (then, now))
    return float(((shares_now - shares_then) * np.log(shares_now / shares_then)).sum())
