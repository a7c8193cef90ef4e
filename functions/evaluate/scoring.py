"""Who is scored on a drop: the champion, the champion before it, and a challenger that waits for the next drop."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import isfinite
from typing import TYPE_CHECKING, Any

from functions.evaluate.case import Case
from shared.contract.spec import ModelSpec
from shared.errors import PermanentError
from shared.lifecycle import crash
from shared.lifecycle.track_record import BEFORE, CHALLENGER, CHAMPION

if TYPE_CHECKING:
    import pandas as pd

    from shared.adapters.registry import Loaded, Version
    from shared.adapters.warehouse import DataVersion

log = logging.getLogger(__name__)
# What fits into a function's memory beside its versions; scores of more rows are not known any better.
MOST_ROWS = 500_000


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A version that is scored: what it does in the lifecycle, its pipeline, and the rows that it has learned from."""

    role: str
    version: Version
    loaded: Loaded
    data: DataVersion

    @property
    def number(self) -> int:
        return self.version.version


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A version on a drop: its score, beside the baseline's on the same rows, and per slice."""

    score: float
    baseline: float
    skill: float
    rows: int
    slices: Mapping[str, tuple[int, float]] = field(default_factory=dict)


def candidates(case: Case) -> tuple[dict[str, Candidate], dict[str, PermanentError]]:
    """Those that are to be scored, by their role; and why others cannot be: their packages are not here any more."""
    standing = case.standing
    roles = {CHAMPION: standing.champion, BEFORE: standing.before, CHALLENGER: standing.pending}
    found: dict[str, Candidate] = {}
    faults: dict[str, PermanentError] = {}
    for role, number in roles.items():
        if number is None:
            continue
        try:
            found[role] = _candidate(case, role, number)
        except PermanentError as error:
            faults[role] = error
            log.warning("The %s, version %d, cannot be scored: %s", role, number, error)
    return found, faults


def _candidate(case: Case, role: str, number: int) -> Candidate:
    from shared.adapters.warehouse import DataVersion

    registry, model = case.services.registry, case.spec.name
    version, loaded = registry.version(model, number), registry.load(model, number)
    return Candidate(
        role=role, version=version, loaded=loaded, data=DataVersion.from_dict(registry.data_version(version))
    )


def unseen(case: Case, drop: str, generation: int, by: Iterable[Candidate], most_rows: int = MOST_ROWS) -> pd.DataFrame:
    """A drop's rows that none of the candidates has learned from, whichever drop had brought them.

    Args:
        most_rows: of a larger drop so many, chosen by a hash of their keys.
    """
    model, data = case.spec.name, [each.data for each in by]
    return case.services.warehouse.read_drop(
        model, case.spec, drop, generation=generation, unseen_by=data, most_rows=most_rows
    )


def score(spec: ModelSpec, candidate: Candidate, rows: pd.DataFrame) -> Scored:
    """The candidate on rows that it has not learned from."""
    from shared.evaluation import scores

    value, slices = scores.score_with_slices(spec, candidate.loaded.pipeline, rows)
    baseline = scores.baseline_score(spec, candidate.version.metrics["baseline_value"], rows)
    return Scored(
        score=value, baseline=baseline, skill=spec.metric.skill(value, baseline), rows=len(rows), slices=slices
    )


def record(
    case: Case,
    candidate: Candidate,
    scored: Scored,
    *,
    metrics: Mapping[str, float],
    tags: Mapping[str, str] | None = None,
) -> None:
    """To the warehouse for questions, to MLflow for promote and for people who look there.

    Args:
        metrics: more of them, beside the scores.
    """
    event, metric = case.event, case.spec.metric.name
    case.services.warehouse.append_evaluations(_rows(case, candidate, scored))
    crash.point("evaluate.appended")
    known = {metric: scored.score, f"baseline_{metric}": scored.baseline, "skill": scored.skill}
    known |= {f"{metric}_slice_{name}": value for name, (_, value) in scored.slices.items()}
    case.services.registry.record_evaluation(
        event.model,
        candidate.number,
        event.drop,
        event.generation,
        {**known, "rows": float(scored.rows), **metrics},
        epoch=event.epoch,
        tags=tags,
    )
    crash.point("evaluate.recorded")


def _rows(case: Case, candidate: Candidate, scored: Scored) -> list[dict[str, Any]]:
    same = {
        "model": case.event.model,
        "drop": case.event.drop,
        "generation": case.event.generation,
        "version": candidate.number,
        "role": candidate.role,
        "metric": case.spec.metric.name,
        "evaluated_at": datetime.now(UTC),
    }
    whole: dict[str, Any] = {
        "value": scored.score,
        "rows": scored.rows,
        "baseline": scored.baseline,
        "skill": scored.skill,
    }
    parts = [{"slice": name, "value": value, "rows": rows} for name, (rows, value) in scored.slices.items()]
    return [{**same, **part} for part in [whole, *parts]]


def told(scored: Mapping[str, Scored]) -> dict[str, float]:
    """The scores as an event tells them; JSON has no NaN: what is not defined is left out."""
    values: dict[str, float] = {role.replace(" ", "_"): each.score for role, each in scored.items()}
    if champion := scored.get(CHAMPION):
        values |= {"baseline": champion.baseline, "skill": champion.skill}
        values |= {f"slice_{name}": value for name, (_, value) in champion.slices.items()}
    return {name: value for name, value in values.items() if isfinite(value)}
