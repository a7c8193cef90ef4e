"""A challenger that waits is compared with the champion on drops that came since: neither has learned from those."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from functions.evaluate.case import Case
from functions.evaluate.scoring import MOST_ROWS, Candidate, unseen
from shared.lifecycle import holdout
from shared.lifecycle.track_record import CHALLENGER, CHAMPION, odd_drops

if TYPE_CHECKING:
    import pandas as pd

    from shared.adapters.warehouse import Account


@dataclass(frozen=True, kw_only=True)
class Fresh:
    """The comparison's numbers and tags, for the challenger's run on the drop; and of how many groups its rows are."""

    metrics: dict[str, float] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    groups: int = 0


def compare_on_fresh_drops(case: Case, roles: Mapping[str, Candidate]) -> Fresh | None:
    """The challenger beside the champion, or the baseline while there is none; nothing if it is not time for that."""
    challenger, champion = roles[CHALLENGER], roles.get(CHAMPION)
    both = [challenger, *([champion] if champion else [])]
    drops = _fresh(case, both)
    if case.event.drop not in [account.drop for account in drops]:
        return None
    is_due = _is_due(case, drops, challenger, champion.number if champion else None)
    return _compared(case, drops, challenger, champion) if is_due else None


def _compared(case: Case, drops: Sequence[Account], challenger: Candidate, champion: Candidate | None) -> Fresh:
    from shared.evaluation.comparison import ALL
    from shared.evaluation.judging import OVERLAP, Rival, Rows, judged_metrics, prefix

    rows = _read(case, drops, [challenger, *([champion] if champion else [])])
    rivals = {champion.number: Rival(pipeline=champion.loaded.pipeline)} if champion else {}
    named = Rows(judged=rows, drops=[account.drop for account in drops[: holdout.MOST_NAMED]])
    baseline, learned = challenger.version.metrics["baseline_value"], set(challenger.data.drops)
    metrics = judged_metrics(case.spec, named, challenger.loaded.pipeline, baseline, rivals)
    metrics[OVERLAP] = float(rows["_drop"].isin(challenger.data.drop_names).sum())
    theirs = {champion.number: set(champion.data.drops)} if champion else {}
    evaluations = case.services.warehouse.evaluations(case.spec.name)
    odd = odd_drops(case.spec, case.accounts, challenger.data.drops, evaluations, case.standing)
    tags = {holdout.JUDGED_ON: holdout.judged_on(drops, learned, theirs, odd=odd).to_tag()}
    groups = metrics.get(f"{prefix(champion.number if champion else None)}/{ALL}/groups", 0.0)
    return Fresh(metrics=metrics, tags=tags, groups=int(groups))


def _fresh(case: Case, both: Sequence[Candidate]) -> list[Account]:
    """This drop and those before it that neither has learned from, newest data first."""
    seen = {name for each in both for name in each.data.drop_names}
    fresh = [
        each
        for each in holdout.standing(case.accounts)
        if each.drop not in seen and each.last_event and each.last_event <= case.until
    ]
    return holdout.judged(case.spec, fresh, case.groups_of)


def _is_due(case: Case, drops: Sequence[Account], challenger: Candidate, rival: int | None) -> bool:
    """Whether as many groups as a look takes have come since the last one on fresh drops.

    Of drops of a day the next look would be at almost the same rows, and spend half of what is left of the level.
    """
    looks = [each for each in case.standing.looks(challenger.number) if each.run != challenger.version.run]
    if not looks or looks[-1].rival != rival:
        return True
    ends = {account.drop: account.last_event for account in case.accounts}
    last = ends.get(next(iter(looks[-1].drops), ""))
    if last is None:
        return True
    later = [each for each in drops if each.last_event and each.last_event > last]
    return len(set().union(*case.groups_of(later).values())) >= case.spec.policy.min_groups


def _read(case: Case, drops: Sequence[Account], by: Sequence[Candidate]) -> pd.DataFrame:
    import pandas as pd

    most = MOST_ROWS // len(drops)
    return pd.concat([unseen(case, each.drop, each.generation, by, most) for each in drops], ignore_index=True)
