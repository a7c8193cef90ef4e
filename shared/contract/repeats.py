"""Rows with the same key in one file: found by hashes first, then told apart exactly.

Two passes keep memory flat: the first one keeps 8 bytes for each key, and only the rows whose hash came up more than
once are ever held together.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from shared.contract.judging import Judge
from shared.contract.spec import ModelSpec

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

CONFLICT = "another row has the same key and other values"


# So large a piece does not lie among the blocks that come and go, as many small ones would: none of them keeps a place.
_FIRST_HASHES = 2**22


class Hashes:
    """8 bytes for each key of a file, in one piece."""

    def __init__(self) -> None:
        import numpy as np

        self._room, self._count = np.empty(_FIRST_HASHES, np.uint64), 0

    def add(self, hashes: np.ndarray) -> None:
        """Those of some rows."""
        import numpy as np

        end = self._count + len(hashes)
        if end > len(self._room):
            larger = np.empty(max(end, 2 * len(self._room)), np.uint64)
            larger[: self._count] = self._room[: self._count]
            self._room = larger
        self._room[self._count : end] = hashes
        self._count = end

    def repeated(self) -> np.ndarray:
        """Those that come more than once, in order."""
        import numpy as np

        every = self._room[: self._count]
        every.sort()
        return np.unique(every[1:][every[1:] == every[:-1]])


def among(hashes: pa.ChunkedArray, wanted: np.ndarray) -> np.ndarray:
    """Which of these are among the wanted ones; null is not."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.is_in(hashes, pa.array(wanted)).to_numpy()


class Repeats:
    """Rows set aside because their key may come again, until all of them are there."""

    def __init__(self, judge: Judge, spec: ModelSpec) -> None:
        self._judge, self._spec = judge, spec
        self._any = False

    def add(self, rows: pa.Table) -> None:
        """Set rows aside; they have `_line` and `_raw`."""
        if not rows.num_rows:
            return
        self._judge.connection.register("aside", rows)
        make = "INSERT INTO repeats SELECT * FROM aside" if self._any else "CREATE TABLE repeats AS FROM aside"
        self._judge.connection.execute(make)
        self._judge.connection.unregister("aside")
        self._any = True

    def settle(self) -> int:
        """Tell apart first copies, further copies and rivals; the number of further copies, which are duplicates.

        A row's copies agree in key and all values, or, if they are no good, in their text.
        """
        if not self._any:
            return 0
        names = dict.fromkeys([self._spec.identity, *(column.name for column in self._spec.columns)])
        same = ", ".join(f'"{name}"' for name in names)
        copies = f"row_number() OVER (PARTITION BY {same}, CASE WHEN _ok THEN '' ELSE _raw END ORDER BY _line) AS _copy"
        self._run(f"CREATE TABLE told AS SELECT *, {copies} FROM ({self._judge.exactly('repeats')})")
        self._run("DROP TABLE repeats")
        rivals = f'count(*) FILTER (_ok) OVER (PARTITION BY "{self._spec.identity}") AS _rivals'
        self._run(f"CREATE TABLE settled AS SELECT *, {rivals} FROM told WHERE _copy = 1")
        further = self._run("SELECT count(*) FROM told WHERE _copy > 1").fetchall()
        return int(further[0][0])

    def accepted(self) -> Iterable[pa.Table]:
        """First copies of good rows that have no rival."""
        return self._tables("SELECT * FROM settled WHERE _ok AND _rivals = 1 ORDER BY _line")

    def rejected(self) -> Iterable[pa.Table]:
        """Rivals, and rows that were no good anyhow."""
        reason = f"CASE WHEN _ok THEN '{CONFLICT}' ELSE _reason END AS reason"
        which = "NOT _ok OR _rivals > 1 ORDER BY _line"
        return self._tables(f"SELECT _line AS line, _raw AS raw, {reason} FROM settled WHERE {which}")

    def _tables(self, sql: str) -> Iterable[pa.Table]:
        import pyarrow as pa

        if self._any:
            for batch in self._run(sql).to_arrow_reader(2**16):
                yield pa.Table.from_batches([batch])

    def _run(self, sql: str) -> DuckDBPyConnection:
        return self._judge.connection.execute(sql)
