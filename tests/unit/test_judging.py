"""The quick judgement of a row and the one at length, with its reasons, are the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from shared.contract.checks import text_reading
from shared.contract.judging import Judge, connect
from shared.contract.spec import Column
from tests.unit.cleaning import COLUMNS, GOOD, NAMES, column, spec

ODD = [
    "",
    "0",
    "1",
    "1.5",
    "8",
    "9",
    "-1",
    "nan",
    "inf",
    "-inf",
    "1e999",
    "99999999999999999999",
    "true",
    "yes",
    "Bronx",
]
ODD += ["2013-01-01", "2013-02-30", "2013-03-10 02:30:00", "2013-11-03T01:30:00", "1900-01-01", "2008-12-31 23:59:59"]
ODD += ["2037-12-31 23:59:59", "2038-01-01", "2013-01-01T12:00-0500", "infinity", "epoch", " ", "9999-12-31T00:00:00Z"]
IN_NEW_YORK = column("at", zone="America/New_York")
DECLARED = column("at", zone="America/New_York", format="%Y-%m-%d %H:%M:%S")


def odd_rows() -> pa.Table:
    """Good rows, in each of which one value is an odd one; as a file is read, the empty text is null."""
    good: dict[str, object] = {"id": "r", **GOOD}
    rows = [good | {name: odd or None} for name in NAMES for odd in ODD]
    numbered = [row | {"_line": line, "_raw": ""} for line, row in enumerate(rows)]
    return pa.Table.from_pylist(
        numbered, pa.schema([*((name, pa.string()) for name in NAMES), ("_line", pa.int64()), ("_raw", pa.string())])
    )


@pytest.mark.parametrize(
    "columns",
    [
        COLUMNS,
        IN_NEW_YORK,
        DECLARED,
        [one if one.target or one.event_time else replace(one, nullable=True) for one in COLUMNS],
        [replace(one, min=None, max=None, allowed=()) for one in COLUMNS],
        column("id", row_key=False),
        column("borough", row_key=True),
    ],
    ids=["usual", "zone", "declared", "nullable", "unlimited", "keyless", "two-keys"],
)
def test_a_row_is_good_exactly_if_nothing_is_wrong_with_it(columns: list[Column], tmp_path: Path) -> None:
    asked, rows = spec(columns), odd_rows()
    with connect(tmp_path) as connection:
        judge = Judge(connection, asked, {one.name: text_reading(one) for one in columns})
        quick, at_length = judge.judged(rows), judge.run(judge.exactly("rows"), rows=rows)
    good = [reason == "" for reason in at_length.column("_reason").to_pylist()]
    assert quick.column("_ok").to_pylist() == at_length.column("_ok").to_pylist() == good
    assert any(good)
    assert not all(good)
    for name in [*NAMES, asked.identity, "_holdout", "_sample", "_hash"]:
        assert quick.filter(good).column(name).to_pylist() == at_length.filter(good).column(name).to_pylist()
