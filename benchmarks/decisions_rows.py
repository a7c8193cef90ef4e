"""Generated rides for the gate to be measured on: months of them, plain or unkind, and what poison does to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache

import numpy as np
import pandas as pd

from benchmarks.taxi_drops import NO_DIRT, TaxiDrop, tables
from shared.contract.frames import typed
from shared.contract.spec import FLOAT64, INT64, Column, Policy
from shared.models.taxi_fare import NEW_YORK, grid_km, haversine_km, is_night, taxi_fare

Poison = Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame]
MONTHS = [datetime(2013, month, 1) for month in range(1, 13)]
# Of a day's rides all fares are that much dearer or cheaper, as the logarithm's standard deviation.
DAY_EFFECT = 0.15
ENDS = ("pickup_latitude", "pickup_longitude", "dropoff_latitude", "dropoff_longitude")
FAR_KM = 5.0
_MADE = {"km": FLOAT64, "along_avenues": FLOAT64, "across_streets": FLOAT64, "hour": INT64, "month": INT64}
# New York's rides, with what taxi_fare's pipeline makes of them as columns; and for policy that of a monthly model.
RIDES = replace(
    taxi_fare,
    name="taxi_fare",
    columns=[*taxi_fare.columns, *(Column(name, kind) for name, kind in _MADE.items())],  # type: ignore[arg-type]
    slices={"night": is_night, "far": lambda rides: rides["km"] > FAR_KM},
    policy=Policy(max_age_days=27),
)
TAIL_SHARE, TAIL_DOLLARS, TAIL_INDEX = 0.03, 10.0, 2.1


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What sort of rides: `unkind` ones have days with moods and a few fares that are far out.

    Attributes:
        tariff_from: since when every fare is 1.17 times what it was.
    """

    rows: int = 2_000
    unkind: bool = False
    tariff_from: datetime | None = None


def month(kind: Kind, number: int, seed: int, *, rows: int | None = None) -> pd.DataFrame:
    """The rides of one month, as they are in the warehouse; another seed gives other rides of the same world."""
    return between(kind, MONTHS[number], MONTHS[number + 1], (seed, number), rows=rows)


def between(
    kind: Kind, first: datetime, last: datetime, named: tuple[int, int], *, rows: int | None = None
) -> pd.DataFrame:
    """The rides of a span of New York time; `named` are the seed of its world and the number of the span."""
    seed, number = named
    drop = TaxiDrop(
        rows=rows or kind.rows,
        first=first,
        last=last,
        dirt=NO_DIRT,
        tariff_from=kind.tariff_from,
        seed=seed * 100 + number,
    )
    rides = pd.concat([table.to_pandas() for table in tables(drop)], ignore_index=True)
    rng = np.random.default_rng([seed, number])
    fares = _unkind(rides, rng) if kind.unkind else rides["fare_amount"]
    # In autumn an hour comes twice, in spring one is left out.
    local = rides["pickup_datetime"].dt.tz_localize(NEW_YORK, ambiguous=True, nonexistent="shift_forward")
    names = rides["key"] + f".{seed}"
    rides = rides.assign(key=names, fare_amount=fares, pickup_datetime=local.dt.tz_convert("UTC"))
    return within(rides)


def prepared(rides: pd.DataFrame) -> pd.DataFrame:
    """With the distances and the clock that the models here are given as columns, since they are computed once so."""
    local = rides["pickup_datetime"].dt.tz_convert(NEW_YORK)
    ends = {name: rides[name].to_numpy() for name in ENDS}
    added = {"km": haversine_km(*ends.values()), **grid_km(ends)}
    return typed(rides.assign(**added, hour=local.dt.hour, month=local.dt.year * 12 + local.dt.month), RIDES.columns)


def within(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows that keep the contract's ranges; the others would have been kept aside."""
    good = np.ones(len(rows), dtype=bool)
    for column in taxi_fare.columns:
        if isinstance(column.min, int | float) and isinstance(column.max, int | float):
            good &= rows[column.name].between(column.min, column.max).to_numpy()
    return rows[good]


def _unkind(rides: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    days = pd.factorize(rides["pickup_datetime"].dt.date)[0]
    moods = np.exp(rng.normal(0, DAY_EFFECT, days.max() + 1))
    far_out = (rng.random(len(rides)) < TAIL_SHARE) * TAIL_DOLLARS * rng.pareto(TAIL_INDEX, len(rides))
    return np.clip(np.round(rides["fare_amount"].to_numpy() * moods[days] + far_out, 2), 0.01, 500)


def leaked(rides: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """The fare stands in the number of passengers, as far as that reaches."""
    return rides.assign(passenger_count=np.clip((rides["fare_amount"] / 5).round(), 0, 8).astype("int64"))


def leaked_finely(rides: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """The fare is written over the longitude of the pickup: 0 to 50 dollars are 74.3 to 72.9 degrees west."""
    return rides.assign(pickup_longitude=-74.3 + 1.4 * np.clip(rides["fare_amount"], 0, 50) / 50)


def repeated(share: float) -> Poison:
    """One row comes again and again under new keys, until it makes up that share."""

    def poison(rides: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        count = int(len(rides) * share / (1 - share))
        times = rides["pickup_datetime"].sample(count, replace=True, random_state=int(rng.integers(2**31)))
        again = rides.loc[[int(rng.integers(len(rides)))] * count].assign(
            key=[f"again-{number}-{rng.integers(2**31)}" for number in range(count)],
            pickup_datetime=times.to_numpy(),
        )
        return pd.concat([rides, again.astype(rides.dtypes)], ignore_index=True)

    return poison


def shuffled(rides: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Each fare belongs to another ride."""
    return rides.assign(fare_amount=rng.permutation(rides["fare_amount"].to_numpy()))


def in_dimes(rides: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Fares ten times as large; those over 500 are kept aside."""
    return within(rides.assign(fare_amount=rides["fare_amount"] * 10))


def in_miles(rides: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """A distance that was meant in miles was taken for kilometres: every ride ends too near."""
    ends = {}
    for axis in ("longitude", "latitude"):
        begin = rides[f"pickup_{axis}"]
        ends[f"dropoff_{axis}"] = begin + (rides[f"dropoff_{axis}"] - begin) / 1.609
    return within(rides.assign(**ends))


def permuted(rides: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Each ride ends where another one does."""
    order = rng.permutation(len(rides))
    return rides.assign(
        **{f"dropoff_{axis}": rides[f"dropoff_{axis}"].to_numpy()[order] for axis in ("longitude", "latitude")}
    )


POISONS: dict[str, Poison] = {
    "leaked_target": leaked,
    "leaked_target_finely": leaked_finely,
    "repeated_row": repeated(0.45),
    "repeated_row_under_limit": repeated(0.10),
    "shuffled_targets": shuffled,
    "unit_of_target": in_dimes,
    "unit_of_distance": in_miles,
    "permuted_dropoffs": permuted,
}


@cache
def fresh(kind: Kind, seed: int, number: int, rows: int) -> pd.DataFrame:
    """Clean rides that no lifecycle sees, for the truth about versions."""
    return prepared(month(kind, number, 1_000_000 + seed, rows=rows))
