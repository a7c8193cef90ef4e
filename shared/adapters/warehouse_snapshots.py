"""Table snapshots: the rows of each training as they were, until nobody needs them any more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared.adapters.bigquery import passing
from shared.adapters.warehouse_tables import Tables


@dataclass(frozen=True)
class Snapshot:
    """A table snapshot, and when it was made."""

    name: str
    made: datetime


class Snapshots(Tables):
    """Lists snapshots and deletes them; each training makes its own (`data_version`)."""

    def snapshots(self) -> list[Snapshot]:
        """Every table snapshot of the dataset."""
        dataset = self.bigquery.path("any").rpartition(".")[0]
        with passing():
            found = list(self.bigquery.client.list_tables(dataset))
        return [Snapshot(each.table_id, each.created) for each in found if each.table_type == "SNAPSHOT"]

    def drop_snapshot(self, name: str) -> None:
        """Delete one, which may be gone; for a week BigQuery can bring it back."""
        self.bigquery.drop(name)
