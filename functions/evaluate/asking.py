"""What the policy is asked after a drop: is a challenger worth training, and is the last promotion to be regretted?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from functions.evaluate.case import Case
from functions.evaluate.pending import Fresh
from functions.evaluate.scoring import Candidate, Scored, unseen
from shared.errors import PermanentError
from shared.evaluation.policy import KEEP, TRAIN, Verdict, regretted, worth_training
from shared.lifecycle.events import WithdrawalRequested
from shared.lifecycle.track_record import BEFORE, CHALLENGER, CHAMPION, Record

if TYPE_CHECKING:
    import pandas as pd

    from shared.adapters.registry import Version


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What a drop has shown: who was scored and how, what has drifted, and how the challenger did that waited.

    Attributes:
        fault: why the champion is not among those that were scored, though there is one.
    """

    roles: dict[str, Candidate] = field(default_factory=dict)
    scored: dict[str, Scored] = field(default_factory=dict)
    drift: dict[str, float] = field(default_factory=dict)
    drifted: dict[str, float] = field(default_factory=dict)
    fresh: Fresh | None = None
    fault: PermanentError | None = None


def worth(case: Case, findings: Findings, found: Record) -> Verdict:
    """Whether a challenger is worth training, by the policy; what was trained last is given time.

    Args:
        found: how versions did on the drops until this one.
    """
    newest, champion, fault = case.newest, findings.roles.get(CHAMPION), findings.fault
    verdict = worth_training(
        case.spec.policy,
        champion=case.standing.champion,
        newest=newest.version if newest else None,
        trained_until=newest.trained_until if newest else None,
        last_event_time=case.until,
        skills=_skills(case, champion, newest, found) if champion and newest else [],
        skill_at_promotion=champion.version.metrics.get("holdout_skill") if champion else None,
        drifted=findings.drifted,
        latest=case.latest.version if case.latest else None,
        withdrawn=case.withdrawn_from(case.latest) if case.latest else [],
        fault=fault.error if fault else "",
        successor=_successor(case) if fault else None,
    )
    if verdict.outcome != TRAIN:
        return verdict
    waiting = findings.roles.get(CHALLENGER)
    # Who has learned from what was withdrawn cannot win any more.
    if champion and findings.fresh and not (waiting and case.withdrawn_from(waiting.version)):
        return _undecided(case, verdict, findings.fresh)
    return _rested(case, verdict)


def drift(case: Case, champion: Candidate, rows: pd.DataFrame) -> tuple[dict[str, float], dict[str, float]]:
    """The index of each column, and those that have drifted: from the champion's rows, and since the newest training.

    What that has met in its newest drop has not drifted since, whether it serves or not.
    """
    from shared.evaluation import drift

    limit, profile = case.spec.policy.drift_psi, champion.loaded.profile
    indices = drift.psi(profile, rows) if len(rows) else {}
    drifted = drift.drifted(profile, indices, limit, len(rows))
    for known in _met(case, champion) if drifted else ():
        since = drift.drifted(known, drift.psi(known, rows), limit, len(rows))
        drifted = {name: index for name, index in drifted.items() if name in since}
    return indices, drifted


def _met(case: Case, champion: Candidate) -> Iterator[dict[str, Any]]:
    """The profiles of the newest training's rows, and of its newest drop: among years of others that weighs little."""
    from shared.evaluation.drift import profile, watched

    registry, newest = case.services.registry, case.newest
    if newest is None:
        return
    if newest.version != champion.number:
        # Of one that cannot be loaded any more, nobody can say what it has met.
        with suppress(PermanentError):
            yield registry.load(case.spec.name, newest.version).profile
    learned = {**registry.drops([newest])[0]}
    learned.pop(case.event.drop, None)
    last = next((each for each in case.accounts if learned.get(each.drop) == each.generation), None)
    rows = unseen(case, last.drop, last.generation, [champion]) if last else ()
    if len(rows):
        yield profile(rows, watched(case.spec))


def regret(case: Case, roles: Mapping[str, Candidate], found: Record) -> str:
    """Why the champion before should be put back, if it should."""
    champion, before = roles.get(CHAMPION), roles.get(BEFORE)
    if champion is None or before is None:
        return ""
    mine, theirs = found.get(champion.number, {}), found.get(before.number, {})
    # On other rows they were not compared, and a few rows say nothing.
    least = case.spec.policy.min_holdout_rows
    same = [when for when in sorted(mine) if when in theirs and mine[when]["rows"] == theirs[when]["rows"] >= least]
    return regretted(case.spec, [(mine[when]["value"], theirs[when]["value"]) for when in same])


def _successor(case: Case) -> int | None:
    """The newest training, if the champion cannot be loaded and this one can."""
    newest = case.newest
    champion, out = case.standing.champion or 0, case.standing.rolled_back
    if newest is None or newest.version <= champion or newest.version in out:
        return None
    try:
        return case.services.registry.load(case.spec.name, newest.version).version
    except PermanentError:
        return None


def after(withdrawn: Sequence[WithdrawalRequested], verdict: Verdict) -> Verdict:
    """The verdict on a training waits: once odd drops are withdrawn, the newest one is evaluated once more."""
    if not withdrawn:
        return verdict
    first, more = withdrawn[0], f", and {len(withdrawn) - 1} more" if len(withdrawn) > 1 else ""
    return Verdict(KEEP, f"{verdict.why} But {first.drop} is withdrawn first: {first.reason}{more}.")


def _undecided(case: Case, verdict: Verdict, fresh: Fresh) -> Verdict:
    """A challenger that waits for more days is decided first: another would wait for as many, and so on for ever."""
    wanted = case.spec.policy.min_groups
    # Days come by themselves; a column may never have as many values as are wanted.
    if case.spec.group or fresh.groups >= wanted:
        return _rested(case, verdict)
    waits = f"version {case.standing.pending} waits for its verdict"
    return Verdict(KEEP, f"{verdict.why} But {waits}: drops of {fresh.groups} of {wanted} event days have come since.")


def _rested(case: Case, verdict: Verdict) -> Verdict:
    """What is worth it, but not now: a person has stopped it all, or a training ended just now."""
    pause, wait = case.standing.pause, case.spec.policy.cooldown_minutes
    if pause:
        return Verdict(KEEP, f"{verdict.why} But {case.spec.name} is paused by {pause.who}: {pause.why}")
    closed = case.services.desk.read(case.spec.name).closed if wait else None
    age = datetime.now(UTC) - datetime.fromisoformat(closed["at"]) if closed else timedelta.max
    if age >= timedelta(minutes=wait):
        return verdict
    minutes = age / timedelta(minutes=1)
    return Verdict(KEEP, f"{verdict.why} But a training ended {minutes:.1f} minutes ago, and {wait:g} have to pass.")


def _skills(case: Case, champion: Candidate, newest: Version, found: Record) -> list[float]:
    """The champion's skill on the latest drops that the newest version has not learned from, this one last."""
    learned = case.services.registry.drops([newest])[0]
    mine = found.get(champion.number, {})
    skills = {when: row["skill"] for when, row in mine.items() if when[1] not in learned}
    return [skills[when] for when in sorted(skills) if skills[when] is not None]
