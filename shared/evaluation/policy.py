"""The two questions that a model's policy answers: is a challenger worth training, and may it serve?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.contract.metrics import Metric
from shared.contract.spec import ModelSpec, Policy

TRAIN, KEEP, PROMOTE, NOT_ENOUGH = "train", "keep", "promote", "not enough evidence"


@dataclass(frozen=True)
class Verdict:
    """What was decided, and one sentence with its numbers that says why."""

    outcome: str
    why: str


def worth_training(
    policy: Policy,
    *,
    champion: int | None,
    trained_until: datetime | None,
    last_event_time: datetime,
    skills: Sequence[float],
    skill_at_promotion: float | None,
    drifted: Mapping[str, float],
) -> Verdict:
    """Whether to train a challenger after a drop: `train` or `keep`.

    `trained_until` is the last event time that the champion learned from; `skills` are its skill on the latest drops,
    oldest first, this drop last; `drifted` holds the columns that are over their threshold, with their indices.
    """
    if champion is None:
        return Verdict(TRAIN, "There is no champion yet.")
    reason = (
        _decline(policy, skills, skill_at_promotion) or _drift(drifted) or _age(policy, trained_until, last_event_time)
    )
    if reason:
        return Verdict(TRAIN, f"Version {champion}: {reason}.")
    skill = f"its skill is {skills[-1]:.2f}" if skills else "no skill is known"
    young = f"its training rows end less than {policy.max_age_days:g} days before the last row"
    return Verdict(KEEP, f"Version {champion} is good enough: {skill}, no column has drifted, and {young}.")


def judge(spec: ModelSpec, metrics: Mapping[str, float], *, champion: int | None) -> Verdict:
    """Whether a challenger may serve, by the metrics of its own run: `promote`, `keep` or `not enough evidence`.

    Relative gains and losses are shares of the champion's distance from a perfect score: for an error that is the
    error itself, for an accuracy what is left to 1. What is missing or not a number speaks against the challenger.
    """
    rival = f"champion_holdout_{spec.metric.name}" if champion is not None else f"baseline_holdout_{spec.metric.name}"
    if fault := _fault(metrics, ["holdout_rows", f"holdout_{spec.metric.name}", rival]):
        return Verdict(KEEP, fault)
    if metrics["holdout_rows"] < spec.policy.min_holdout_rows:
        few, least = metrics["holdout_rows"], spec.policy.min_holdout_rows
        return Verdict(NOT_ENOUGH, f"Only {few:,.0f} rows were held out, and the policy wants {least:,}.")
    return _judge_first(spec, metrics) if champion is None else _judge_against(spec, metrics, champion)


def _judge_first(spec: ModelSpec, metrics: Mapping[str, float]) -> Verdict:
    mine, floor = (metrics[f"{whose}_{spec.metric.name}"] for whose in ("holdout", "baseline_holdout"))
    told = _told(spec, metrics, f"the baseline's ({spec.baseline}) {_number(floor)}")
    if spec.metric.better(mine, floor):
        return Verdict(PROMOTE, f"{told}: it beats its baseline, and there is no champion yet.")
    return Verdict(KEEP, f"{told}: a first model must beat its baseline, and it does not.")


def _judge_against(spec: ModelSpec, metrics: Mapping[str, float], champion: int) -> Verdict:
    mine, theirs = (metrics[f"{whose}_{spec.metric.name}"] for whose in ("holdout", "champion_holdout"))
    gain, least = _relative_gain(spec.metric, mine, theirs), spec.policy.min_gain_relative
    told = _told(spec, metrics, f"the champion's (version {champion}) {_number(theirs)}: {_compared(gain)}")
    if not gain > least:
        return Verdict(KEEP, f"{told}; to serve it has to be {f'more than {_percent(least)} ' if least else ''}better.")
    if faults := _slice_faults(spec, metrics):
        return Verdict(KEEP, f"{told}; but {' and '.join(faults)}.")
    return Verdict(PROMOTE, f"{told}{_slices_hold(spec, metrics)}.")


def _slice_faults(spec: ModelSpec, metrics: Mapping[str, float]) -> list[str]:
    """What speaks against the challenger in the slices with enough rows; a slice that nobody counted does, too."""
    return [fault for name in spec.slices if (fault := _slice_fault(spec, metrics, name))]


def _slice_fault(spec: ModelSpec, metrics: Mapping[str, float], name: str) -> str:
    scores = [f"{whose}_{spec.metric.name}_slice_{name}" for whose in ("holdout", "champion_holdout")]
    rows, mine, theirs = (metrics.get(key, math.nan) for key in (f"holdout_rows_slice_{name}", *scores))
    if rows < spec.policy.min_slice_rows:
        return ""
    if not all(map(math.isfinite, (rows, mine, theirs))):
        return f'the slice "{name}" has no scores to compare'
    loss = -_relative_gain(spec.metric, mine, theirs)
    if loss <= spec.policy.slice_margin_relative:
        return ""
    numbers = f"{_number(mine)} after {_number(theirs)} on {rows:,.0f} rows"
    return f'it is {_percent(loss)} worse on the slice "{name}" ({numbers})'


def _slices_hold(spec: ModelSpec, metrics: Mapping[str, float]) -> str:
    if not spec.slices:
        return ""
    small = [name for name in spec.slices if metrics[f"holdout_rows_slice_{name}"] < spec.policy.min_slice_rows]
    unknown = f" (too few rows to tell: {', '.join(small)})" if small else ""
    return f"; no slice is worse by more than {_percent(spec.policy.slice_margin_relative)}{unknown}"


def _decline(policy: Policy, skills: Sequence[float], at_promotion: float | None) -> str:
    if at_promotion is None:
        return ""
    latest = skills[-policy.decline_of_drops :]
    low = [skill for skill in latest if at_promotion - skill > policy.decline_skill]
    if len(low) < policy.decline_drops:
        return ""
    return (
        f"its skill was {', '.join(f'{skill:.2f}' for skill in low)} on {len(low)} of the last {len(latest)} drops, "
        f"more than {policy.decline_skill:g} under the {at_promotion:.2f} of its promotion"
    )


def _drift(drifted: Mapping[str, float]) -> str:
    columns = sorted(drifted, key=lambda column: -drifted[column])
    return "drift in " + ", ".join(f"{column} (PSI {drifted[column]:.2f})" for column in columns) if columns else ""


def _age(policy: Policy, trained_until: datetime | None, last_event_time: datetime) -> str:
    if trained_until is None:
        return "nothing says until when its training rows reach"
    age = last_event_time - trained_until
    if age < timedelta(days=policy.max_age_days):
        return ""
    days = age / timedelta(days=1)
    return f"its training rows end {days:.1f} days before the last row, and {policy.max_age_days:g} is its limit"


def _fault(metrics: Mapping[str, float], names: Sequence[str]) -> str:
    """A sentence about the metrics that are missing or not finite, if any."""
    if missing := [name for name in names if name not in metrics]:
        return f"The challenger's run lacks {' and '.join(missing)}, so that nothing can be compared."
    if odd := [f"{name} is {metrics[name]}" for name in names if not math.isfinite(metrics[name])]:
        return f"In the challenger's run {' and '.join(odd)}, so that nothing can be compared."
    return ""


def _relative_gain(metric: Metric, one: float, other: float) -> float:
    """The gain of `one` over `other` as a share of what `other` lacks to perfection."""
    gain, reach = metric.gain(one, other), abs(metric.perfect - other)
    return gain / reach if reach else math.copysign(math.inf, gain) if gain else 0.0


def _told(spec: ModelSpec, metrics: Mapping[str, float], rival: str) -> str:
    mine, rows = metrics[f"holdout_{spec.metric.name}"], metrics["holdout_rows"]
    return f"Its {spec.metric.name.upper()} on {rows:,.0f} held-out rows is {_number(mine)}, {rival}"


def _compared(gain: float) -> str:
    return f"{_percent(abs(gain))} {'better' if gain > 0 else 'worse'}" if gain else "no difference"


def _number(value: float) -> str:
    """Two decimals, or enough for four figures of a small number."""
    return f"{value:,.2f}" if abs(value) >= 1 or not value else f"{value:.4g}"


def _percent(share: float) -> str:
    """One decimal, or enough for one figure of a small share: a difference is never shown as none."""
    return f"{100 * share:.1f} %".replace(".0 %", " %") if abs(share) >= 0.001 or not share else f"{100 * share:.1g} %"
