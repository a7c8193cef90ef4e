"""What the lab says at its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One fault: how often it really happened, how many promises were checked, and what was broken."""

    name: str
    injected: int
    checked: int
    broken: tuple[str, ...]
    seconds: float

    @property
    def held(self) -> bool:
        """A fault that did not happen shows nothing."""
        return self.injected > 0 and not self.broken


def as_json(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """For programs."""
    faults = [
        {
            "name": each.name,
            "injected": each.injected,
            "checked": each.checked,
            "held": each.held,
            "broken": each.broken,
            "seconds": round(each.seconds, 1),
        }
        for each in outcomes
    ]
    return {"faults": faults, "held": all(each.held for each in outcomes)}


def as_rows(outcomes: Sequence[Outcome]) -> list[tuple[str, int, int, str, str]]:
    """For people: fault, times injected, promises checked, verdict, seconds."""
    return [(each.name, each.injected, each.checked, _verdict(each), f"{each.seconds:.0f}") for each in outcomes]


def complaints(outcomes: Sequence[Outcome]) -> list[str]:
    """What was broken, and which faults could not be made."""
    found = [f"{each.name}: {what}" for each in outcomes for what in each.broken]
    return found + [f"{each.name}: the fault did not happen" for each in outcomes if not each.injected]


def _verdict(outcome: Outcome) -> str:
    if not outcome.injected:
        return "did not happen"
    return "held" if outcome.held else f"broken: {len(outcome.broken)}"
