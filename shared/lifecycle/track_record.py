"""How versions did on the drops that came after them, in the order of the data's time; and which drops were odd."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared.contract.spec import ModelSpec
from shared.evaluation.oddity import collapsed
from shared.lifecycle.services import Services

if TYPE_CHECKING:
    from shared.adapters.warehouse import Account

CHAMPION, BEFORE, CHALLENGER = "champion", "champion before", "challenger"
When = tuple[datetime, str]
Record = dict[int, dict[When, dict[str, Any]]]


def track_record(
    spec: ModelSpec, accounts: Sequence[Account], services: Services, *, until: datetime | None = None
) -> Record:
    """Of each version its evaluation on each drop that stands, by the end of the drop's data and its name."""
    ends = {(each.drop, each.generation): each.last_event for each in accounts if not each.withdrawn}
    found: Record = {}
    for row in services.warehouse.evaluations(spec.name):
        end = ends.get((row["drop"], row["generation"]))
        is_score = row["metric"] == spec.metric.name and row["slice"] is None and row["value"] is not None
        if is_score and end is not None and (until is None or end <= until):
            found.setdefault(row["version"], {})[end, row["drop"]] = row
    return found


def odd_drops(
    spec: ModelSpec, accounts: Sequence[Account], among: Collection[tuple[str, int]], services: Services
) -> dict[str, str]:
    """Those of some (drop, generation) that are odd, and why: by any version's record, or by an earlier decision."""
    odd: dict[str, str] = {}
    for rows in track_record(spec, accounts, services).values():
        skills = [(when[1], rows[when]["skill"]) for when in sorted(rows) if _is_of_production(rows[when])]
        odd |= collapsed(spec, skills)
    standing = {each.drop for each in accounts if (each.drop, each.generation) in set(among)}
    said = services.decisions.standing(spec.name).odd
    odd |= {drop: said[named] for drop, generation in among if (named := f"{drop}#{generation}") in said}
    return {drop: why for drop, why in odd.items() if drop in standing}


def _is_of_production(row: dict[str, Any]) -> bool:
    """A challenger may have learned from poison itself: what it finds odd may be the world."""
    return row["skill"] is not None and row["role"] != CHALLENGER
