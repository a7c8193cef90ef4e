"""Where the marks of a plot are, in pixels; `pages/plots.html` draws them as SVG.

matplotlib takes twenty times as long, most of it to be imported, and every machine that trains would have to have it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

WIDTH = 880
LEFT, RIGHT = 210, 660
TOP, ROW = 12, 30
HEIGHT, BOTTOM = 260, 228
MOST_DATES = 8
_STEPS = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True)
class Scale:
    """From values to pixels along one axis."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """The pixel of a value; what is off the axis is put at its end."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self, most: int = 6) -> list[float]:
        """Round values along the axis, no more than so many."""
        rough = (self.high - self.low) / most
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(each * power for each in _STEPS if each * power >= rough)
        first = math.ceil(self.low / step - 1e-9)
        return [number * step for number in range(first, math.floor(self.high / step + 1e-9) + 1)]


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A gain with its interval, and the loss that would be borne, as shares of what the rival lacks to perfection."""

    label: str
    note: str
    told: str
    kind: str
    gain: float
    low: float
    high: float
    margin: float | None = None


@dataclass(frozen=True)
class Tick:
    """A value on an axis, as it is written there."""

    at: float
    label: str


@dataclass(frozen=True)
class PlacedBar:
    """A bar, and where it is."""

    bar: Bar
    y: float
    gain: float
    low: float | None
    high: float | None
    margin: float | None


@dataclass(frozen=True)
class Gains:
    """One row for each part of the rows, one above the other."""

    bars: Sequence[PlacedBar]
    ticks: Sequence[Tick]
    zero: float
    bottom: float


@dataclass(frozen=True, kw_only=True)
class Series:
    """Values over time, or over residuals; None where there is none."""

    name: str
    kind: str
    points: Sequence[tuple[float, float | None]]


@dataclass(frozen=True)
class Line:
    """A series, and where its points are: `pieces` are drawn through, gaps are left."""

    name: str
    kind: str
    pieces: Sequence[Sequence[tuple[float, float]]]

    @property
    def dots(self) -> list[tuple[float, float]]:
        return [point for piece in self.pieces for point in piece]


@dataclass(frozen=True)
class Lines:
    """Lines with their axes."""

    lines: Sequence[Line]
    across: Sequence[Tick]
    up: Sequence[Tick]
    zero: float | None


def gains(bars: Sequence[Bar]) -> Gains:
    """A forest plot: each part's gain with its interval, the zero line, and its margin."""
    bottom = TOP + ROW * len(bars)
    scale = _symmetric(bars)
    placed = [
        PlacedBar(
            bar=bar,
            y=TOP + ROW * (number + 0.5),
            gain=scale.at(bar.gain),
            low=scale.at(bar.low) if math.isfinite(bar.low) else None,
            high=scale.at(bar.high) if math.isfinite(bar.high) else None,
            margin=None if bar.margin is None else scale.at(-bar.margin),
        )
        for number, bar in enumerate(bars)
    ]
    ticks = [Tick(scale.at(each), _signed_percent(each)) for each in scale.ticks()]
    return Gains(placed, ticks, scale.at(0), bottom)


def over_time(series: Sequence[Series], dates: Sequence[datetime]) -> Lines:
    """Values by the data's time, in seconds; the axis is marked at some of the dates."""
    known = sorted(set(dates), reverse=True)
    # From the newest backwards, which is the one that is looked for.
    marked = known[:: math.ceil(len(known) / MOST_DATES) or 1][::-1]
    return _lines(series, [(each.timestamp(), f"{each:%Y-%m-%d}") for each in marked])


def over_values(series: Sequence[Series]) -> Lines:
    """Shares over values of the target's unit."""
    return _lines(series, None)


def _lines(series: Sequence[Series], marked: Sequence[tuple[float, str]] | None) -> Lines:
    known = [(x, y) for each in series for x, y in each.points if y is not None]
    across = _scale([x for x, _ in known], LEFT - 140, WIDTH - 40, room=0.02)
    up = _scale([y for _, y in known], BOTTOM, TOP, room=0.08)
    marks = marked if marked is not None else [(each, f"{each:g}") for each in across.ticks()]
    return Lines(
        lines=[Line(each.name, each.kind, _pieces(each, across, up)) for each in series],
        across=[Tick(across.at(x), label) for x, label in marks if across.low <= x <= across.high],
        up=[Tick(up.at(y), f"{y:g}") for y in (round(each, 9) for each in up.ticks(5))],
        zero=across.at(0) if marked is None and across.low < 0 < across.high else None,
    )


def _pieces(series: Series, across: Scale, up: Scale) -> list[list[tuple[float, float]]]:
    pieces: list[list[tuple[float, float]]] = [[]]
    for x, y in series.points:
        if y is None:
            pieces.append([])
        else:
            pieces[-1].append((across.at(x), up.at(y)))
    return [piece for piece in pieces if piece]


def _scale(values: Sequence[float], start: float, end: float, *, room: float) -> Scale:
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    spare = room * (high - low) or max(abs(low), 1.0) * 0.1
    return Scale(low - spare, high + spare, start, end)


def _symmetric(bars: Sequence[Bar]) -> Scale:
    """As wide as the widest interval of those that say something: one of few rows does not squeeze the others."""
    telling = [bar for bar in bars if bar.kind != "few"] or bars
    ends = [end for bar in telling for end in (bar.gain, bar.low, bar.high, -(bar.margin or 0)) if math.isfinite(end)]
    widest = max([abs(end) for end in ends], default=0.0) or 0.01
    return Scale(-1.1 * widest, 1.1 * widest, LEFT, RIGHT)


def _signed_percent(share: float) -> str:
    return f"{100 * share:+.6g} %" if abs(share) > 1e-12 else "0"
