"""A zone's clocks as SQL: how far behind UTC they are changes a few times a year, so asking for every row is waste."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

_SECOND_US = 1_000_000
Change = tuple[int, int]


def moment(local: str, zone: str, first: datetime, last: datetime) -> str:
    """SQL of DuckDB's `timezone(zone, local)`: quick between these two local times, and as slow as that beyond."""
    before, changes = _changes(zone, first, last)
    quick = f"make_timestamptz(epoch_us({local}) + {_behind(local, before, changes)})"
    among = f"{local} BETWEEN TIMESTAMP '{first}' AND TIMESTAMP '{last}'"
    return f"CASE WHEN {among} THEN {quick} ELSE timezone('{zone}', {local}) END"


def _behind(local: str, before: int, changes: list[Change]) -> str:
    """Which offset holds, by halving: a CASE of all changes in turn would take longer."""
    if not changes:
        return str(before)
    middle = len(changes) // 2
    at, then = changes[middle]
    earlier, later = _behind(local, before, changes[:middle]), _behind(local, then, changes[middle + 1 :])
    return f"CASE WHEN epoch_us({local}) < {at} THEN {earlier} ELSE {later} END"


@lru_cache(maxsize=64)
def _changes(zone: str, first: datetime, last: datetime) -> tuple[int, list[Change]]:
    """The offset at first, and from which local time on there is which other one, all in microseconds.

    Every day is asked, and between two days that differ it is halved down to the second, all such days at once.
    """
    import duckdb
    import numpy as np

    with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as connection:

        def behind(times: np.ndarray) -> np.ndarray:
            sql = "SELECT epoch_us(timezone($zone, t)) - epoch_us(t) AS us"
            sql += " FROM (SELECT make_timestamp(unnest($times::BIGINT[])) AS t)"
            found: np.ndarray = connection.execute(sql, {"zone": zone, "times": times.tolist()}).fetchnumpy()["us"]
            return found

        asked = [first + timedelta(days=day) for day in range((last - first).days + 2)]
        days = np.array(asked, "datetime64[us]").astype(np.int64)
        offsets = behind(days)
        changed = np.flatnonzero(offsets[1:] != offsets[:-1])
        low, high, old = days[changed], days[changed + 1], offsets[changed]
        while (high - low > _SECOND_US).any():
            middle = (low + high) // (2 * _SECOND_US) * _SECOND_US
            same = behind(middle) == old
            low, high = np.where(same, middle, low), np.where(same, high, middle)
    return int(offsets[0]), list(zip(high.tolist(), offsets[changed + 1].tolist(), strict=True))
