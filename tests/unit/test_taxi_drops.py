"""The generated taxi drops are what they say, and cleaning finds exactly the dirt that was put in."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest

from benchmarks import taxi_drops
from benchmarks.taxi_drops import COLUMNS, NO_DIRT, Dirt, TaxiDrop, write
from shared.contract.catalog import model
from shared.contract.cleaning import clean
from shared.contract.source import Source

EVERY_KIND = Dirt(no_number=0.01, bad_date=0.01, broken_line=0.01, duplicate=0.02, conflict=0.01)


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.parquet"])
def test_the_same_seed_gives_the_same_bytes(tmp_path: Path, name: str) -> None:
    drop = TaxiDrop(rows=2_000, dirt=EVERY_KIND)
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        write(drop, tmp_path / folder / name)
    assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.parquet"])
def test_cleaning_finds_all_dirt_and_nothing_else(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taxi_drops, "CHUNK_ROWS", 7_000)
    counts = write(TaxiDrop(rows=20_000, dirt=EVERY_KIND), tmp_path / name)
    cleaned = clean(Source.on_disk(tmp_path / name), name, model("taxi_fare"), drop="d", generation=1, into=tmp_path)
    found = (cleaned.rows, cleaned.accepted, cleaned.rejected, cleaned.duplicate)
    assert found == (20_000, counts.accepted, counts.rejected, counts.duplicate)


def test_a_drop_lies_in_its_span_and_its_keys_are_its_own(tmp_path: Path) -> None:
    first, last = datetime(2012, 9, 1), datetime(2012, 10, 1)
    write(TaxiDrop(rows=5_000, first=first, last=last, dirt=NO_DIRT), tmp_path / "a.csv")
    rides = pd.read_csv(tmp_path / "a.csv")
    assert list(rides) == COLUMNS
    assert rides["key"].is_unique
    times = pd.to_datetime(rides["pickup_datetime"], format="%Y-%m-%d %H:%M:%S UTC")
    assert times.between(first, last).all()
    assert times.dt.hour.value_counts().idxmin() == 5


def test_a_tariff_makes_rides_dearer_from_its_day_on(tmp_path: Path) -> None:
    same = {"rows": 5_000, "first": datetime(2012, 9, 1), "last": datetime(2012, 10, 1), "dirt": NO_DIRT}
    write(TaxiDrop(**same), tmp_path / "old.csv")  # type: ignore[arg-type]
    write(TaxiDrop(**same, tariff_from=datetime(2012, 9, 16), tariff_factor=2.0), tmp_path / "new.csv")  # type: ignore[arg-type]
    old, new = (pd.read_csv(tmp_path / name) for name in ("old.csv", "new.csv"))
    risen = new["fare_amount"] / old["fare_amount"]
    after = old["pickup_datetime"] >= "2012-09-16"
    assert (risen[~after] == 1).all()
    assert risen[after].to_numpy() == pytest.approx(2, abs=0.05)
