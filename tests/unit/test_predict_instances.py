"""What a request for predictions may say, and what is said about one that may not."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from functions.predict.body import MOST_INSTANCES, instances_of
from functions.predict.instances import frame_of
from functions.predict.moments import moment
from shared.contract.cleaning import clean
from shared.contract.frames import dtype
from shared.contract.metrics import MAE
from shared.contract.source import Source
from shared.contract.spec import BOOL, FLOAT64, INT64, STRING, TIMESTAMP, Column, ModelSpec
from shared.errors import PermanentError

COLUMNS = (
    Column("at", TIMESTAMP, event_time=True, min="2010-01-01", max="2030-12-31"),
    Column("id", STRING, row_key=True, feature=False),
    Column("seats", INT64, min=1, max=8),
    Column("km", FLOAT64, min=0.0, nullable=True),
    Column("late", BOOL),
    Column("stops", INT64, nullable=True),
    Column("airport", STRING, allowed=("JFK", "EWR")),
    Column("fare", FLOAT64, target=True),
)
GOOD: dict[str, Any] = {
    "at": "2013-03-01T10:00:00Z",
    "seats": 2,
    "km": 1.5,
    "late": True,
    "stops": 1,
    "airport": "JFK",
}


def refusal(instances: list[dict[str, Any]]) -> str:
    with pytest.raises(PermanentError) as caught:
        frame_of(instances, COLUMNS)
    assert "An instance has: at (a time in ISO form), seats (a whole number)" in caught.value.remedy
    return caught.value.error


def refused_body(body: bytes) -> str:
    with pytest.raises(PermanentError) as caught:
        instances_of(body)
    return caught.value.error


def test_instances_become_rows_of_the_types_that_training_has() -> None:
    frame = frame_of([GOOD, {**GOOD, "km": None, "stops": None}], COLUMNS)
    features = [column for column in COLUMNS if column.is_feature]
    assert {name: str(kind) for name, kind in frame.dtypes.items()} == {each.name: dtype(each) for each in features}
    assert frame["at"][0] == pd.Timestamp("2013-03-01T10:00:00Z") and frame["km"].isna().tolist() == [False, True]


def test_a_nullable_field_may_be_absent_from_every_instance() -> None:
    few = {name: value for name, value in GOOD.items() if name not in ("km", "stops")}
    assert frame_of([few], COLUMNS)[["km", "stops"]].isna().all(axis=None)


def test_a_key_and_the_target_may_be_there_and_are_not_looked_at() -> None:
    assert list(frame_of([{**GOOD, "id": 7, "fare": "?"}], COLUMNS)) == list(GOOD)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("seats", "2", 'seats is "2", but it takes a whole number'),
        ("seats", 2.5, "seats is 2.5, but it takes a whole number"),
        ("seats", True, "seats is true, but it takes a whole number"),
        ("seats", 9, "seats is 9, over 8"),
        ("seats", 10**30, "but it takes a whole number"),
        ("seats", None, "seats is null"),
        ("km", -0.1, "km is -0.1, under 0.0"),
        ("km", "far", 'km is "far", but it takes a number'),
        ("km", float("inf"), "but it takes a number"),
        ("km", 10**400, "but it takes a number"),
        ("late", 1, "late is 1, but it takes true or false"),
        ("airport", 5, "airport is 5, but it takes a string"),
        ("airport", "LGA", 'airport is "LGA"; allowed: JFK, EWR'),
        ("at", "01/02/2013", 'at is "01/02/2013", but it takes a time in ISO form'),
        ("at", 1362132000, "but it takes a time in ISO form"),
        ("at", "2013-02-30", "but it takes a time in ISO form"),
        ("at", "2009-12-31T23:59:59Z", 'at is "2009-12-31T23:59:59Z", under 2010-01-01'),
        ("at", "2031-01-01", "over 2030-12-31"),
        ("at", "2030-12-31T23:00:00-05:00", "over 2030-12-31"),
        ("speed", 1, 'has an unknown field "speed"'),
    ],
)
def test_a_value_that_breaks_the_contract_is_named_with_its_instance(field: str, value: Any, said: str) -> None:
    error = refusal([GOOD, {**GOOD, field: value}])
    assert said in error and error.startswith("instance 2")


def test_a_missing_field_is_named() -> None:
    assert refusal([{name: value for name, value in GOOD.items() if name != "late"}]) == "instance 1: late is missing."


def test_many_faults_are_told_in_part_and_counted() -> None:
    error = refusal([{**GOOD, "seats": 0}] * 9)
    assert error.count("seats is 0, under 1") == 5 and error.endswith("And 4 more.")


def test_a_whole_number_may_be_written_as_pandas_does() -> None:
    assert frame_of([{**GOOD, "seats": 2.0}], COLUMNS)["seats"].tolist() == [2]


NEW_YORK = Column("at", TIMESTAMP, zone="America/New_York")
KAGGLE = Column("at", TIMESTAMP, zone="America/New_York", format="%Y-%m-%d %H:%M:%S UTC")


@pytest.mark.parametrize(
    ("column", "text", "hour"),
    [
        (NEW_YORK, "2013-01-01T00:00:00", 5),
        (NEW_YORK, "2013-07-01 00:00", 4),
        (NEW_YORK, "2013-01-01T00:00:00-01:00", 1),
        (NEW_YORK, "2013-01-01", 5),
        # Twice at 01:30 that night, and never at 02:30 this one.
        (NEW_YORK, "2013-11-03 01:30", 6),
        (NEW_YORK, "2013-03-10 02:30", 7),
        (KAGGLE, "2013-01-01 00:00:00 UTC", 5),
        (KAGGLE, "2013-01-01T00:00:00Z", 0),
    ],
)
def test_a_time_without_an_offset_is_by_the_columns_clocks(column: Column, text: str, hour: int) -> None:
    found = moment(text, column)
    assert found is not None and found.tzinfo is UTC
    assert found.hour == hour


@pytest.mark.parametrize("text", ["2013-01-01 00:00:00", "2013-01-01", "noon", "", "2013-13-01T00:00:00Z"])
def test_beside_a_declared_form_only_iso_with_an_offset_is_a_time(text: str) -> None:
    assert moment(text, KAGGLE) is None


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:00:00-05:00", "\uff12013-01-01"])
def test_a_time_beyond_the_calendar_is_none(text: str) -> None:
    assert moment(text, NEW_YORK) is None


def test_a_moment_with_nine_digits_is_read() -> None:
    assert moment("2013-01-01T00:00:00.123456789Z", NEW_YORK) == datetime(2013, 1, 1, 0, 0, 0, 123456, UTC)


def test_the_last_day_of_a_column_belongs_to_it() -> None:
    assert len(frame_of([{**GOOD, "at": "2030-12-31T23:59:59Z"}], COLUMNS)) == 1


TEXTS = [
    f"{day}{between}{clock}{offset}"
    for day in ("2013-01-01", "2013-03-10", "2013-11-03", "2013-02-30", "2013-1-1", "20130101")
    for between, clock in (
        (" ", "02:30:00"),
        ("T", "01:30"),
        ("T", "01:30:15.5"),
        ("t", "01:30"),
        ("", ""),
        ("  ", "1:30"),
    )
    for offset in ("", "Z", "z", " UTC", "+05", "-0530", "+05:30", " +05:30", "+05:30:15", "-14:00", "+5")
]


@pytest.mark.parametrize("column", [NEW_YORK, KAGGLE, Column("at", TIMESTAMP)], ids=["zone", "form", "utc"])
def test_a_request_reads_a_time_as_a_file_does(column: Column, tmp_path: Path) -> None:
    column = replace(column, event_time=True)
    spec = ModelSpec(
        title="Times",
        columns=[column, Column("nth", INT64, row_key=True), Column("y", FLOAT64, target=True)],
        pipeline=lambda params: None,
        metric=MAE,
        max_rejected_share=1.0,
        max_repeated_share=1.0,
        min_rows=1,
    )
    file = tmp_path / "times.csv"
    file.write_text("at,nth,y\n" + "".join(f'"{text}",{nth},{nth}\n' for nth, text in enumerate(TEXTS)))
    cleaned = clean(Source.on_disk(file), file.name, spec, drop="d", generation=1, into=tmp_path)
    read = pq.read_table([*cleaned.rows_files]).to_pandas().set_index("nth")["at"].to_dict()
    asked = {nth: found for nth, text in enumerate(TEXTS) if (found := moment(text, column)) is not None}
    differing = [
        (TEXTS[nth], read.get(nth), asked.get(nth)) for nth in {*read, *asked} if read.get(nth) != asked.get(nth)
    ]
    assert not differing and read


def test_a_request_is_json_with_a_list_of_objects() -> None:
    assert instances_of(b'{"instances": [{"a": 1}], "parameters": {}}') == [{"a": 1}]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b'{"instances": [{"a": NaN}]}', "NaN is no number in JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", 'has no "instances"'),
        (b'{"rows": []}', 'has no "instances"'),
        (b'{"instances": []}', "at least one instance"),
        (b'{"instances": {"a": 1}}', "at least one instance"),
        (b'{"instances": [{}, 5]}', "instance 2 is no object"),
        (b'{"instances": [{}], "version": 3}', 'has "version", which means nothing here'),
    ],
)
def test_another_body_is_refused_with_a_sentence(body: bytes, said: str) -> None:
    assert said in refused_body(body)


def test_too_many_instances_are_refused() -> None:
    body = json.dumps({"instances": [{}] * (MOST_INSTANCES + 1)}).encode()
    assert "10,001 instances; at most 10,000" in refused_body(body)
