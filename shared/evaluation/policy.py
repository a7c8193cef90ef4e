"""Whether a challenger is worth training after a drop, and whether the last promotion is to be regretted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.contract.spec import ModelSpec, Policy
from shared.evaluation.wording import number, percent

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
    newest: int | None,
    trained_until: datetime | None,
    last_event_time: datetime,
    skills: Sequence[float],
    skill_at_promotion: float | None,
    drifted: Mapping[str, float],
    latest: int | None = None,
    withdrawn: Sequence[str] = (),
    fault: str = "",
    successor: int | None = None,
) -> Verdict:
    """Whether to train a challenger after a drop: `train` or `keep`.

    What a training has been tried for already, though the champion was kept, is no reason to train again.

    Args:
        newest: the version that was trained last, whether it serves or not.
        trained_until: the last event time that the newest version has learned from.
        skills: the champion's skill on the latest drops that the newest version has not learned from, oldest first,
            this drop last.
        drifted: the columns over their threshold, beside the champion's rows and the newest version's, with their
            indices.
        latest: the version whose training ended last.
        withdrawn: the drops that the latest version has learned from, and that were withdrawn since.
        fault: why the champion cannot be scored.
        successor: the newest version, if it could serve in the place of a champion that cannot be scored.
    """
    if champion is None:
        return Verdict(TRAIN, "There is no champion yet.")
    reasons = [
        fault.rstrip(".") if successor is None else "",
        _withdrawn(latest, withdrawn),
        _decline(policy, skills, skill_at_promotion),
        _drift(drifted),
        _age(policy, newest, trained_until, last_event_time),
    ]
    if any(reasons):
        return Verdict(TRAIN, f"Version {champion}: {'; '.join(filter(None, reasons))}.")
    if fault:
        instead = f"Version {successor} was trained since and can be: tidewheel promote puts it into production."
        return Verdict(KEEP, f"Version {champion} cannot be scored: {fault.rstrip('.')}. {instead}")
    skill = f"its skill is {skills[-1]:.2f}" if skills else "no skill on rows that are new to all is known"
    young = f"the newest training's rows end less than {policy.max_age_days:g} days before the last row"
    return Verdict(KEEP, f"Version {champion} is good enough: {skill}, no column has drifted, and {young}.")


def regretted(spec: ModelSpec, pairs: Sequence[tuple[float, float]]) -> str:
    """Why the champion before should be put back, if it should.

    Args:
        pairs: the scores of the champion and of the one before, on the same rows of each drop, newest drop last.
    """
    policy, latest = spec.policy, pairs[-spec.policy.regret_drops :]
    losses = [_share_lost(spec, *pair) for pair in latest]
    if len(latest) < policy.regret_drops or not all(loss > policy.regret_margin_relative for loss in losses):
        return ""
    scores = ", ".join(f"{number(before)} after {number(champion)}" for champion, before in latest)
    margin = percent(policy.regret_margin_relative)
    return f"its {spec.metric.name.upper()} is better by more than {margin} on the last {len(latest)} drops ({scores})"


def _share_lost(spec: ModelSpec, champion: float, before: float) -> float:
    """By how much the champion before is better, as a share of what the champion lacks to a perfect score."""
    reach = abs(spec.metric.perfect - champion)
    return spec.metric.gain(before, champion) / reach if reach else 0.0


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


def _withdrawn(latest: int | None, drops: Sequence[str]) -> str:
    if not drops:
        return ""
    more = f" and {len(drops) - 1} more" if len(drops) > 1 else ""
    return f"the latest training (version {latest}) has learned from {drops[0]}{more}, withdrawn since"


def _drift(drifted: Mapping[str, float]) -> str:
    columns = sorted(drifted, key=lambda column: -drifted[column])
    return "drift in " + ", ".join(f"{column} (PSI {drifted[column]:.2f})" for column in columns) if columns else ""


def _age(policy: Policy, newest: int | None, trained_until: datetime | None, last_event_time: datetime) -> str:
    if trained_until is None:
        return "nothing says until when the rows of the newest training reach"
    age = last_event_time - trained_until
    if age < timedelta(days=policy.max_age_days):
        return ""
    days, limit = age / timedelta(days=1), f"{policy.max_age_days:g} is the limit"
    return f"the rows of the newest training (version {newest}) end {days:.1f} days before the last row, and {limit}"
