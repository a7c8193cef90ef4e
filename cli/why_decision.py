"""A decision as people read it: the verdict's sentence, what was measured on which rows, and how strictly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from cli.output import show_table, shown, visible
from shared.evaluation.wording import listed, percent

if TYPE_CHECKING:
    from shared.lifecycle.decisions import Decision

EVIDENCE = ("part", "rows", "groups", "challenger", "rival", "gain", "from", "to")
PARTS = {
    "all": "all rows judged",
    "alike": "drops alike for both",
    "news": "drops new to the rival",
    "older": "older drops",
}
_NUMBERS = ("rows", "groups", "challenger", "rival", "gain", "low", "high")
_WHOLE = ("rows", "groups")


def report_of(decision: Decision, metric: str) -> dict[str, Any]:
    """All of the record, and in which unit its numbers are."""
    return {**asdict(decision), "unit": metric.upper()}


def show(decision: Mapping[str, Any]) -> None:
    """For people."""
    print(f"Decision {decision['number']}, {decision['at'][:19]}: {_told(decision)}")
    for sentence in _about(decision):
        print(sentence)
    if decision["evidence"]:
        print()
        show_table(_title(decision), EVIDENCE, _rows(decision))


def _told(decision: Mapping[str, Any]) -> str:
    who = f", by {visible(decision['who'])}" if decision["who"] else ""
    return f"{decision['verdict']}{who}. {visible(decision['why'])}"


def _about(decision: Mapping[str, Any]) -> Iterator[str]:
    if decision["drops"]:
        yield f"Judged on held-out rows of {listed([_drop(decision, each) for each in decision['drops']])}."
    if digest := decision["policy"].get("digest"):
        level = f", level {shown(decision['level'])} after what was tried before" if decision["level"] else ""
        yield f"Policy {digest}{level}; its numbers are in MLflow's run {decision['run']}."


def _title(decision: Mapping[str, Any]) -> str:
    rival, unit = decision["rival"], decision["unit"]
    beside = "the baseline" if rival is None else f"version {rival}"
    sure = f", {percent(1 - 2 * decision['level'])} interval" if decision["level"] else ""
    return f"Version {decision['version']} beside {beside}: gain in {unit}, over 0 is better{sure}"


def _rows(decision: Mapping[str, Any]) -> list[Sequence[Any]]:
    evidence = decision["evidence"]
    return [[_part(decision, name), *_figures(evidence[name])] for name in sorted(evidence, key=_place)]


def _place(name: str) -> tuple[int, str]:
    """All rows first, slices last."""
    kinds = ("all", "alike", "news", "drop", "older", "slice")
    kind = name.partition("_")[0]
    return kinds.index(kind) if kind in kinds else len(kinds), name


def _figures(part: Mapping[str, float]) -> list[Any]:
    numbers = {name: part.get(name) for name in _NUMBERS}
    return [int(each) if name in _WHOLE and each is not None else each for name, each in numbers.items()]


def _part(decision: Mapping[str, Any], name: str) -> str:
    kind, _, rest = name.partition("_")
    if kind == "slice" and rest:
        return f"slice {rest}"
    if kind == "drop" and rest.isdecimal() and int(rest) <= len(decision["drops"]):
        return _drop(decision, decision["drops"][int(rest) - 1])
    return PARTS.get(name, name)


def _drop(decision: Mapping[str, Any], drop: str) -> str:
    return f"{drop} (new to version {decision['rival']})" if drop in decision["news"] else drop
