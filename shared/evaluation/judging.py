"""A challenger and its rivals on the same rows: scored once, compared in parts, under names that MLflow can keep.

`vs_baseline/all/gain` is the gain over the baseline on all rows judged, `vs_3/slice_night/error` the standard error of
the gain over version 3 in a slice; see `comparison.Part` for the numbers and `verdicts` for the parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from shared.contract.spec import ModelSpec
from shared.evaluation.comparison import ALL, Part, compare, from_metrics, to_metrics
from shared.evaluation.scores import Predictor, predictions, slice_masks
from shared.evaluation.verdicts import ALIKE, DROP, NEWS, OLDER, SLICE, Evidence

if TYPE_CHECKING:
    import pandas as pd

OVERLAP = "overlap_rows"


@dataclass(frozen=True, kw_only=True)
class Rows:
    """What is judged on: rows with their `_drop`, the drops that get a part of their own (newest first), older rows."""

    judged: pd.DataFrame
    drops: Sequence[str] = ()
    older: pd.DataFrame | None = None


@dataclass(frozen=True, kw_only=True)
class Rival:
    """Who the challenger is compared with, and the drops of those judged that only the challenger has learned from."""

    pipeline: Predictor
    news: Sequence[str] = field(default=())


def judged_metrics(
    spec: ModelSpec, rows: Rows, challenger: Predictor, baseline: float, rivals: Mapping[int, Rival]
) -> dict[str, float]:
    """The challenger against the baseline and each rival; without rows only that there are none.

    Args:
        baseline: the value that `scores.baseline_value` gave for the training rows.
        rivals: by their versions.
    """
    metric = spec.metric.name
    if rows.judged.empty:
        return {"holdout_rows": 0.0}
    mine = _predicted(spec, challenger, rows)
    floor = [np.full(len(each), baseline) for each in mine]
    parts = {None: _parts(spec, rows, mine, floor, ())}
    for version, rival in rivals.items():
        parts[version] = _parts(spec, rows, mine, _predicted(spec, rival.pipeline, rows), rival.news)  # type: ignore[index]
    whole = parts[None][ALL]
    return {
        "holdout_rows": whole.rows,
        f"holdout_{metric}": whole.challenger,
        f"baseline_holdout_{metric}": whole.rival,
        "holdout_skill": spec.metric.skill(whole.challenger, whole.rival),
        **{name: value for rival, each in parts.items() for name, value in to_metrics(prefix(rival), each).items()},
    }


def evidence_of(
    metrics: Mapping[str, float],
    rival: int | None,
    *,
    level: float,
    drops: Sequence[str] = (),
    news: Sequence[str] = (),
    odd: Mapping[str, str] | None = None,
    fault: str = "",
) -> Evidence:
    """What `judged_metrics` measured against one rival, as a verdict reads it."""
    return Evidence(
        parts=from_metrics(prefix(rival), metrics),
        rival=rival,
        level=level,
        drops=drops,
        news=news,
        odd=odd or {},
        overlap_rows=metrics.get(OVERLAP),
        fault=fault,
    )


def prefix(rival: int | None) -> str:
    """Under which the comparison with a rival is kept."""
    return "vs_baseline" if rival is None else f"vs_{rival}"


def _predicted(spec: ModelSpec, pipeline: Predictor, rows: Rows) -> list[np.ndarray]:
    """Predictions for the rows judged, and for the older ones if there are any."""
    frames = [rows.judged] if rows.older is None or rows.older.empty else [rows.judged, rows.older]
    return [predictions(spec, pipeline, frame) for frame in frames]


def _parts(
    spec: ModelSpec, rows: Rows, mine: list[np.ndarray], theirs: list[np.ndarray], news: Sequence[str]
) -> dict[str, Part]:
    parts = compare(spec, rows.judged, mine[0], theirs[0], _masks(spec, rows, news))
    if rows.older is not None and len(mine) > 1:
        parts[OLDER] = compare(spec, rows.older, mine[1], theirs[1])[ALL]
    return parts


def _masks(spec: ModelSpec, rows: Rows, news: Sequence[str]) -> dict[str, np.ndarray]:
    drops = rows.judged["_drop"]
    masks = {f"{SLICE}{name}": mask for name, mask in slice_masks(spec, rows.judged).items()}
    masks |= {f"{DROP}{number}": (drops == drop).to_numpy() for number, drop in enumerate(rows.drops, 1)}
    is_news = drops.isin(list(news)).to_numpy()
    return masks | ({ALIKE: ~is_news, NEWS: is_news} if news else {})
