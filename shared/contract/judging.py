"""Blocks of rows through DuckDB: every row read, checked, and given its key and its numbers."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.contract import keys
from shared.contract.checks import Reading, holds, reasons, value
from shared.contract.refusal import Refusal, shown
from shared.contract.spec import STRING, Column, ModelSpec

if TYPE_CHECKING:
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
    """Knows a contract and how this file's values are read.

    Of a row that is no good it may say more than is so, and nothing that is used: only `exactly` tells what is wrong.
    """

    def __init__(self, connection: DuckDBPyConnection, spec: ModelSpec, readings: Mapping[str, Reading]) -> None:
        self.connection, self._spec = connection, spec
        self._readings = readings

    def another(self) -> Judge:
        """One that knows the same, for another thread: a connection runs one query at a time."""
        return Judge(_in_utc(self.connection.cursor()), self._spec, self._readings)

    def key_hashes(self, rows: pa.Table) -> pa.ChunkedArray:
        """A number for each key of a block, for this run only."""
        read = self._read(keys.key_columns(self._spec), "rows")
        sql = f"SELECT hash(k) AS h FROM (SELECT {keys.row_key(self._spec)} AS k FROM ({read})) WHERE k IS NOT NULL"
        return self.run(sql, rows=rows).column("h")

    def judged(self, rows: pa.Table) -> pa.Table:
        """The rows as the warehouse has them, in order, with `_ok`, and `_hash` as in `key_hashes`."""
        texts = [column.name for column in self._spec.columns if column.type == STRING]
        judged = self.run(self._judged(self._read(self._spec.columns, "rows"), without=texts), rows=rows)
        # A text is what it was: it need not be copied through DuckDB.
        for name in texts:
            judged = judged.append_column(name, rows.column(name))
        return judged

    def exactly(self, table: str) -> str:
        """SQL of `judged` over a table, with its `_line`, `_raw` and `_reason`: everything that is wrong with a row."""
        extra = f", _line, _raw, {reasons(self._spec)} AS _reason"
        return self._judged(self._read(self._spec.columns, table, exact=True), extra)

    def _judged(self, read: str, extra: str = "", without: Container[str] = ()) -> str:
        readings = [(column, self._readings[column.name]) for column in self._spec.columns]
        keyed = f"SELECT *, {holds(readings)} AS _ok, {keys.row_key(self._spec)} AS _row_key FROM ({read})"
        values = {column.name: f'"__{column.name}"' for column in self._spec.columns}
        values |= {"_row_key": "_row_key"} if self._spec.identity == "_row_key" else {}
        values |= {"_holdout": keys.holdout(), "_sample": keys.sample()}
        columns = [f'{value} AS "{name}"' for name, value in values.items() if name not in without]
        content = ", ".join(f'"__{name}"' for name in self._content())
        marks = f"_ok, hash(_row_key) AS _hash, hash({content}) AS _content"
        return f"SELECT {', '.join(columns)}, {marks}{extra} FROM ({keyed})"

    def _content(self) -> list[str]:
        """What a row says beside its key and its time; everything, if that is nothing."""
        columns = self._spec.columns
        content = [column.name for column in columns if not column.row_key and not column.event_time]
        return content or [column.name for column in columns]

    def rejects(self, rows: pa.Table) -> pa.Table:
        """Rejected rows, which have `_line` and `_raw`, with what is wrong with them."""
        read = self._read(self._spec.columns, "rows", exact=True)
        sql = f"SELECT _line AS line, _raw AS raw, {reasons(self._spec)} AS reason FROM ({read})"
        return self.run(sql, rows=rows)

    def written_out(self, rows: pa.Table) -> pa.ChunkedArray:
        """Each row as one line of text."""
        values = ", ".join(f"""COALESCE(CAST("{column.name}" AS VARCHAR), '')""" for column in self._spec.columns)
        return self.run(f"SELECT concat_ws(',', {values}) AS raw FROM rows", rows=rows).column("raw")

    def run(self, sql: str, *, rows: pa.Table) -> pa.Table:
        """Run SQL over a table called `rows`.

        Raises:
            Refusal: there is a value with which DuckDB cannot deal at all.
        """
        import duckdb

        self.connection.register("rows", rows)
        try:
            return self.connection.execute(sql).to_arrow_table()
        except (duckdb.ConversionException, duckdb.OutOfRangeException, duckdb.InvalidInputException) as error:
            raise Refusal(f"a value cannot be read ({shown(str(error))}).", "Write the file again.") from error
        finally:
            self.connection.unregister("rows")

    def _read(self, columns: Sequence[Column], table: str, *, exact: bool = False) -> str:
        read = [(column, self._readings[column.name]) for column in columns]
        parsed = ", ".join(f'{reading.parsed} AS "{column.name}?"' for column, reading in read)
        values = [(value(column, reading) if exact else reading.value, column.name) for column, reading in read]
        named = ", ".join(f'{sql} AS "__{name}"' for sql, name in values)
        return f"SELECT *, {named} FROM (SELECT *, {parsed} FROM {table})"
