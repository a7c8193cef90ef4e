"""A zone's clocks, read quickly, are those of DuckDB's own zones."""

from __future__ import annotations

from datetime import datetime

import duckdb
import pytest

from shared.contract.clocks import moment

FIRST, LAST = datetime(2009, 1, 1), datetime(2037, 12, 31)


def different(zone: str, times: str) -> int:
    """How many of these local times are another moment than DuckDB says."""
    quick = moment("t", zone, FIRST, LAST)
    sql = f"SELECT count(*) FROM ({times}) AS r(t) WHERE {quick} IS DISTINCT FROM timezone('{zone}', t)"
    found = duckdb.execute(sql).fetchone()
    assert found
    return int(found[0])


@pytest.mark.parametrize(
    "zone",
    [
        "America/New_York",
        "Australia/Lord_Howe",
        "America/St_Johns",
        "Pacific/Chatham",
        "Pacific/Apia",
        "Africa/Casablanca",
        "Antarctica/Troll",
        "Asia/Kolkata",
    ],
)
def test_every_quarter_of_an_hour_is_the_same_moment_even_where_clocks_skip_or_repeat(zone: str) -> None:
    assert not different(zone, f"FROM range(TIMESTAMP '{FIRST}', TIMESTAMP '{LAST}', INTERVAL 15 MINUTE)")


def test_the_seconds_around_a_change_are_the_same_moments() -> None:
    hours = "range(TIMESTAMP '{0} 00:00:00', TIMESTAMP '{0} 04:00:00', INTERVAL 1 SECOND)"
    for day in ("2013-03-10", "2013-11-03"):
        assert not different("America/New_York", f"FROM {hours.format(day)}")


def test_times_beyond_are_the_same_moments_too() -> None:
    far = ["0001-01-01", "1883-11-18 12:00:00", "1942-02-09 02:30:00", "2050-07-01", "9999-12-31", "infinity"]
    assert not different("America/New_York", f"SELECT unnest({far}::TIMESTAMP[])")
    assert not different("America/New_York", "SELECT NULL::TIMESTAMP")
