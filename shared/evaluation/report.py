"""What is reported of a comparison, and as JSON for programs; `page` shows it to people."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from shared.contract.spec import ModelSpec
from shared.evaluation.captions import Row, rows_of
from shared.evaluation.comparison import Part, from_metrics
from shared.evaluation.judging import OVERLAP, evidence_of, prefix
from shared.evaluation.policy import Verdict
from shared.evaluation.residuals import Residuals
from shared.evaluation.verdicts import DROP, judge
from shared.evaluation.wording import percent


@dataclass(frozen=True, kw_only=True)
class Drop:
    """A drop that was judged on, and from when to when its rows are."""

    name: str
    generation: int
    first: datetime
    last: datetime


@dataclass(frozen=True, kw_only=True)
class Past:
    """How the version that was in production did on a drop when that came, beside its baseline."""

    drop: str
    last: datetime
    version: int
    rows: int
    score: float
    baseline: float | None
    skill: float | None


@dataclass(frozen=True, kw_only=True)
class Report:
    """A challenger, what it was compared with, and what is known of the time before.

    Attributes:
        metrics: those that `judged_metrics` gave.
        champion: the version in production; None if there is none.
        rivals: the versions that it was compared with; `faults` says why another could not be.
        drops: all that were judged on, newest first; `older` those before them.
        news: of each rival the drops that only the challenger has learned from.
        odd: drops that it has learned from, and that no change of the world explains; and why.
        past: oldest first.
        facts: titled tables of names and values.
    """

    spec: ModelSpec
    version: int
    run: str
    metrics: Mapping[str, float]
    champion: int | None
    rivals: Sequence[int]
    faults: Mapping[int, str] = field(default_factory=dict)
    drops: Sequence[Drop] = ()
    older: Sequence[Drop] = ()
    news: Mapping[int, Sequence[str]] = field(default_factory=dict)
    odd: Mapping[str, str] = field(default_factory=dict)
    past: Sequence[Past] = ()
    residuals: Residuals | None = None
    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def rival(self) -> int | None:
        """Whom the plots compare it with: the champion if it could be scored, else the baseline."""
        return self.champion if self.champion in self.rivals else None

    @property
    def rival_name(self) -> str:
        return name_of(self.rival)

    @cached_property
    def names(self) -> list[str]:
        """Of all drops judged on, newest first."""
        return [drop.name for drop in self.drops]

    @cached_property
    def tables(self) -> dict[int | None, list[Row]]:
        """What was measured against each rival, and against the baseline."""
        everybody = dict.fromkeys([self.rival, None, *self.rivals])
        return {each: rows_of(self.spec, self.parts(each), self.names) for each in everybody}

    def parts(self, rival: int | None) -> dict[str, Part]:
        """What was measured against one."""
        return from_metrics(prefix(rival), self.metrics)


def to_json(report: Report) -> dict[str, Any]:
    """All that was compared, without rounding; what is not defined is null."""
    spec, level = report.spec, report.spec.policy.level
    return {
        "model": spec.name,
        "version": report.version,
        "run": report.run,
        "champion": report.champion,
        "metric": {"name": spec.metric.name, "lower_is_better": spec.metric.lower_is_better, "unit": unit(spec)},
        "level": level,
        "interval": percent(1 - 2 * level),
        "groups": spec.group or "event days",
        "overlap_rows": report.metrics.get(OVERLAP),
        "drops": [_dated(drop) for drop in report.drops],
        "older_drops": [_dated(drop) for drop in report.older],
        "comparisons": [_comparison(report, rival) for rival in (None, *report.rivals)],
        "odd_drops": dict(report.odd),
        "faults": {str(rival): fault for rival, fault in report.faults.items()},
    }


def verdict(report: Report) -> Verdict:
    """What the policy says of these numbers alone, of a challenger that is judged for the first time."""
    evidence = evidence_of(
        report.metrics,
        report.champion,
        level=report.spec.policy.level / 2,
        drops=report.names[: len([name for name in report.parts(report.champion) if name.startswith(DROP)])],
        news=report.news.get(report.champion or 0, ()),
        odd=report.odd,
        fault=report.faults.get(report.champion or 0, ""),
    )
    return judge(report.spec, evidence)


def unit(spec: ModelSpec) -> str:
    """In what scores, gains and margins are counted."""
    is_distance = spec.metric.on == "prediction" and spec.metric.lower_is_better
    return f"the unit of {spec.target.name}" if is_distance else f"{spec.metric.name}, from 0 to 1"


def name_of(rival: int | None) -> str:
    """A rival as sentences call it."""
    return "the baseline" if rival is None else f"version {rival}"


def _comparison(report: Report, rival: int | None) -> dict[str, Any]:
    level, parts = report.spec.policy.level, report.parts(rival)
    return {
        "rival": "baseline" if rival is None else rival,
        "news": list(report.news.get(rival or 0, ())),
        "parts": {name: _plain(part, level) for name, part in parts.items()},
    }


def _plain(part: Part, level: float) -> dict[str, float | None]:
    low, high = part.bounds(level)
    numbers = {**asdict(part), "low": low, "high": high}
    return {name: value if math.isfinite(value) else None for name, value in numbers.items()}


def _dated(drop: Drop) -> dict[str, Any]:
    return {**asdict(drop), "first": drop.first.isoformat(), "last": drop.last.isoformat()}
