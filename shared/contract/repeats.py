"""Rows with the same key in one file: found by hashes first, then told apart exactly.

Two passes keep memory flat: the first one keeps 8 bytes for each key, and only the rows whose hash came up more than
once are ever held together.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from shared.contract.checks import reasons
from shared.contract.judging import Judge
from shared.contract.spec import ModelSpec

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

CONFLICT = "another row has the same key and other values"


def repeated(hashes: Iterable[np.ndarray]) -> np.ndarray:
    """The hashes that come more than once, in order."""
    import numpy as np

    every = np.concatenate([*hashes, np.empty(0, np.uint64)])
    every.sort()
    return np.unique(every[1:][every[1:] == every[:-1]])


def among(hashes: pa.ChunkedArray, wanted: np.ndarray) -> np.ndarray:
    """Which of these are among the wanted ones, which are in order; null is not."""
    import numpy as np

    if not len(wanted):
        return np.zeros(len(hashes), bool)
    found = hashes.fill_null(0).to_numpy()
    places = np.minimum(np.searchsorted(wanted, found), len(wanted) - 1)
    return (wanted[places] == found) & ~hashes.is_null().to_numpy()


class Repeats:
    """Rows set aside because their key may come again, until all of them are there."""

    def __init__(self, judge: Judge, spec: ModelSpec) -> None:
        self._judge, self._spec = judge, spec
        self._any = False

    def add(self, rows: pa.Table) -> None:
        """Set rows aside; they have `_line` and `_raw`."""
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
        said = f", _line, _raw, {reasons(self._spec)} AS _reason"
        same = ", ".join(["_row_key", *(f'"{column.name}"' for column in self._spec.columns)])
        copies = f"row_number() OVER (PARTITION BY {same}, CASE WHEN _ok THEN '' ELSE _raw END ORDER BY _line) AS _copy"
        self._judge.run(f"CREATE TABLE told AS SELECT *, {copies} FROM ({self._judge.judged_sql('repeats', said)})")
        self._judge.connection.execute("DROP TABLE repeats")
        rivals = "count(*) FILTER (_ok) OVER (PARTITION BY _row_key) AS _rivals"
        self._judge.run(f"CREATE TABLE settled AS SELECT *, {rivals} FROM told WHERE _copy = 1")
        return len(self._judge.run("SELECT 1 FROM told WHERE _copy > 1").to_arrow_table())

    def accepted(self) -> Iterable[pa.Table]:
        """First copies of good rows that have no rival."""
        return self._tables("SELECT * FROM settled WHERE _ok AND _rivals = 1 ORDER BY _line")

    def rejected(self) -> Iterable[pa.Table]:
        """Rivals, and rows that were no good anyhow."""
        reason = f"CASE WHEN _ok THEN '{CONFLICT}' ELSE _reason END AS reason"
        where = "NOT _ok OR _rivals > 1"
        return self._tables(
            f"SELECT {self._judge.reject_columns()}, {reason} FROM settled WHERE {where} ORDER BY _line"
        )

    def _tables(self, sql: str) -> Iterable[pa.Table]:
        import pyarrow as pa

        if self._any:
            for batch in self._judge.run(sql).to_arrow_reader(2**16):
                yield pa.Table.from_batches([batch])
