"""What becomes of a drop, as Parquet in parts of bounded size: its good rows, and those that were kept aside."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from shared.contract.ahead import Behind
from shared.contract.keys import own
from shared.contract.spec import BOOL, FLOAT64, INT64, STRING, TIMESTAMP, ModelSpec

if TYPE_CHECKING:
    import pyarrow as pa

ROWS, REJECTS = "rows", "rejects"
# On the disk are at most two: one that is written, and one that is handed over.
PART_BYTES = 8 * 2**20
HandOver = Callable[[Path], None]
# Dictionaries of what hardly repeats cost half of the writing and save nothing.
_REPEATING = {"_drop", "_generation", "reason"}
# It is read once, minutes later: a quarter less of it is not worth half as much work again.
_COMPRESSION = "snappy"


def parts(what: str) -> str:
    """The names of all parts, as a pattern."""
    return f"{what}-*.parquet"


def rows_schema(spec: ModelSpec) -> pa.Schema:
    """The warehouse's columns, in its order and types."""
    import pyarrow as pa

    arrow = {
        STRING: pa.string(),
        INT64: pa.int64(),
        FLOAT64: pa.float64(),
        BOOL: pa.bool_(),
        TIMESTAMP: pa.timestamp("us", "UTC"),
    }
    types = {column.name: column.type for column in spec.columns} | own(spec)
    return pa.schema([(name, arrow[kind]) for name, kind in types.items()])


def rejects_schema() -> pa.Schema:
    """As the warehouse keeps rejected rows."""
    import pyarrow as pa

    kept = [("_drop", pa.string()), ("_generation", pa.int64()), ("line", pa.int64())]
    return pa.schema([*kept, ("raw", pa.string()), ("reason", pa.string())])


class Output:
    """Parquet that grows by blocks, each of which another thread writes while the next one is judged.

    Attributes:
        files: its parts, at least one, once it is closed; those that were handed over may be gone.
    """

    def __init__(
        self, folder: Path, what: str, schema: pa.Schema, same: Mapping[str, str | int], hand_over: HandOver | None
    ) -> None:
        """Of a kind of rows; `same` are the values of columns in which all rows agree."""
        self._folder, self._what, self._schema, self._same = folder, what, schema, same
        self._hand_over = hand_over or _keep
        self._writing, self._handing = Behind(), Behind()
        self.files: list[Path] = []

    def write(self, rows: pa.Table) -> None:
        """Add rows of the drop; columns that the file does not have are left out."""
        if rows.num_rows:
            self._writing.start(self._write, rows)

    def _write(self, rows: pa.Table) -> None:
        if self.files[-1].stat().st_size >= PART_BYTES:
            self._end()
            self._begin()
        self._writer.write_table(self._complete(rows))

    def _complete(self, rows: pa.Table) -> pa.Table:
        """With what is the same in all of them, which takes no time as a dictionary of one value."""
        import numpy as np
        import pyarrow as pa

        first = pa.array(np.zeros(rows.num_rows, np.int32))
        same = {name: pa.DictionaryArray.from_arrays(first, pa.array([value])) for name, value in self._same.items()}
        columns = [same.get(field.name) or rows.column(field.name).cast(field.type) for field in self._schema]
        return pa.table(columns, self._schema.names)

    def _begin(self) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        types = {f.name: pa.dictionary(pa.int32(), f.type) if f.name in self._same else f.type for f in self._schema}
        self.files.append(self._folder / f"{self._what}-{len(self.files):05}.parquet")
        self._writer = parquet.ParquetWriter(
            self.files[-1],
            pa.schema(list(types.items())),
            compression=_COMPRESSION,
            write_statistics=False,
            use_dictionary=[name for name in types if name in _REPEATING],
            # The types are the warehouse's, in which there is no dictionary.
            store_schema=False,
        )

    def _end(self) -> None:
        """Close a part: only then is it a Parquet file."""
        self._writer.close()
        self._handing.start(self._hand_over, self.files[-1])

    @contextmanager
    def opened(self) -> Iterator[Output]:
        """Until the block is left, and everything was handed over; after an error what is open goes to nobody."""
        self._begin()
        try:
            with self._handing, self._writing:
                yield self
                self._writing.finish()
                self._end()
        finally:
            self._writer.close()


def _keep(part: Path) -> None:
    """Leave it where it is."""
