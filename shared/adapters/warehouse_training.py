"""Rows for models: those of one drop to be scored, those of a pinned data version to be trained and judged on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from shared.adapters.bigquery import passing, statement
from shared.adapters.warehouse_drops import Account
from shared.adapters.warehouse_tables import Tables
from shared.adapters.warehouse_versions import (
    EARLIEST,
    LATEST,
    DataVersion,
    Window,
    moment_of,
    snapshot_name,
    span_of,
    text_of,
)
from shared.contract.frames import typed
from shared.contract.spec import ROWS, ModelSpec

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

# Rows whose `_holdout` is smaller are held out for ever: one fifth of 0..999999.
FIRST_TRAINED, EVERY = 200_000, 1_000_000
_KEPT = ["_drop", "_generation", "_holdout"]


class Training(Tables):
    """Reads rows as data frames, one type per column, sorted by event time and key."""

    def read_drop(
        self,
        model: str,
        spec: ModelSpec,
        drop: str,
        *,
        generation: int | None = None,
        holdout: bool | None = None,
        unseen_by: Sequence[DataVersion] = (),
        most_rows: int | None = None,
    ) -> pd.DataFrame:
        """The rows of a drop that stand, of any generation unless one is named; held-out ones, others, or all.

        Args:
            unseen_by: leave out the rows that a training on one of these data versions may have seen, whichever drop
                brought them: whose keys are among its own, and not held out.
            most_rows: of more than so many those with the smallest `_sample`: the same ones whoever asks.
        """
        values: dict[str, Any] = {"drop": drop, "earliest": EARLIEST}
        which = f"_drop = @drop AND `{spec.event_time.name}` >= @earliest"
        if generation is not None:
            which, values["generation"] = f"{which} AND _generation = @generation", generation
        if holdout is not None:
            which += f" AND _holdout {'<' if holdout else '>='} {FIRST_TRAINED}"
        key = f"`{spec.identity}`"
        for number, version in enumerate(unseen_by):
            seen = self._pinned(spec, version.snapshot, key, of=f"_{number}")
            which += f" AND (_holdout < {FIRST_TRAINED} OR {key} NOT IN (SELECT {key} FROM ({seen})))"
            there = {**span_of(version), "drops": version.drop_names}
            values |= {f"{name}_{number}": value for name, value in there.items()}
        sql = f"SELECT {_columns(spec)} FROM {self.bigquery.name(f'{model}_rows')} WHERE {which}"
        sql += _smallest(spec, most_rows)
        return _frame(self.bigquery.fetch(sql, **values), spec)

    def groups(
        self, model: str, spec: ModelSpec, accounts: Sequence[Account], *, version: DataVersion | None = None
    ) -> dict[str, set[str | None]]:
        """Of which groups each drop's rows are: event days, or values of the column that the model names.

        No more of a drop are told than the policy wants of all.

        Args:
            version: ask for the held-out rows in its snapshot, else for all rows of now.
        """
        table = self.bigquery.name(version.snapshot if version else f"{model}_rows")
        event_time = f"`{spec.event_time.name}`"
        group = f"`{spec.group}`" if spec.group else f"DATE({event_time}, @zone)"
        below = FIRST_TRAINED if version else EVERY
        sql = statement(
            "groups", table=table, event_time=event_time, group=f"CAST({group} AS STRING)", below=str(below)
        )
        values: dict[str, Any] = {"drops": [each.drop for each in accounts], "most": spec.policy.min_groups}
        values |= {} if spec.group else {"zone": spec.event_time.zone}
        span = {
            "earliest": min((each.first_event for each in accounts if each.first_event), default=EARLIEST),
            "latest": max((each.last_event for each in accounts if each.last_event), default=LATEST),
        }
        found: dict[str, set[str | None]] = {}
        for row in self.bigquery.run(sql, **values, **span):
            found.setdefault(row["_drop"], set()).add(row["group"])
        return found

    def data_version(
        self, model: str, spec: ModelSpec, *, request: str, rows: str = "all", window: Window | None = ()
    ) -> DataVersion:
        """Pin the rows of now for a request; a request that comes again gets the rows that were pinned first.

        (But for drops that were withdrawn in between: those are left out from then on.)

        Args:
            request: names the snapshot.
            rows: `1k`, `200k` or `all`.
            window: from (inclusive) and to (exclusive) of event time, either None, ISO or dates in UTC; or nothing.
        """
        snapshot = snapshot_name(model, request)
        timestamp = self._snapshot(f"{model}_rows", snapshot)
        start, end = window or (None, None)
        span = {"window_from": moment_of(start, EARLIEST), "window_to": moment_of(end, LATEST)}
        drops = self._standing_drops(model, spec, snapshot, span)
        found = self._describe(spec, snapshot, span, [name for name, _ in drops])
        return DataVersion(
            model=model,
            timestamp=timestamp.isoformat(),
            window_from=text_of(span["window_from"] if start else None),
            window_to=text_of(span["window_to"] if end else None),
            selection=rows,
            rows=found["total"],
            train_rows=min(found["trainable"], ROWS[rows] or found["trainable"]),
            first_event=text_of(found["first_event"]),
            last_event=text_of(found["last_event"]),
            digest=_digest(found),
            snapshot=snapshot,
            drops=drops,
        )

    def read_training(
        self,
        version: DataVersion,
        spec: ModelSpec,
        *,
        held_out: bool,
        drops: list[str] | None = None,
        most_rows: int | None = None,
    ) -> pd.DataFrame:
        """The rows of a data version to train on; or the held-out rows to judge on, of some drops if they are named.

        `1k` and `200k` are as many rows with the smallest `_sample`: the same ones whatever else is there. Held-out
        rows of named drops come whole, also outside of the window: nothing was trained on them, and the champion may
        have had another window.
        """
        span = span_of(version)
        if held_out and drops is not None:
            span = {"window_from": EARLIEST, "window_to": LATEST}
        known = sorted({*version.drop_names, *(drops or [])}) if held_out else version.drop_names
        pinned = self._pinned(spec, version.snapshot, _columns(spec, "_sample"))
        values: dict[str, Any] = {**span, "drops": known}
        if not held_out:
            smallest = _smallest(spec, ROWS[version.selection])
            sql = f"SELECT {_columns(spec)} FROM ({pinned}) WHERE _holdout >= {FIRST_TRAINED}{smallest}"
        else:
            sql = (
                f"SELECT {_columns(spec)} FROM ({pinned}) WHERE _holdout < {FIRST_TRAINED} AND _drop IN UNNEST(@judged)"
                + _smallest(spec, most_rows)
            )
            values["judged"] = known if drops is None else drops
        return _frame(self.bigquery.fetch(sql, **values), spec)

    def has_snapshot(self, version: DataVersion) -> bool:
        """Whether the rows of a data version can still be read."""
        from google.api_core.exceptions import NotFound

        try:
            with passing():
                self.bigquery.client.get_table(self.bigquery.path(version.snapshot))
        except NotFound:
            return False
        return True

    def counted_again(self, version: DataVersion, spec: ModelSpec) -> tuple[int, str]:
        """`rows` and `digest` of a data version, as its snapshot has them now.

        Args:
            spec: with the columns of then.
        """
        found = self._describe(spec, version.snapshot, span_of(version), version.drop_names)
        return found["total"], _digest(found)

    def _snapshot(self, table: str, snapshot: str) -> datetime:
        """Make the snapshot, or adopt the one that an earlier attempt made; returns of when it is."""
        from google.api_core.exceptions import NotFound

        def moment() -> datetime:
            with passing():
                there = self.bigquery.client.get_table(self.bigquery.path(snapshot))
            # The emulator knows when it was made, not of when it is: the same, as nothing older is asked for.
            return cast(datetime, getattr(there.snapshot_definition, "snapshot_time", None) or there.created)

        try:
            return moment()
        except NotFound:
            # Made by somebody else in between: a conflict, which passes.
            self.bigquery.run(f"CREATE SNAPSHOT TABLE {self.bigquery.name(snapshot)} CLONE {self.bigquery.name(table)}")
            return moment()

    def _standing_drops(
        self, model: str, spec: ModelSpec, snapshot: str, span: dict[str, datetime]
    ) -> tuple[tuple[str, int], ...]:
        sql = statement(
            "standing_drops",
            snapshot=self.bigquery.name(snapshot),
            drops=self.bigquery.name("drops"),
            event_time=f"`{spec.event_time.name}`",
        )
        return tuple((row["name"], row["generation"]) for row in self.bigquery.run(sql, model=model, **span))

    def _describe(self, spec: ModelSpec, snapshot: str, span: dict[str, datetime], drops: list[str]) -> dict[str, Any]:
        sql = statement(
            "describe",
            pinned=self._pinned(spec, snapshot, _columns(spec)),
            first_trained=str(FIRST_TRAINED),
            event_time=f"`{spec.event_time.name}`",
            digested=", ".join(f"`{column.name}`" for column in spec.columns),
        )
        return self.bigquery.run(sql, **span, drops=drops)[0]

    def _pinned(self, spec: ModelSpec, snapshot: str, columns: str, *, of: str = "") -> str:
        """As `current`, over a snapshot and the drops that stood then; `of` tells several ones' parameters apart."""
        name, event_time = self.bigquery.name(snapshot), f"`{spec.event_time.name}`"
        key = f"`{spec.identity}`"
        return statement("pinned", columns=columns, snapshot=name, event_time=event_time, row_key=key, of=of).strip()


def _smallest(spec: ModelSpec, limit: int | None) -> str:
    """So many rows with the smallest `_sample`: the same ones whatever else is there."""
    return f" ORDER BY _sample, `{spec.identity}` LIMIT {limit:d}" if limit else ""


def _columns(spec: ModelSpec, *others: str) -> str:
    kept = dict.fromkeys([*(column.name for column in spec.columns), *_KEPT, spec.identity, *others])
    return ", ".join(f"`{name}`" for name in kept)


def _frame(table: pa.Table, spec: ModelSpec) -> pd.DataFrame:
    if spec.identity != "_row_key":
        # A frame has it whatever the model's key is; the warehouse does not keep it twice.
        table = table.append_column("_row_key", table.column(spec.identity))
    ordered = table.sort_by([(spec.event_time.name, "ascending"), ("_row_key", "ascending"), ("_drop", "ascending")])
    return typed(ordered.to_pandas(), spec.columns)


def _digest(found: dict[str, Any]) -> str:
    return f"{found['digest']:015x}"
