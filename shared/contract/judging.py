"""Blocks of rows through DuckDB: every row read, checked, and given its key and its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.contract import keys
from shared.contract.checks import Reading, holds, reasons, value
from shared.contract.refusal import Refusal, shown
from shared.contract.spec import Column, ModelSpec

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

MEMORY = "400MB"


def connect(scratch: Path) -> DuckDBPyConnection:
    """A DuckDB that lives in a bounded memory and writes the rest into `scratch`."""
    import duckdb

    config: dict[str, Any] = {
        "memory_limit": MEMORY,
        "temp_directory": str(scratch),
        "autoinstall_known_extensions": "false",
    }
    return _in_utc(duckdb.connect(config=config))


def _in_utc(connection: DuckDBPyConnection) -> DuckDBPyConnection:
    return connection.execute("SET TimeZone = 'UTC'")


class Judge:
    """Knows a contract and how this file's values are read."""

    def __init__(
        self,
        connection: DuckDBPyConnection,
        spec: ModelSpec,
        readings: Mapping[str, Reading],
        drop: str,
        generation: int,
    ):
        self.connection, self._spec = connection, spec
        self._readings, self._drop, self._generation = readings, drop, generation

    def another(self) -> Judge:
        """One that knows the same, for another thread: a connection runs one query at a time."""
        return Judge(_in_utc(self.connection.cursor()), self._spec, self._readings, self._drop, self._generation)

    def key_hashes(self, rows: pa.Table) -> np.ndarray:
        """A number for each key of a block, for this run only."""
        read = self._read(keys.key_columns(self._spec), "rows")
        sql = f"SELECT hash(k) AS h FROM (SELECT {keys.row_key(self._spec)} AS k FROM ({read})) WHERE k IS NOT NULL"
        return self._run(sql, rows=rows).column("h").to_numpy()

    def judged(self, rows: pa.Table) -> pa.Table:
        """The rows as the warehouse has them, in order, with `_ok`, and `_hash` as in `key_hashes`."""
        return self._run(self.judged_sql("rows"), rows=rows)

    def judged_sql(self, table: str, extra: str = "") -> str:
        """SQL of `judged` over a table; `extra` are more columns of the table or of the contract's reading."""
        read = f"SELECT *, {holds(self._spec)} AS _ok, {keys.row_key(self._spec)} AS _row_key"
        read += f" FROM ({self._read(self._spec.columns, table)})"
        own = {
            "_drop": "CAST($drop AS VARCHAR)",
            "_generation": "CAST($generation AS BIGINT)",
            "_row_key": "_row_key",
            "_holdout": keys.holdout(),
            "_sample": keys.sample(),
        }
        columns = [f'"__{column.name}" AS "{column.name}"' for column in self._spec.columns]
        columns += [f"{own[name]} AS {name}" for name in keys.OWN]
        content = ", ".join(f'"__{name}"' for name in self._content())
        marks = f"_ok, hash(_row_key) AS _hash, hash({content}) AS _content"
        return f"SELECT {', '.join(columns)}, {marks}{extra} FROM ({read})"

    def _content(self) -> list[str]:
        """What a row says beside its key and its time; everything, if that is nothing."""
        columns = self._spec.columns
        content = [column.name for column in columns if not column.row_key and not column.event_time]
        return content or [column.name for column in columns]

    def rejects(self, rows: pa.Table) -> pa.Table:
        """Rejected rows, which have `_line` and `_raw`, as the warehouse has them."""
        read = self._read(self._spec.columns, "rows")
        return self._run(f"SELECT {self.reject_columns()}, {reasons(self._spec)} AS reason FROM ({read})", rows=rows)

    def as_rejects(self, rows: pa.Table) -> pa.Table:
        """Rows with `_line`, `_raw` and a reason, as the warehouse has rejected ones."""
        return self._run(f"SELECT {self.reject_columns()}, reason FROM rows", rows=rows)

    def written_out(self, rows: pa.Table) -> pa.ChunkedArray:
        """Each row as one line of text."""
        values = ", ".join(f"""COALESCE(CAST("{column.name}" AS VARCHAR), '')""" for column in self._spec.columns)
        return self._run(f"SELECT concat_ws(',', {values}) AS raw FROM rows", rows=rows).column("raw")

    def reject_columns(self) -> str:
        """SQL of a rejected row up to its reason."""
        return "CAST($drop AS VARCHAR) AS _drop, CAST($generation AS BIGINT) AS _generation, _line AS line, _raw AS raw"

    def run(self, sql: str) -> DuckDBPyConnection:
        """Run SQL in which `$drop` and `$generation` may stand."""
        wanted = {"drop": self._drop, "generation": self._generation}
        return self.connection.execute(sql, {name: value for name, value in wanted.items() if f"${name}" in sql})

    def _run(self, sql: str, *, rows: pa.Table) -> pa.Table:
        import duckdb

        self.connection.register("rows", rows)
        try:
            return self.run(sql).to_arrow_table()
        except (duckdb.ConversionException, duckdb.OutOfRangeException, duckdb.InvalidInputException) as error:
            raise Refusal(f"a value cannot be read ({shown(str(error))}).", "Write the file again.") from error
        finally:
            self.connection.unregister("rows")

    def _read(self, columns: Sequence[Column], table: str) -> str:
        read = [(column, self._readings[column.name]) for column in columns]
        parsed = ", ".join(f'{reading.parsed} AS "{column.name}?"' for column, reading in read)
        values = ", ".join(f'{value(column, reading)} AS "__{column.name}"' for column, reading in read)
        return f"SELECT *, {values} FROM (SELECT *, {parsed} FROM {table})"
