"""How versions did on the drops that came after them, in the order of the data's time; and which drops were odd."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared.contract.spec import ModelSpec
from shared.evaluation.oddity import collapsed
from shared.lifecycle.holdout import Seen, days_spanned, standing
from shared.lifecycle.standing import Standing

if TYPE_CHECKING:
    from shared.adapters.warehouse import Account

CHAMPION, BEFORE, CHALLENGER = "champion", "champion before", "challenger"
When = tuple[datetime, str]
Row = dict[str, Any]
Record = dict[int, dict[When, Row]]


def track_record(
    spec: ModelSpec, accounts: Sequence[Account], evaluations: Iterable[Row], *, until: datetime | None = None
) -> Record:
    """Of each version its evaluation on each drop that stands, by the end of the drop's data and its name.

    Args:
        evaluations: of the model, as the warehouse tells them.
    """
    ends = {(each.drop, each.generation): each.last_event for each in standing(accounts) if not each.withdrawn}
    found: Record = {}
    for row in evaluations:
        end = ends.get((row["drop"], row["generation"]))
        is_score = row["metric"] == spec.metric.name and row["slice"] is None and row["value"] is not None
        if is_score and end is not None and (until is None or end <= until):
            found.setdefault(row["version"], {})[end, row["drop"]] = row
    return found


def odd_drops(
    spec: ModelSpec,
    accounts: Sequence[Account],
    among: Collection[Seen],
    evaluations: Iterable[Row],
    decided: Standing,
) -> dict[str, str]:
    """Those of some (drop, generation) that are odd, and why: by any version's record, a decision, or a withdrawal."""
    withdrawn = {(each.drop, each.generation) for each in accounts if each.withdrawn}
    odd = {drop: "it was withdrawn since" for drop, generation in among if (drop, generation) in withdrawn}
    # Of a drop that was written again, the generation that was learned from.
    met = {each.drop: each.generation for each in standing(accounts)} | dict(among)
    as_met = [each for each in accounts if met.get(each.drop) == each.generation]
    days = {each.drop: days_spanned(spec, [each]) for each in as_met}
    for rows in track_record(spec, as_met, evaluations).values():
        skills = [(when[1], rows[when]["skill"]) for when in sorted(rows) if _tells(spec, rows[when])]
        odd |= collapsed(spec, skills, days)
    said = decided.odd
    odd |= {drop: said[named] for drop, generation in among if (named := f"{drop}#{generation}") in said}
    return {drop: odd[drop] for drop, _ in among if drop in odd}


def _tells(spec: ModelSpec, row: Row) -> bool:
    """A challenger may have learned from poison itself: what it finds odd may be the world. Few rows are all chance."""
    is_known = row["skill"] is not None and row["role"] != CHALLENGER
    return is_known and row["rows"] >= spec.policy.min_holdout_rows
