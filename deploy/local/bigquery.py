"""bqemulator as it is, but for what costs much and serves nobody here.

It asks the network for DuckDB's avro extension. For time travel it copies a whole table when rows are loaded into it,
and keeps the copies for a week. And it rewrites what is in a table whenever 16 MB have been added, which is each drop.
"""

from __future__ import annotations

from bqemulator.cli import main
from bqemulator.domain.events import TableDataChanged
from bqemulator.storage.engine import DuckDBEngine
from bqemulator.versioning.snapshots import SnapshotManager


def start_quietly(self: DuckDBEngine) -> None:
    """Where the network swallows packets, asking would hold up every start; what is in the log is as durable."""
    self.connection.execute("SET checkpoint_threshold = '256MB'")


def tell_of_change(self: SnapshotManager, project_id: str, dataset_id: str, table_id: str) -> None:
    """As it does, without the copy; a snapshot that somebody creates is one all the same."""
    self._events.publish(TableDataChanged(project_id, dataset_id, table_id))


if __name__ == "__main__":
    # It has no switches for these.
    DuckDBEngine._load_format_extensions = start_quietly  # type: ignore[method-assign]
    SnapshotManager.record_change = tell_of_change  # type: ignore[method-assign]
    main()
