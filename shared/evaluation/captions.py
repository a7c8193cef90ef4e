"""What a comparison's parts and plots show, in words that a manager understands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from shared.contract.spec import ModelSpec
from shared.evaluation.comparison import ALL, Part
from shared.evaluation.plots import Bar
from shared.evaluation.residuals import Residuals
from shared.evaluation.verdicts import ALIKE, DROP, NEWS, OLDER, SLICE, margin_of, tells
from shared.evaluation.wording import listed, number, percent

BETTER, UNCLEAR, HOLDS, DOUBTFUL, WORSE, FEW = "better", "unclear", "holds", "doubtful", "worse", "few"
SAYS = {
    BETTER: "better beyond chance",
    UNCLEAR: "may be chance",
    HOLDS: "within its margin",
    DOUBTFUL: "may be worse than its margin",
    WORSE: "worse",
    FEW: "too few rows to tell",
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One part of the rows as a table tells it."""

    label: str
    part: Part
    low: float
    high: float
    share: float
    margin: float | None
    kind: str

    @property
    def says(self) -> str:
        return SAYS[self.kind]


def rows_of(spec: ModelSpec, parts: Mapping[str, Part], drops: Sequence[str]) -> list[Row]:
    """The whole first, then what has to hold on it: slices, drops, and the rest."""
    return [_row(spec, name, parts[name], drops) for name in sorted(parts, key=_order)]


def bars_of(spec: ModelSpec, rows: Iterable[Row]) -> list[Bar]:
    """The rows as a plot has them: gains as shares of what the rival lacks to a perfect score."""
    return [_bar(spec, row) for row in rows if row.part.is_known]


def kind_of(spec: ModelSpec, name: str, part: Part) -> str:
    """How a part speaks for or against the challenger, at the policy's level."""
    if not part.is_known or not _is_enough(spec, name, part):
        return FEW
    (low, high), margin = part.bounds(spec.policy.level), margin_of(spec, name, part)
    if low > 0:
        return BETTER
    if margin is None:
        return WORSE if high < 0 else UNCLEAR
    if part.gain < -margin:
        return WORSE
    return DOUBTFUL if low <= -margin else HOLDS


def in_words(rows: Sequence[Row], rival: str) -> str:
    """What the plot of the gains shows."""
    if not rows:
        return f"There are no rows on which the challenger and {rival} could be compared."
    whole, parts = rows[0], rows[1:]
    of = {kind: [row.label for row in parts if row.kind == kind] for kind in SAYS}
    told = [f"On all rows it is {_difference(whole)} than {rival}: {whole.says}."]
    told += [f"{SAYS[kind].capitalize()}: {listed(of[kind])}." for kind in SAYS if of[kind]]
    return " ".join(told)


def over_time_in_words(
    spec: ModelSpec, newest: str, challenger: float, baseline: float, skills: Sequence[float]
) -> str:
    """What the plots over time show.

    Args:
        skills: of the version in production, on the drops before, oldest first.
    """
    metric, skill = spec.metric.name.upper(), spec.metric.skill(challenger, baseline)
    told = (
        f"On {newest}, the newest of the drops, the challenger's {metric} is {number(challenger)} and the baseline's "
        f"{number(baseline)}: its skill, the share of the baseline's error that is gone, is {skill:.2f}."
    )
    if skills:
        span = f"between {min(skills):.2f} and {max(skills):.2f} on {len(skills)} drops"
        told += f" The versions in production had a skill {span}, each on rows that were new to them."
    return told


def residuals_in_words(spec: ModelSpec, found: Residuals) -> str:
    """What the plot of the residuals shows."""
    told = [
        f"of those of {name} half are off by no more than {number(found.median[name])}, nine in ten by no more than "
        f"{number(found.tenth[name])}"
        for name in found.median
    ]
    return f"Of {found.rows:,} predictions, in the unit of {spec.target.name}: {'; '.join(told)}."


def _row(spec: ModelSpec, name: str, part: Part, drops: Sequence[str]) -> Row:
    low, high = part.bounds(spec.policy.level)
    return Row(
        label=_label(name, drops),
        part=part,
        low=low,
        high=high,
        share=_share(spec, part, part.gain),
        margin=margin_of(spec, name, part),
        kind=kind_of(spec, name, part),
    )


def _bar(spec: ModelSpec, row: Row) -> Bar:
    part = row.part
    return Bar(
        label=row.label,
        note=f"{number(part.challenger)} after {number(part.rival)}",
        told=f"{row.label}: {row.says}; {part.rows:,.0f} rows, {part.groups:,.0f} groups",
        kind=row.kind,
        gain=row.share,
        low=_share(spec, part, row.low),
        high=_share(spec, part, row.high),
        margin=None if row.margin is None else _share(spec, part, row.margin),
    )


def _difference(row: Row) -> str:
    return f"{percent(abs(row.share))} {'better' if row.part.gain > 0 else 'worse'}" if row.part.gain else "no better"


def _is_enough(spec: ModelSpec, name: str, part: Part) -> bool:
    if name != ALL:
        return tells(spec, part)
    return part.rows >= spec.policy.min_holdout_rows and part.groups >= spec.policy.min_groups


def _share(spec: ModelSpec, part: Part, value: float) -> float:
    """As a share of what the rival lacks to a perfect score."""
    reach = abs(spec.metric.perfect - part.rival)
    return value / reach if reach else 0.0


def _order(name: str) -> tuple[int, str]:
    kinds = (ALL, SLICE, DROP, ALIKE, NEWS, OLDER)
    return next(place for place, kind in enumerate(kinds) if name.startswith(kind)), name


def _label(name: str, drops: Sequence[str]) -> str:
    if name.startswith(SLICE):
        return f"slice {name.removeprefix(SLICE)}"
    if name.startswith(DROP):
        index = int(name.removeprefix(DROP)) - 1
        return drops[index].rpartition("/")[2] if index < len(drops) else name
    named = {ALL: "all rows", ALIKE: "drops alike to both", NEWS: "drops new to the champion", OLDER: "older drops"}
    return named.get(name, name)
