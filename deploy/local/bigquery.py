"""bqemulator as it is, but for what costs much and serves nobody here.

It asks the network for DuckDB's avro extension. It packs texts well, and slowly. It rewrites what is in a table
whenever 16 MB have been added, which is each drop. It copies whole tables: for time travel the one that rows are
loaded into, and keeps the copies for a week; for a rollback each one that a transaction touches, so that a drop costs
as much as all those before it. And a staging table, which is read once, is a copy of files that lie on the same disk.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

import duckdb
import sqlglot
from bqemulator.api.dependencies import AppContext
from bqemulator.cli import main
from bqemulator.domain.events import TableDataChanged
from bqemulator.jobs import executor
from bqemulator.scripting import interpreter
from bqemulator.scripting.interpreter import ScriptInterpreter
from bqemulator.storage.engine import DuckDBEngine
from bqemulator.versioning.snapshots import SnapshotManager
from sqlglot import exp

_run, _copy_whole, _restore_whole = (
    DuckDBEngine.execute,
    ScriptInterpreter._snapshot_dml_targets,
    ScriptInterpreter._restore_txn_snapshots,
)
STAGING = re.compile(r'(DROP TABLE IF EXISTS|DELETE FROM) ("[^"]+"\."staging_[^"]+")')


def start_quietly(self: DuckDBEngine) -> None:
    """Where the network swallows packets, asking would hold up every start; what is in the log is as durable.

    To look whether texts would be smaller in FSST takes a seventh of an insertion.
    """
    self.connection.execute("SET checkpoint_threshold = '256MB'")
    self.connection.execute("SET disabled_compression_methods = 'fsst,dict_fsst'")


def tell_of_change(self: SnapshotManager, project_id: str, dataset_id: str, table_id: str) -> None:
    """As it does, without the copy; a snapshot that somebody creates is one all the same."""
    self._events.publish(TableDataChanged(project_id, dataset_id, table_id))


async def remember(self: ScriptInterpreter, sql: str) -> None:
    """What a rollback needs: of rows that are only added where they begin, and a copy as ever where rows change."""
    txn: dict[str, Any] = self._active_txn or {}
    targets = [each for each in interpreter._dml_targets(sql, self._project_id) if each not in txn]
    if not targets or await _changes_rows(self, sql):
        return await _copy_whole(self, sql)
    for target in targets:
        last = self._ctx.engine.execute(f"SELECT MAX(rowid) FROM {target}").fetchone()
        txn[target] = -1 if last is None or last[0] is None else last[0]
    self._active_txn = txn
    return None


async def _changes_rows(self: ScriptInterpreter, sql: str) -> bool:
    statement = sqlglot.parse_one(sql, read="bigquery")
    if isinstance(statement, exp.Insert):
        return False
    where = statement.args.get("where")
    if not isinstance(statement, exp.Delete) or where is None:
        return True
    counting = exp.select("COUNT(*)").from_(statement.this.copy()).where(where.this.copy()).sql("bigquery")
    return bool((await self._run_query(counting)).column(0)[0].as_py())


async def restore(self: ScriptInterpreter) -> None:
    """Take out what was added, and put back what was copied."""
    txn: dict[str, Any] = self._active_txn or {}
    for target, last in txn.items():
        if isinstance(last, int):
            self._ctx.engine.execute(f"DELETE FROM {target} WHERE rowid > {last}")
    self._active_txn = {target: copy for target, copy in txn.items() if not isinstance(copy, int)}
    await _restore_whole(self)


def leave_where_it_is(path: str, target_ref: str, ctx: AppContext) -> None:
    """A staging table is a view of the files that it is loaded from; they stay until it is dropped."""
    if not STAGING.fullmatch(f"DELETE FROM {target_ref}"):
        return executor._load_parquet(path, target_ref, ctx)
    ctx.engine.execute(f"DROP TABLE IF EXISTS {target_ref}")
    quoted = path.replace("'", "''")
    ctx.engine.execute(f"CREATE VIEW {target_ref} AS SELECT * FROM read_parquet('{quoted}')")
    return None


def execute(self: DuckDBEngine, sql: str, parameters: list[Any] | None = None) -> duckdb.DuckDBPyConnection:
    """As it does; what empties or drops a table does that to such a view as well."""
    if staging := STAGING.fullmatch(sql):
        # Of a table DuckDB says that it is no view.
        with suppress(duckdb.CatalogException):
            _run(self, f"DROP VIEW {staging[2]}")
            return _run(self, "SELECT 0")
    return _run(self, sql, parameters)


if __name__ == "__main__":
    # It has no switches for these.
    DuckDBEngine._load_format_extensions = start_quietly  # type: ignore[method-assign]
    DuckDBEngine.execute = execute  # type: ignore[method-assign]
    SnapshotManager.record_change = tell_of_change  # type: ignore[method-assign]
    ScriptInterpreter._snapshot_dml_targets = remember  # type: ignore[method-assign]
    ScriptInterpreter._restore_txn_snapshots = restore  # type: ignore[method-assign]
    executor._LOAD_FORMAT_HANDLERS["PARQUET"] = leave_where_it_is
    main()
