"""From the metrics in MLflow to a decision: which champion a challenger was compared with, and how strictly."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from math import isfinite
from typing import Any

from shared.adapters.registry import Evaluation, Version
from shared.contract.spec import ModelSpec
from shared.evaluation.comparison import ALL, Part
from shared.evaluation.judging import evidence_of
from shared.evaluation.policy import Verdict
from shared.evaluation.verdicts import Evidence, judge
from shared.lifecycle.decisions import Decision
from shared.lifecycle.holdout import JUDGED_ON, Judged
from shared.lifecycle.standing import AWAITING, KEEP, NOT_ENOUGH, PROMOTE, Standing


def judged(spec: ModelSpec, version: Version, standing: Standing, scored: Evaluation) -> Decision:
    """What is decided about a challenger, as things stand.

    Args:
        scored: the run in which it was scored beside the champion.
    """
    about = Judged.from_tag(scored.tags.get(JUDGED_ON))
    evidence = _evidence(spec, version, standing, scored.metrics, about)
    verdict = _verdict(spec, version, standing, evidence, about)
    was_judged = ALL in evidence.parts
    return Decision(
        model=spec.name,
        version=version.version,
        champion=version.version if verdict.outcome == PROMOTE else standing.champion,
        verdict=verdict.outcome,
        why=verdict.why,
        run=scored.run,
        rival=standing.champion,
        metrics={name: value for name, value in scored.metrics.items() if "/" not in name and isfinite(value)},
        evidence={name: _numbers(part, evidence.level) for name, part in evidence.parts.items()},
        level=evidence.level if was_judged else None,
        holdout=about.holdout if was_judged else "",
        drops=evidence.drops,
        news=evidence.news,
        policy=asdict(spec.policy) | {"digest": _digest(asdict(spec.policy))},
        data_version=version.data_version,
    )


def _evidence(
    spec: ModelSpec, version: Version, standing: Standing, metrics: Mapping[str, float], about: Judged
) -> Evidence:
    """What was measured, at a level that accounts for what was tried before.

    Each look at the same challenger spends half of what is left of the policy's level, and each other try on the same
    rows a share: together they are wrong no more often than the policy says (Bonferroni's inequality).
    """
    looks, tries = standing.looks(version.version), standing.tries(version.version, about.holdout)
    rival = standing.champion
    return evidence_of(
        metrics,
        rival,
        level=spec.policy.level / 2 ** (looks + 1) / (tries + 1),
        drops=about.drops,
        news=about.news.get(str(rival), []),
        fault=about.faults.get(str(rival), ""),
    )


def _verdict(spec: ModelSpec, version: Version, standing: Standing, evidence: Evidence, about: Judged) -> Verdict:
    if version.version in standing.rolled_back:
        return Verdict(KEEP, f"Version {version.version} was rolled back: only a person puts it back into production.")
    if ALL not in evidence.parts and not evidence.fault and standing.champion is not None:
        # Scores on other rows, or of another champion, decide nothing.
        others = ", ".join(about.news) or "nobody"
        now = f"version {standing.champion} is in production meanwhile"
        return Verdict(NOT_ENOUGH, f"It was compared with {others}, but {now}. It waits for the next drop.")
    verdict = judge(spec, evidence)
    return _awaited(spec, version, standing, verdict) if verdict.outcome == PROMOTE else verdict


def _awaited(spec: ModelSpec, version: Version, standing: Standing, verdict: Verdict) -> Verdict:
    """What would serve at once, if nobody had reserved the last word."""
    if not spec.policy.approval and standing.pause is None:
        return verdict
    because = f"{spec.name} is paused" if standing.pause else "its policy wants that"
    how = f"tidewheel approve {spec.name} {version.version}"
    return replace(verdict, outcome=AWAITING, why=f"{verdict.why} A person has to approve it, as {because}: {how}")


def _numbers(part: Part, level: float) -> dict[str, float]:
    """A part and its interval, as JSON can hold it."""
    low, high = part.bounds(level)
    return {name: value for name, value in {**asdict(part), "low": low, "high": high}.items() if isfinite(value)}


def _digest(policy: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(policy, sort_keys=True).encode()).hexdigest()[:12]
