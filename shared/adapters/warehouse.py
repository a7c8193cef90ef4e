"""The warehouse: the only way of the functions and the worker to BigQuery."""

from __future__ import annotations

from shared.adapters.warehouse_drops import Account, Drops
from shared.adapters.warehouse_records import Records
from shared.adapters.warehouse_snapshots import Snapshots
from shared.adapters.warehouse_tables import REJECTS, row_fields
from shared.adapters.warehouse_training import Training
from shared.adapters.warehouse_versions import DataVersion

__all__ = ["REJECTS", "Account", "DataVersion", "Warehouse", "row_fields"]


class Warehouse(Drops, Training, Snapshots, Records):
    """Rows, rejects, accounts, data versions, snapshots, evaluations and the log of one project's dataset."""
