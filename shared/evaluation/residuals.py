"""How far predictions are off: counted for a plot, and as the two numbers that people remember."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.contract.spec import ModelSpec
from shared.evaluation.scores import Predictor, predictions

if TYPE_CHECKING:
    import pandas as pd

# A sample is enough for a picture.
MOST_ROWS = 20_000
BINS = 60
# What lies further out, on either side, is in the outermost bins.
TAIL = 0.005


@dataclass(frozen=True, kw_only=True)
class Residuals:
    """Predicted minus true of versions on the same rows: the shares of the rows between `edges`, and quantiles.

    Attributes:
        median: half of the predictions are off by no more than this; `tenth`: nine in ten.
    """

    rows: int
    edges: Sequence[float]
    shares: Mapping[str, Sequence[float]]
    median: Mapping[str, float]
    tenth: Mapping[str, float]


def residuals(spec: ModelSpec, rows: pd.DataFrame, versions: Mapping[str, Predictor]) -> Residuals | None:
    """Of versions by their names; nothing where the metric is not one of distances, or there are no rows."""
    import numpy as np

    if rows.empty or spec.metric.on != "prediction" or not spec.metric.lower_is_better:
        return None
    some = rows.sample(MOST_ROWS, random_state=0) if len(rows) > MOST_ROWS else rows
    true = some[spec.target.name].to_numpy(dtype=float)
    off = {name: predictions(spec, pipeline, some) - true for name, pipeline in versions.items()}
    low, high = np.quantile(np.concatenate([*off.values()]), [TAIL, 1 - TAIL])
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    counts = {name: np.histogram(np.clip(each, edges[0], edges[-1]), edges)[0] for name, each in off.items()}
    return Residuals(
        rows=len(some),
        edges=edges.tolist(),
        shares={name: (each / len(some)).tolist() for name, each in counts.items()},
        median={name: float(np.quantile(abs(each), 0.5)) for name, each in off.items()},
        tenth={name: float(np.quantile(abs(each), 0.9)) for name, each in off.items()},
    )
