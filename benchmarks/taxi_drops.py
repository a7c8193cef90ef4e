"""Taxi drops by the million: the schema of the Kaggle files, with as much dirt of each kind as one asks for.

The same arguments give the same bytes. Rows are made and written by the quarter million, so that memory stays flat:

    python -m benchmarks.taxi_drops drop.csv.gz --rows 1000000 --first 2013-01-01 --last 2013-02-01
"""

from __future__ import annotations

import argparse
import gzip
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, parquet

CHUNK_ROWS = 250_000
COLUMNS = ["key", "fare_amount", "pickup_datetime", "pickup_longitude", "pickup_latitude"]
COLUMNS += ["dropoff_longitude", "dropoff_latitude", "passenger_count"]
# Rides per hour of the day by New York's clocks; fewest at five.
HOURS = np.array([39, 29, 22, 16, 12, 10, 21, 36, 45, 46, 45, 46, 49, 49, 51, 49, 41, 50, 60, 63, 59, 57, 56, 49])
TIME = "%Y-%m-%d %H:%M:%S"
CLEAN = 0


@dataclass(frozen=True, kw_only=True)
class Dirt:
    """Which share of the rows is bad in which way; Parquet has a null where text would be no number."""

    zero_coordinates: float = 0.02
    outside: float = 0.002
    fare_not_positive: float = 0.001
    no_number: float = 0.0
    bad_date: float = 0.0
    broken_line: float = 0.0
    duplicate: float = 0.0
    conflict: float = 0.0


NO_DIRT = Dirt(zero_coordinates=0, outside=0, fare_not_positive=0)
KINDS = {field.name: number for number, field in enumerate(fields(Dirt), start=1)}
IN_PAIRS = (KINDS["duplicate"], KINDS["conflict"])


@dataclass(frozen=True, kw_only=True)
class TaxiDrop:
    """One file of rides, evenly spread over a span of New York time.

    Attributes:
        tariff_from: from then on every fare is `tariff_factor` times what it was.
    """

    rows: int
    first: datetime = datetime(2013, 1, 1)
    last: datetime = datetime(2013, 2, 1)
    dirt: Dirt = Dirt()
    tariff_from: datetime | None = None
    tariff_factor: float = 1.17
    seed: int = 0


@dataclass
class Counts:
    """What cleaning has to find in the file."""

    rows: int = 0
    rejected: int = 0
    duplicate: int = 0

    @property
    def accepted(self) -> int:
        """What is left."""
        return self.rows - self.rejected - self.duplicate

    def add(self, kinds: np.ndarray) -> None:
        """Count a chunk; both rows of a conflict are bad."""
        self.rows += len(kinds)
        self.duplicate += int((kinds == KINDS["duplicate"]).sum())
        self.rejected += int((kinds != CLEAN).sum() - (kinds == KINDS["duplicate"]).sum())
        self.rejected += int((kinds == KINDS["conflict"]).sum())


def write(drop: TaxiDrop, path: Path) -> Counts:
    """Write a drop as what the path's ending says: `.csv`, `.csv.gz` or `.parquet`."""
    return _write_parquet(drop, path) if path.suffix == ".parquet" else _write_csv(drop, path)


def _write_parquet(drop: TaxiDrop, path: Path) -> Counts:
    counts, writer = Counts(), None
    for table, kinds in _chunks(drop):
        no_number = pa.array(kinds == KINDS["no_number"])
        fares = pc.if_else(no_number, pa.scalar(None, pa.float64()), table.column("fare_amount"))
        rows = table.set_column(1, "fare_amount", fares)
        rows = rows.set_column(2, "pickup_datetime", _times(table, kinds))
        writer = writer or parquet.ParquetWriter(path, rows.schema)
        writer.write_table(rows)
        counts.add(np.where(kinds == KINDS["broken_line"], CLEAN, kinds))
    if writer:
        writer.close()
    return counts


def _write_csv(drop: TaxiDrop, path: Path) -> Counts:
    counts = Counts()
    with ExitStack() as stack:
        file: BinaryIO = stack.enter_context(path.open("wb"))
        if path.suffix == ".gz":
            # Without a name and a time in it: the same bytes each time.
            file = stack.enter_context(gzip.GzipFile("", "wb", compresslevel=1, fileobj=file, mtime=0))  # type: ignore[assignment]
        file.write(",".join(COLUMNS).encode() + b"\n")
        for table, kinds in _chunks(drop):
            file.write(_text(table, kinds))
            counts.add(kinds)
    return counts


def _text(table: pa.Table, kinds: np.ndarray) -> bytes:
    fares = table.column("fare_amount").cast(pa.string())
    fares = pc.if_else(pa.array(kinds == KINDS["no_number"]), pa.scalar("n/a"), fares)
    rows = table.set_column(1, "fare_amount", fares).set_column(2, "pickup_datetime", _times(table, kinds))
    # A broken line has one field too many.
    more = pc.if_else(pa.array(kinds == KINDS["broken_line"]), pa.scalar(",1"), pa.scalar(""))
    last = pc.binary_join_element_wise(rows.column("passenger_count").cast(pa.string()), more, "")
    sink = pa.BufferOutputStream()
    options = csv.WriteOptions(include_header=False, quoting_style="none" if not _breaks(kinds) else "needed")
    csv.write_csv(rows.set_column(7, "passenger_count", last), sink, options)
    # Only the last field of a broken line holds a comma, and only that one is quoted.
    return sink.getvalue().to_pybytes().replace(b'"', b"")


def _breaks(kinds: np.ndarray) -> bool:
    return bool((kinds == KINDS["broken_line"]).any())


def _times(table: pa.Table, kinds: np.ndarray) -> pa.ChunkedArray:
    texts = pc.binary_join_element_wise(pc.strftime(table.column("pickup_datetime"), TIME), "UTC", " ")
    return pc.if_else(pa.array(kinds == KINDS["bad_date"]), pa.scalar("2013-02-30 25:61:00 UTC"), texts)


def tables(drop: TaxiDrop) -> Iterator[pa.Table]:
    """The rows as they are, before they become text; times are New York's clocks."""
    return (table for table, _ in _chunks(drop))


def _chunks(drop: TaxiDrop) -> Iterator[tuple[pa.Table, np.ndarray]]:
    for first in range(0, drop.rows, CHUNK_ROWS):
        rng = np.random.default_rng([drop.seed, first])
        yield _chunk(drop, rng, first, min(CHUNK_ROWS, drop.rows - first))


def _chunk(drop: TaxiDrop, rng: np.random.Generator, first: int, count: int) -> tuple[pa.Table, np.ndarray]:
    times = _pickups(drop, rng, first, count)
    rides = _rides(rng, count)
    columns = {
        "times": times,
        "number": np.arange(first, first + count),
        "fare": _fares(drop, rng, times, rides),
        **rides,
    }
    kinds = _kinds(drop.dirt, rng, count)
    _soil(columns, kinds, rng)
    keys = pc.binary_join_element_wise(
        pc.strftime(pa.array(columns["times"]), TIME),
        pc.utf8_lpad(pa.array(columns["number"]).cast(pa.string()), 7, "0"),
        ".",
    )
    values = [keys, columns["fare"], columns["times"], *(columns[name] for name in rides)]
    return pa.table(dict(zip(COLUMNS, map(pa.array, values), strict=True))), kinds


def _pickups(drop: TaxiDrop, rng: np.random.Generator, first: int, count: int) -> np.ndarray:
    """The chunk's part of the span, in whole seconds; the hours of the day as busy as they are."""
    days = max(1, (drop.last - drop.first) // timedelta(days=1))
    places = (first + np.sort(rng.random(count)) * count) / drop.rows
    seconds = rng.choice(24, count, p=HOURS / HOURS.sum()) * 3600 + rng.integers(0, 3600, count)
    whole = (places * days).astype("int64") * 86_400 + seconds
    return np.datetime64(drop.first, "s") + whole.astype("timedelta64[s]")


def _rides(rng: np.random.Generator, count: int) -> dict[str, np.ndarray]:
    """Both ends near Midtown; one ride in twenty goes to or comes from the airport."""
    north, east = rng.normal(0, 0.022, (2, 2, count))
    north, east = north + 0.9 * east + 40.752, 0.8 * east - 73.982
    airport = rng.random(count) < 0.05
    north[1][airport], east[1][airport] = 40.6413, -73.7781
    passengers = rng.choice([1, 2, 3, 4, 5, 6], count, p=[0.69, 0.15, 0.04, 0.02, 0.07, 0.03])
    return {
        "pickup_longitude": np.round(east[0], 6),
        "pickup_latitude": np.round(north[0], 6),
        "dropoff_longitude": np.round(east[1], 6),
        "dropoff_latitude": np.round(north[1], 6),
        "passenger_count": passengers,
    }


def _fares(drop: TaxiDrop, rng: np.random.Generator, times: np.ndarray, rides: dict[str, np.ndarray]) -> np.ndarray:
    """Dollars by distance and time of day, as a meter would: 2.50 to begin with, then steps of ten cents."""
    north = (rides["dropoff_latitude"] - rides["pickup_latitude"]) * 111.2
    east = (rides["dropoff_longitude"] - rides["pickup_longitude"]) * 84.2
    hours = (times - times.astype("datetime64[D]")).astype("int64") // 3600
    slow = 1 + 0.15 * ((hours >= 8) & (hours < 19))
    fare = 2.5 + (np.abs(north) + np.abs(east)) * 1.55 * slow * rng.lognormal(0, 0.12, len(times))
    fare += 0.5 * ((hours >= 20) | (hours < 6))
    if drop.tariff_from:
        fare = np.where(times >= np.datetime64(drop.tariff_from, "s"), fare * drop.tariff_factor, fare)
    return np.round(fare, 1)


def _kinds(dirt: Dirt, rng: np.random.Generator, count: int) -> np.ndarray:
    """For each row its kind of dirt; what comes in pairs follows a clean row."""
    shares = [getattr(dirt, kind) for kind in KINDS]
    kinds = np.searchsorted(np.cumsum(shares), rng.random(count), side="right") + 1
    kinds[kinds > len(KINDS)] = CLEAN
    paired = np.isin(kinds, IN_PAIRS)
    follows = np.concatenate([[False], kinds[:-1] == CLEAN])
    kinds[paired & ~follows] = CLEAN
    return kinds


def _soil(columns: dict[str, Any], kinds: np.ndarray, rng: np.random.Generator) -> None:
    for name in ("pickup_longitude", "pickup_latitude", "dropoff_longitude", "dropoff_latitude"):
        columns[name][kinds == KINDS["zero_coordinates"]] = 0.0
    columns["pickup_latitude"][kinds == KINDS["outside"]] += rng.uniform(5, 300)
    columns["fare"][kinds == KINDS["fare_not_positive"]] *= -1
    repeat = np.flatnonzero(np.isin(kinds, IN_PAIRS))
    for values in columns.values():
        values[repeat] = values[repeat - 1]
    columns["fare"][kinds == KINDS["conflict"]] += 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a drop of generated taxi rides.")
    parser.add_argument("path", type=Path)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--first", type=datetime.fromisoformat, default=datetime(2013, 1, 1))
    parser.add_argument("--last", type=datetime.fromisoformat, default=datetime(2013, 2, 1))
    parser.add_argument("--tariff-from", type=datetime.fromisoformat)
    parser.add_argument("--tariff-factor", type=float, default=1.17)
    parser.add_argument("--seed", type=int, default=0)
    chosen = vars(parser.parse_args())
    print(write(TaxiDrop(**{name: value for name, value in chosen.items() if name != "path"}), chosen["path"]))


if __name__ == "__main__":
    main()
