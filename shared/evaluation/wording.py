"""Numbers as people read them in a verdict."""

from __future__ import annotations


def number(value: float) -> str:
    """Two decimals, or enough for four figures of a small number."""
    return f"{value:,.2f}" if abs(value) >= 1 or not value else f"{value:.4g}"


def percent(share: float) -> str:
    """One decimal, or enough for one figure of a small share: a difference is never shown as none."""
    return f"{100 * share:.1f} %".replace(".0 %", " %") if abs(share) >= 0.001 or not share else f"{100 * share:.1g} %"


def listed(names: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
