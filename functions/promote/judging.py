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
from shared.evaluation.comparison import ALL, Part, from_metrics
from shared.evaluation.judging import evidence_of, prefix
from shared.evaluation.oddity import at_a_loss, unconfirmed
from shared.evaluation.policy import Verdict
from shared.evaluation.verdicts import DROP, WAITS, Evidence, judge
from shared.lifecycle.decisions import Decision
from shared.lifecycle.holdout import JUDGED_ON, Judged
from shared.lifecycle.standing import AWAITING, KEEP, NOT_ENOUGH, PROMOTE, Standing


def judged(spec: ModelSpec, version: Version, standing: Standing, scored: Evaluation) -> Decision:
    """What is decided about a challenger, as things stand.

    Args:
        scored: the run in which it was scored beside the champion.
    """
    about = Judged.from_tag(scored.tags.get(JUDGED_ON))
    found = _odd(spec, version, standing.champion, scored)
    evidence = _evidence(spec, version, standing, scored.metrics, replace(about, odd=about.odd | dict(found.values())))
    verdict = _verdict(spec, version, standing, evidence, about)
    if verdict.outcome in (PROMOTE, AWAITING) and (doubt := at_a_loss(spec, version.metrics, scored.metrics)):
        verdict = Verdict(NOT_ENOUGH, f"{verdict.why} But {doubt}. {WAITS}")
    verdict = _in_line(version, standing, verdict)
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
        odd={named: why for named, (_, why) in found.items()},
        policy=asdict(spec.policy) | {"digest": _digest(asdict(spec.policy))},
        data_version=version.data_version,
    )


def _evidence(
    spec: ModelSpec, version: Version, standing: Standing, metrics: Mapping[str, float], about: Judged
) -> Evidence:
    """What was measured, at a level that accounts for what was tried before.

    Each look at the same challenger spends half of what is left of the policy's level. Of the tries on the same rows
    the first gets all of that, and the others together as much again, as 1/2 + 1/6 + 1/12 + ... is 1: that any first
    look at them is wrong is no likelier than the policy says, however many there are (Bonferroni's inequality).
    """
    looks, tries = len(standing.looks(version.version)), standing.tries(version.version, about.holdout)
    rival = standing.champion
    return evidence_of(
        metrics,
        rival,
        level=spec.policy.level / 2 ** (looks + 1) / max(1, tries * (tries + 1)),
        drops=about.drops,
        news=about.news.get(str(rival), []),
        odd=about.odd,
        fault=about.faults.get(str(rival), ""),
    )


def _odd(spec: ModelSpec, version: Version, rival: int | None, scored: Evaluation) -> dict[str, tuple[str, str]]:
    """The drops, by name and generation, on which the challenger shone when it was trained, and nowhere since."""
    parts = from_metrics(prefix(rival), scored.metrics)
    if scored.run == version.run or ALL not in parts or rival is None:
        return {}
    then, about = from_metrics(prefix(rival), version.metrics), Judged.from_tag(version.tags.get(JUDGED_ON))
    numbered = {drop: then.get(f"{DROP}{number}") for number, drop in enumerate(about.drops, 1)}
    own = {drop: part for drop, part in numbered.items() if part and drop in about.news.get(str(rival), [])}
    generations = dict(zip(about.drops, about.generations, strict=False))
    odd = unconfirmed(spec, own, parts[ALL])
    return {f"{drop}#{generations.get(drop)}": (drop, why) for drop, why in odd.items()}


def _verdict(spec: ModelSpec, version: Version, standing: Standing, evidence: Evidence, about: Judged) -> Verdict:
    if version.version in standing.rolled_back:
        return Verdict(KEEP, f"Version {version.version} was rolled back: only a person puts it back into production.")
    if ALL not in evidence.parts and not evidence.fault and standing.champion is not None:
        # Scores on other rows, or of another champion, decide nothing.
        others = ", ".join(about.news) or "nobody"
        now = f"version {standing.champion} is in production meanwhile"
        return Verdict(NOT_ENOUGH, f"It was compared with {others}, but {now}. {WAITS}")
    verdict = judge(spec, evidence)
    return _awaited(spec, version, standing, verdict) if verdict.outcome == PROMOTE else verdict


def _in_line(version: Version, standing: Standing, verdict: Verdict) -> Verdict:
    """One challenger waits at a time, the newest; but what was tried on a sample does not push a whole one out."""
    if verdict.outcome != NOT_ENOUGH or not version.is_sampled or standing.pending in (None, version.version):
        return verdict
    waits = f"it was trained on a sample, and version {standing.pending} waits already"
    return Verdict(KEEP, f"{verdict.why.removesuffix(f' {WAITS}')} It does not wait: {waits}.")


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
