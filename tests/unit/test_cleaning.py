"""What the contract asks of each row, one promise at a time."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from shared.adapters.warehouse_tables import REJECTS, row_fields
from shared.contract.output import rejects_schema, rows_schema
from shared.contract.spec import FLOAT64, INT64, STRING, Column
from tests.unit.cleaning import COLUMNS, DROP, GENERATION, NAMES, Cleaner, column, rides, spec, text

NOON = datetime(2013, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def clean(tmp_path: Path) -> Cleaner:
    return Cleaner(tmp_path)


def test_a_good_file_is_accepted_whole(clean: Cleaner) -> None:
    outcome = clean(text(rides()))
    assert outcome.counts == (10, 0, 0)
    first = outcome.rows[0]
    assert {name: first[name] for name in NAMES} == {
        "id": "r0",
        "at": NOON,
        "seats": 2,
        "night": True,
        "borough": "Bronx",
        "fare": 5.25,
    }
    assert (first["_drop"], first["_generation"]) == (DROP, GENERATION)
    # A text that is the key already is not written twice.
    assert "_row_key" not in first


def test_the_files_have_the_columns_of_the_warehouse_in_its_order() -> None:
    arrow = {
        "STRING": "string",
        "INT64": "int64",
        "FLOAT64": "double",
        "BOOL": "bool",
        "TIMESTAMP": "timestamp[us, tz=UTC]",
    }
    for schema, fields in ((rows_schema(spec()), row_fields(spec())), (rejects_schema(), REJECTS)):
        assert [(field.name, str(field.type)) for field in schema] == [(name, arrow[kind]) for name, kind, _ in fields]


def test_the_digest_is_of_the_files_bytes_and_the_span_of_the_accepted_rows(clean: Cleaner) -> None:
    rows = [*rides(3), *rides(1, id="late", at="2013-02-01T00:00:00Z"), *rides(1, id="bad", at="2014-01-01", fare="-1")]
    cleaned = clean(text(rows)).cleaned
    assert cleaned.digest == hashlib.sha256(text(rows).encode()).hexdigest()
    assert (cleaned.first_event, cleaned.last_event) == (NOON, datetime(2013, 2, 1, tzinfo=UTC))


def test_a_rejected_row_has_its_line_its_text_and_every_reason(clean: Cleaner) -> None:
    rows = rides(5)
    rows[3] |= {"seats": "9", "fare": "cheap"}
    outcome = clean(text(rows))
    assert outcome.counts == (4, 1, 0)
    [reject] = outcome.rejects
    assert reject == {
        "_drop": DROP,
        "_generation": GENERATION,
        "line": 5,
        "raw": "r3,2013-01-01T12:00:00Z,9,true,Bronx,cheap",
        "reason": "seats is over 8; fare is not a number",
    }
    assert outcome.cleaned.reject_reasons == {"seats is over 8": 1, "fare is not a number": 1}


@pytest.mark.parametrize("value", ["5", " 5.5 ", "+5.5", ".5", "5.", "5e0", "0.01", "500"])
def test_what_is_a_number(clean: Cleaner, value: str) -> None:
    assert clean(text(rides(1, fare=value) + rides(1, id="other", fare="7"))).counts == (2, 0, 0)


@pytest.mark.parametrize(
    "value",
    [
        "NaN",
        "nan",
        "inf",
        "-Infinity",
        "1e400",
        "1_000",
        "0x1F",
        "7.5 USD",
        "$7",
        "\uff14\uff12",
        "1e",
        "n/a",
        "12..5",
        "true",
    ],
)
def test_what_is_no_number(clean: Cleaner, value: str) -> None:
    assert clean(text([*rides(), *rides(1, id="bad", fare=value)])).reasons == ["fare is not a number"]


@pytest.mark.parametrize("value", ["1", "1.0", "001", "0"])
def test_a_whole_number_may_be_written_with_a_point(clean: Cleaner, value: str) -> None:
    outcome = clean(text([*rides(), *rides(1, id="x", seats=value)]))
    assert outcome.rows[-1]["seats"] == float(value)


@pytest.mark.parametrize("value", ["1.5", "99999999999999999999", "0x1", "1_0", "0b1", "one", "NaN"])
def test_what_is_no_whole_number(clean: Cleaner, value: str) -> None:
    assert clean(text([*rides(), *rides(1, id="bad", seats=value)])).reasons == ["seats is not a whole number"]


def test_large_whole_numbers_keep_every_digit(clean: Cleaner) -> None:
    columns = column("seats", min=None, max=None)
    outcome = clean(text([*rides(), *rides(1, id="x", seats="9007199254740993")]), spec(columns))
    assert outcome.rows[-1]["seats"] == 9007199254740993


@pytest.mark.parametrize(("value", "read"), [("true", True), ("FALSE", False), ("1", True), ("0", False)])
def test_what_is_true_or_false(clean: Cleaner, value: str, read: bool) -> None:
    assert clean(text(rides(night=value))).rows[0]["night"] is read


@pytest.mark.parametrize("value", ["yes", "t", "2", "1.0"])
def test_what_is_neither_true_nor_false(clean: Cleaner, value: str) -> None:
    assert clean(text([*rides(), *rides(1, id="bad", night=value)])).reasons == ["night is not true or false"]


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("2013-01-01T12:00:00Z", NOON),
        ("2013-01-01 12:00:00+00", NOON),
        ("2013-01-01T07:00:00-05:00", NOON),
        ("2013-01-01T07:00-0500", NOON),
        ("2013-01-01 12:00Z", NOON),
        ("2013-01-01T12:00:00.000001+0000", NOON.replace(microsecond=1)),
        ("2013-01-01T12:00:00", NOON),
        ("2013-01-01T12:00:00.000001", NOON.replace(microsecond=1)),
        ("2013-01-01", NOON.replace(hour=0)),
    ],
)
def test_times_are_read_in_iso_form(clean: Cleaner, value: str, read: datetime) -> None:
    assert clean(text(rides(at=value))).rows[0]["at"] == read


@pytest.mark.parametrize(
    "value",
    [
        "01/02/2013",
        "2013/01/01",
        "2013-1-1",
        "20130101",
        "1334982642000",
        "2013-02-30T12:00:00Z",
        "2013-01-01 25:00:00",
        "infinity",
        "epoch",
        "now",
        "2013-01-01 12:00:00 America/New_York",
        "1 Jan 2013",
        "2013-02-30T12:00Z",
        "2013-04-31 12:00:00+0000",
    ],
)
def test_other_times_are_never_guessed(clean: Cleaner, value: str) -> None:
    assert clean(text([*rides(), *rides(1, id="bad", at=value)])).reasons == ["at is not a time in ISO form"]


def test_a_time_without_an_offset_is_by_the_clocks_of_its_zone(clean: Cleaner) -> None:
    columns = column("at", zone="America/New_York")
    rows = [*rides(1, at="2013-01-01T07:00:00"), *rides(1, id="s", at="2013-07-01T08:00:00")]
    assert [row["at"] for row in clean(text(rows), spec(columns)).rows] == [NOON, NOON.replace(month=7)]


def test_a_declared_form_is_read_beside_iso_with_an_offset_and_nothing_else(clean: Cleaner) -> None:
    columns = column("at", zone="America/New_York", format="%d.%m.%Y %H:%M")
    rows = [*rides(1, at="01.01.2013 07:00"), *rides(1, id="iso", at="2013-01-01T12:00:00Z")]
    rows += rides(1, id="bad", at="2013-01-01 12:00:00")
    outcome = clean(text(rows), spec(columns))
    assert [row["at"] for row in outcome.rows] == [NOON, NOON]
    assert outcome.lines == [4]


@pytest.mark.parametrize("value", ["infinity", "-Infinity", "epoch", " epoch ", "31.04.2013 07:00", "01.13.2013 07:00"])
def test_a_declared_form_takes_nothing_else(clean: Cleaner, value: str) -> None:
    columns = column("at", format="%d.%m.%Y %H:%M", min=None)
    rows = [*rides(at="01.01.2013 07:00"), *rides(1, id="bad", at=value)]
    assert clean(text(rows), spec(columns)).lines == [12]


def test_the_last_day_is_allowed_to_its_end(clean: Cleaner) -> None:
    rows = [*rides(1, at="2037-12-31T23:59:59Z"), *rides(1, id="over", at="2038-01-01T00:00:00Z")]
    assert clean(text(rows)).reasons == ["at is over 2037-12-31"]


def test_limits_belong_to_what_is_allowed(clean: Cleaner) -> None:
    rows = [
        *rides(1, fare="0.01"),
        *rides(1, id="b", fare="500"),
        *rides(1, id="c", at="2009-01-01"),
        *rides(1, id="d", seats="0"),
    ]
    assert clean(text(rows)).counts == (4, 0, 0)


def test_what_is_beyond_a_limit_is_kept_aside(clean: Cleaner) -> None:
    rows = [
        *rides(),
        *rides(1, id="a", fare="0"),
        *rides(1, id="b", fare="500.01"),
        *rides(1, id="c", at="1899-01-01T00:00Z"),
    ]
    assert clean(text(rows)).reasons == ["fare is under 0.01", "fare is over 500", "at is under 2009-01-01"]


def test_only_allowed_values_are_accepted(clean: Cleaner) -> None:
    rows = [*rides(), *rides(1, id="x", borough="bronx")]
    assert clean(text(rows)).reasons == ["borough is not one of the allowed values"]


def test_the_empty_text_is_null(clean: Cleaner) -> None:
    rows = [*rides(1, seats=""), *rides(1, id="x", fare=""), *rides(1, id="y", borough=""), *rides(1, id="")]
    outcome = clean(text(rows))
    assert outcome.rows[0]["seats"] is None
    assert outcome.reasons == ["fare is null", "borough is null", "id is null"]


def test_other_texts_mean_null_only_where_the_model_says_so(clean: Cleaner) -> None:
    rows = text([*rides(), *rides(1, id="x", seats="NA")])
    assert clean(rows).reasons == ["seats is not a whole number"]
    assert clean(rows, spec(nulls=("NA",))).rows[-1]["seats"] is None


def test_exact_copies_count_once(clean: Cleaner) -> None:
    assert clean(text([*rides(), *rides(4), *rides(2)])).counts == (10, 0, 6)


def test_copies_may_differ_in_how_a_value_is_written(clean: Cleaner) -> None:
    rows = [*rides(1, fare="5.5"), *rides(1, fare="5.50"), *rides(1, fare="5.5", at="2013-01-01T07:00:00-05:00")]
    assert clean(text(rows + rides(1, id="other"))).counts == (2, 0, 2)


def test_copies_of_a_bad_row_are_rejected_once(clean: Cleaner) -> None:
    bad = rides(1, id="bad", fare="-1")
    assert clean(text(rides() + bad + bad + bad)).counts == (10, 1, 2)


def test_one_key_with_two_values_keeps_both_rows_aside(clean: Cleaner) -> None:
    rows = [*rides(), *rides(1, fare="99")]
    outcome = clean(text(rows))
    assert outcome.counts == (9, 2, 0)
    assert outcome.lines == [2, 12]
    assert outcome.reasons == ["another row has the same key and other values"] * 2


def test_a_bad_row_with_the_same_key_does_not_cost_the_good_one(clean: Cleaner) -> None:
    outcome = clean(text([*rides(), *rides(1, fare="-1")]))
    assert (outcome.counts, outcome.reasons) == ((10, 1, 0), ["fare is under 0.01"])


def test_two_keys_with_the_same_hash_are_two_keys(clean: Cleaner) -> None:
    import duckdb

    keys = ["2013-01-05 06:18:19.0140319", "2013-01-05 06:13:19.0147319"]
    # A pair out of a million of generated keys, for which DuckDB's 64 bits do not suffice.
    assert duckdb.execute("SELECT hash(?) = hash(?)", keys).fetchone() == (True,)
    assert clean(text([*rides(), *rides(1, id=keys[0]), *rides(1, id=keys[1])])).counts == (12, 0, 0)


def test_a_key_of_several_columns_is_not_ambiguous(clean: Cleaner) -> None:
    columns = [Column("id", STRING, row_key=True), Column("borough", STRING, row_key=True), *COLUMNS[1:4], COLUMNS[5]]
    rows = [*rides(1, id="a|b", borough="c"), *rides(1, id="a", borough="b|c"), *rides(1, id="a\\", borough="c")]
    outcome = clean(text(rows), spec(columns))
    assert [row["_row_key"] for row in outcome.rows] == [r"a\|b|c", r"a|b\|c", r"a\\|c"]


def test_a_key_of_numbers_and_times_has_one_text_however_it_is_written(clean: Cleaner) -> None:
    columns = [Column("seats", INT64, row_key=True), *COLUMNS[2:0:-1][1:], *COLUMNS[3:]]
    columns[1] = Column("at", "TIMESTAMP", event_time=True, row_key=True)
    rows = [
        *rides(1, seats="2", fare="5"),
        *rides(1, seats="2.0", at="2013-01-01T13:00:00+01:00", fare="5"),
        *rides(1, seats="3"),
    ]
    outcome = clean(text(rows), spec(columns))
    assert outcome.counts == (2, 0, 1)
    assert {row["_row_key"] for row in outcome.rows} == {
        "2|2013-01-01T12:00:00.000000Z",
        "3|2013-01-01T12:00:00.000000Z",
    }


def test_without_a_key_a_row_is_its_own(clean: Cleaner) -> None:
    columns = column("id", row_key=False)
    rows = [*rides(3), *rides(1), *rides(1, fare="9")]
    outcome = clean(text(rows), spec(columns))
    assert outcome.counts == (4, 0, 1)
    assert len({row["_row_key"] for row in outcome.rows}) == 4


def test_a_rows_own_digest_is_the_same_in_every_form_of_file(clean: Cleaner) -> None:
    from tests.unit.cleaning import as_table

    columns = column("id", row_key=False)
    values = {"id": "r0", "at": NOON, "seats": None, "night": True, "borough": "Bronx", "fare": 5.25}
    one = clean(text([*rides(1, seats=""), *rides(1, id="o", fare="6")]), spec(columns)).rows[0]
    other = clean(as_table([values, values | {"fare": 6.0}]), spec(columns), "a.parquet").rows[0]
    assert one["_row_key"] == other["_row_key"]


def test_a_key_decides_about_hold_out_and_samples_for_ever(clean: Cleaner) -> None:
    for row in clean(text(rides(20))).rows:
        digest = hashlib.md5(f"tidewheel:{row['id']}".encode()).digest()
        assert row["_holdout"] == int.from_bytes(digest[:8], "little") % 1_000_000
        assert row["_sample"] == int.from_bytes(digest[8:], "little") % 1_000_000


def test_a_fifth_is_held_out_and_samples_do_not_depend_on_that(clean: Cleaner) -> None:
    import numpy as np

    table = clean(text(rides(20_000, fare="5") + rides(1, id="x"))).table
    held, sampled = (table.column(name).to_numpy() < 200_000 for name in ("_holdout", "_sample"))
    assert held.mean() == pytest.approx(0.2, abs=0.01)
    assert np.corrcoef(held, sampled)[0, 1] == pytest.approx(0, abs=0.03)


def test_quoted_values_may_hold_commas_and_quotes(clean: Cleaner) -> None:
    rows = [*rides(), *rides(1, id='"a, ""b"""')]
    assert clean(text(rows)).rows[-1]["id"] == 'a, "b"'


def test_cells_that_mean_something_elsewhere_are_only_text(clean: Cleaner) -> None:
    keys = [
        "=cmd|' /C calc'!A0",
        "'; DROP TABLE drops;--",
        "<script>alert(1)</script>",
        "{{7*7}}",
        "$drop",
        "../../etc/passwd",
    ]
    rows = [row | {"id": key} for row, key in zip(rides(len(keys)), keys, strict=True)]
    assert [row["id"] for row in clean(text(rows)).rows] == keys


def test_every_type_of_column_has_a_check() -> None:
    assert {one.type for one in COLUMNS} == {STRING, INT64, FLOAT64, "BOOL", "TIMESTAMP"}
    assert pa.types.is_timestamp(rows_schema(spec()).field("at").type)
