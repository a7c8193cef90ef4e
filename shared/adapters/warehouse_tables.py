"""The tables of the warehouse: what they look like, made when missing, widened by nullable columns, else left alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from shared.adapters.bigquery import STAGING_HOURS, BigQuery, identifier, passing, statement
from shared.contract.keys import own
from shared.contract.spec import ModelSpec
from shared.errors import PermanentError
from shared.settings import Settings

if TYPE_CHECKING:
    from google.cloud import bigquery

# (name, type, never null)
Field = tuple[str, str, bool]
REJECTS: list[Field] = [
    ("_drop", "STRING", True),
    ("_generation", "INT64", True),
    ("line", "INT64", False),
    ("raw", "STRING", False),
    ("reason", "STRING", True),
]
DROPS: list[Field] = [
    ("model", "STRING", True),
    ("drop", "STRING", True),
    ("generation", "INT64", True),
    ("outcome", "STRING", True),
    ("rows", "INT64", True),
    ("accepted", "INT64", True),
    ("rejected", "INT64", True),
    ("duplicate", "INT64", True),
    ("first_event", "TIMESTAMP", False),
    ("last_event", "TIMESTAMP", False),
    ("digest", "STRING", False),
    ("ignored_columns", "STRING", False),
    ("reason", "STRING", False),
    ("prepared_at", "TIMESTAMP", True),
    ("withdrawn", "BOOL", True),
]
EVALUATIONS: list[Field] = [
    ("model", "STRING", True),
    ("drop", "STRING", True),
    ("generation", "INT64", True),
    ("version", "INT64", True),
    ("role", "STRING", False),
    ("metric", "STRING", True),
    ("slice", "STRING", False),
    ("value", "FLOAT64", False),
    ("rows", "INT64", False),
    ("baseline", "FLOAT64", False),
    ("skill", "FLOAT64", False),
    ("evaluated_at", "TIMESTAMP", True),
]
# As Pub/Sub's BigQuery subscriptions write it, metadata included.
LOG: list[Field] = [
    ("subscription_name", "STRING", False),
    ("message_id", "STRING", False),
    ("publish_time", "TIMESTAMP", False),
    ("data", "STRING", False),
    ("attributes", "STRING", False),
]
# BigQuery answers with the older names of types.
_MODERN = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}


def row_fields(spec: ModelSpec) -> list[Field]:
    """The columns of a model's rows, in the order in which its Parquet files have them."""
    declared = [(column.name, column.type, not column.nullable) for column in spec.columns]
    return declared + [(name, kind, True) for name, kind in own(spec).items()]


def names(fields: list[Field], prefix: str = "") -> str:
    """Columns for SQL; quoted, since `drop` and `rows` mean something there."""
    return ", ".join(f"{prefix}`{identifier(name)}`" for name, _, _ in fields)


class Tables:
    """Makes a model's tables. All reads and writes of the other parts need them."""

    def __init__(self, settings: Settings) -> None:
        self.bigquery = BigQuery(settings)
        self._prepared: dict[str, list[Field]] = {}

    def prepare(self, model: str, spec: ModelSpec) -> None:
        """Make what is missing of a model: its tables and its function; two questions, once per process and contract.

        Raises:
            PermanentError: the table there differs by more than added nullable columns.
        """
        if self._prepared.get(model) == row_fields(spec):
            return
        if not self._is_ready(model, spec):
            self.prepare_common()
            self._ensure(rejects_table(self.bigquery, model))
            self._ensure(rows_table(self.bigquery, model, spec))
            self.bigquery.run(self._create_current(model, spec))
        self._prepared[model] = row_fields(spec)

    def prepare_common(self) -> None:
        """Make the tables that belong to no model; also for whoever writes before the first drop."""
        for table in common_tables(self.bigquery):
            self._ensure(table)

    def _is_ready(self, model: str, spec: ModelSpec) -> bool:
        """The function is made last: where it stands and reads today's columns, everything before it stands too."""
        from google.api_core.exceptions import NotFound

        try:
            with passing():
                rows = self.bigquery.client.get_table(self.bigquery.path(f"{model}_rows"))
                current = self.bigquery.client.get_routine(self.bigquery.path(f"{model}_current"))
        except NotFound:
            return False
        same = _described(rows) == _described(rows_table(self.bigquery, model, spec))
        return same and (current.body or "").strip() == self.current(model, spec)

    def _ensure(self, wanted: bigquery.Table) -> None:
        from google.api_core.exceptions import NotFound

        with passing():
            try:
                there = self.bigquery.client.get_table(wanted.reference)
            except NotFound:
                # Made by somebody else in between: a conflict, which passes.
                self.bigquery.client.create_table(wanted)
            else:
                self._widen(there, wanted)

    def _widen(self, there: bigquery.Table, wanted: bigquery.Table) -> None:
        refuse_other_changes(there, wanted)
        if not _added(there, wanted):
            return
        for field in _added(there, wanted):
            add = f"ADD COLUMN IF NOT EXISTS `{field.name}` {field.field_type}"
            self.bigquery.run(f"ALTER TABLE {self.bigquery.name(there.table_id)} {add}")
        # The emulator's ALTER TABLE widens the table, but not what the table says of itself.
        there = self.bigquery.client.get_table(there.reference)
        if added := _added(there, wanted):
            there.schema = [*there.schema, *added]
            self.bigquery.client.update_table(there, ["schema"])

    def _create_current(self, model: str, spec: ModelSpec) -> str:
        head = f"CREATE OR REPLACE TABLE FUNCTION {self.bigquery.name(f'{model}_current')}"
        return f"{head}(from_time TIMESTAMP, to_time TIMESTAMP) AS ({self.current(model, spec)})"

    def current(self, model: str, spec: ModelSpec) -> str:
        """The body of `current(from, to)`: per row key the row of the newest drop that is not withdrawn.

        Newest is the drop with the highest generation, which Cloud Storage draws from one clock when the file is
        finished; the name decides a tie. So the order in which drops were processed, or replayed, changes nothing.
        """
        return statement(
            "current",
            columns=names(row_fields(spec)),
            rows=self.bigquery.name(f"{model}_rows"),
            drops=self.bigquery.name("drops"),
            model=identifier(model),
            event_time=f"`{spec.event_time.name}`",
            row_key=f"`{spec.identity}`",
        ).strip()


def rows_table(warehouse: BigQuery, model: str, spec: ModelSpec) -> bigquery.Table:
    """A model's rows: a partition for each day of event time, clustered by drop, never read without a span of days."""
    return _table(warehouse, f"{model}_rows", row_fields(spec), by_day=spec.event_time.name, clustered=["_drop"])


def rejects_table(warehouse: BigQuery, model: str) -> bigquery.Table:
    """The rows that were kept aside, with their reasons."""
    return _table(warehouse, f"{model}_rejects", REJECTS, clustered=["_drop"])


def common_tables(warehouse: BigQuery) -> list[bigquery.Table]:
    """Accounts, evaluations and the log of all models."""
    return [
        _table(warehouse, "drops", DROPS, clustered=["model", "drop"]),
        _table(warehouse, "evaluations", EVALUATIONS, clustered=["model", "drop"]),
        _table(warehouse, "lifecycle_log", LOG, by_day="publish_time", filter_required=False),
    ]


def staging_table(warehouse: BigQuery, name: str, fields: list[Field]) -> bigquery.Table:
    """A table for one attempt, which goes by itself if nobody drops it."""
    # Nullable: a Parquet file says of no column that it is never null, and a load compares what both say.
    table = _table(warehouse, name, [(column, kind, False) for column, kind, _ in fields])
    table.expires = datetime.now(UTC) + timedelta(hours=STAGING_HOURS)
    return table


def _table(
    warehouse: BigQuery,
    name: str,
    fields: list[Field],
    *,
    by_day: str | None = None,
    clustered: list[str] | None = None,
    filter_required: bool = True,
) -> bigquery.Table:
    from google.cloud import bigquery

    modes = {True: "REQUIRED", False: "NULLABLE"}
    schema = [bigquery.SchemaField(column, kind, mode=modes[never_null]) for column, kind, never_null in fields]
    table = bigquery.Table(warehouse.path(name), schema=schema)
    table.clustering_fields = clustered
    if by_day:
        table.time_partitioning = bigquery.TimePartitioning(field=by_day)
        table.require_partition_filter = filter_required
    return table


def _added(there: bigquery.Table, wanted: bigquery.Table) -> list[bigquery.SchemaField]:
    known = {field.name for field in there.schema}
    return [field for field in wanted.schema if field.name not in known]


def _described(table: bigquery.Table) -> dict[str, str]:
    """What a table says of each column: its type and whether it may be null."""
    nullable = {"REQUIRED": " never null", "NULLABLE": "", None: ""}
    return {f.name: _MODERN.get(f.field_type, f.field_type) + nullable.get(f.mode, f" {f.mode}") for f in table.schema}


def refuse_other_changes(there: bigquery.Table, wanted: bigquery.Table) -> None:
    """Only new nullable columns may come.

    Raises:
        PermanentError: names the column, what the table has, and what the model's file says.
    """
    old, new = _described(there), _described(wanted)
    for column in {**old, **new}:
        has, says = old.get(column, "no such column"), new.get(column, "no such column")
        is_added = column not in old and not says.endswith("never null")
        if has != says and not is_added:
            error = f'column "{column}" of table {there.table_id} is {has}, but the file says {says}.'
            raise PermanentError(error, "Only nullable columns can be added; for more, give the model a new name.")
    was, now = _partitioned(there), _partitioned(wanted)
    if was != now:
        error = f"table {there.table_id} is partitioned by {was}, but the file says {now}."
        raise PermanentError(error, "The event time of a model cannot change; give the model a new name.")


def _partitioned(table: bigquery.Table) -> str:
    return table.time_partitioning.field if table.time_partitioning else "nothing"
