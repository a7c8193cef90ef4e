"""Small files of invented flights, of which the lab knows how many rows are good."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

MODEL = "flight_delay"
COLUMNS = "time_hour,carrier,flight,origin,dest,distance,dep_delay,arr_delay"
ROUTES = (("EWR", "IAH", 1400), ("JFK", "LAX", 2475), ("LGA", "ORD", 733), ("EWR", "BOS", 200))


@dataclass(frozen=True)
class Counts:
    """What cleaning has to find in a file."""

    accepted: int
    rejected: int
    duplicate: int


def write(path: Path, dice: random.Random, first: datetime, days: int, rows: int) -> Counts:
    """Write a drop of a span of days: the given number of good rows, and a few bad and repeated ones."""
    good = [_flight(dice, first, days, number) for number in range(1, rows + 1)]
    bad = [f"{first.isoformat()}Z,UA,{9000 + number},EWR,IAH,1400,late,1" for number in range(dice.randint(1, 9))]
    repeated = good[: dice.randint(1, 9)]
    lines = [*good, *bad, *repeated]
    dice.shuffle(lines)
    path.write_text("\n".join([COLUMNS, *lines, ""]))
    return Counts(accepted=len(good), rejected=len(bad), duplicate=len(repeated))


def _flight(dice: random.Random, first: datetime, days: int, number: int) -> str:
    hour = first + timedelta(hours=dice.randrange(24 * days))
    origin, dest, distance = dice.choice(ROUTES)
    late = round(dice.expovariate(1 / 12) - 5)
    arrival = late + round(dice.gauss(-2, 6))
    carrier = dice.choice(("UA", "AA", "B6"))
    return f"{hour.isoformat()}Z,{carrier},{number},{origin},{dest},{distance},{late},{arrival}"
