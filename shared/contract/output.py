"""The two Parquet files that become of a drop: its good rows, and those that were kept aside."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from shared.contract.keys import OWN
from shared.contract.spec import BOOL, FLOAT64, INT64, STRING, TIMESTAMP, ModelSpec

if TYPE_CHECKING:
    import pyarrow as pa

# Dictionaries of what hardly repeats cost half of the writing and save nothing.
_REPEATING = {"_drop", "_generation", "reason"}


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
    own = dict(zip(OWN, (STRING, INT64, STRING, INT64, INT64), strict=True))
    types = {column.name: column.type for column in spec.columns} | own
    return pa.schema([(name, arrow[kind]) for name, kind in types.items()])


def rejects_schema() -> pa.Schema:
    """As the warehouse keeps rejected rows."""
    import pyarrow as pa

    kept = [("_drop", pa.string()), ("_generation", pa.int64()), ("line", pa.int64())]
    return pa.schema([*kept, ("raw", pa.string()), ("reason", pa.string())])


class Output:
    """A Parquet file that grows by blocks, each of which another thread writes while the next one is judged."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        from pyarrow import parquet

        self._schema = schema
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._pending: Future[None] | None = None
        repeating = [field.name for field in schema if field.name in _REPEATING]
        self._writer = parquet.ParquetWriter(
            path, schema, compression="zstd", compression_level=1, use_dictionary=repeating
        )

    def write(self, rows: pa.Table) -> None:
        """Add rows; columns that the file does not have are left out."""
        if rows.num_rows:
            self._finish()
            self._pending = self._thread.submit(self._write, rows)

    def _write(self, rows: pa.Table) -> None:
        self._writer.write_table(rows.select(self._schema.names).cast(self._schema))

    def _finish(self) -> None:
        if self._pending:
            self._pending.result()
            self._pending = None

    def __enter__(self) -> Output:
        """Open until the block is left."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it: only then is it a Parquet file."""
        with self._thread:
            try:
                self._finish()
            finally:
                self._writer.close()
