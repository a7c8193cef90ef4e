"""Rows for models: those of one drop to be scored, those of a pinned data version to be trained and judged on."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any, cast

from shared.adapters.bigquery import passing, statement
from shared.adapters.warehouse_tables import Tables
from shared.contract.frames import typed
from shared.contract.spec import ROWS, ModelSpec

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

# Rows whose `_holdout` is smaller are held out for ever: one fifth of 0..999999.
FIRST_TRAINED = 200_000
_KEPT = ["_drop", "_generation", "_row_key", "_holdout"]
_EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
_LATEST = datetime(9999, 12, 31, tzinfo=UTC)
Window = Sequence[str | date | datetime | None]


@dataclass(frozen=True, kw_only=True)
class DataVersion:
    """Which rows a version was trained on, so that they can be read again.

    `snapshot` is a table snapshot of all the model's rows at `timestamp`; `drops` are the (drop, generation) of it that
    were not withdrawn then and have rows in the window. A newer generation or a withdrawal afterwards changes nothing.
    `rows` and `digest` are of all rows in the window, `train_rows` of those that `selection` leaves for training.
    """

    model: str
    timestamp: str
    window_from: str | None
    window_to: str | None
    selection: str
    rows: int
    train_rows: int
    first_event: str | None
    last_event: str | None
    digest: str
    snapshot: str
    drops: tuple[tuple[str, int], ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "drops": [list(drop) for drop in self.drops]}

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> DataVersion:
        """From JSON."""
        return cls(**{**raw, "drops": tuple((name, generation) for name, generation in raw["drops"])})

    @property
    def drop_names(self) -> list[str]:
        return [name for name, _ in self.drops]


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
    ) -> pd.DataFrame:
        """The rows of a drop that stand, of any generation unless one is named; held-out ones, others, or all.

        Args:
            unseen_by: leave out the rows that a training on one of these data versions may have seen, whichever drop
                brought them: whose keys are among its own, and not held out.
        """
        values: dict[str, Any] = {"drop": drop, "earliest": _EARLIEST}
        which = f"_drop = @drop AND `{spec.event_time.name}` >= @earliest"
        if generation is not None:
            which, values["generation"] = f"{which} AND _generation = @generation", generation
        if holdout is not None:
            which += f" AND _holdout {'<' if holdout else '>='} {FIRST_TRAINED}"
        for number, version in enumerate(unseen_by):
            seen = self._pinned(spec, version.snapshot, "_row_key", of=f"_{number}")
            which += f" AND (_holdout < {FIRST_TRAINED} OR _row_key NOT IN (SELECT _row_key FROM ({seen})))"
            there = {**_span(version), "drops": version.drop_names}
            values |= {f"{name}_{number}": value for name, value in there.items()}
        sql = f"SELECT {_columns(spec)} FROM {self.bigquery.name(f'{model}_rows')} WHERE {which}"
        return _frame(self.bigquery.fetch(sql, **values), spec)

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
        span = {"window_from": _moment(start, _EARLIEST), "window_to": _moment(end, _LATEST)}
        drops = self._standing_drops(model, spec, snapshot, span)
        found = self._describe(spec, snapshot, span, [name for name, _ in drops])
        return DataVersion(
            model=model,
            timestamp=timestamp.isoformat(),
            window_from=_text(span["window_from"] if start else None),
            window_to=_text(span["window_to"] if end else None),
            selection=rows,
            rows=found["total"],
            train_rows=min(found["trainable"], ROWS[rows] or found["trainable"]),
            first_event=_text(found["first_event"]),
            last_event=_text(found["last_event"]),
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
        span = _span(version)
        if held_out and drops is not None:
            span = {"window_from": _EARLIEST, "window_to": _LATEST}
        known = sorted({*version.drop_names, *(drops or [])}) if held_out else version.drop_names
        pinned = self._pinned(spec, version.snapshot, _columns(spec) + ", `_sample`")
        values: dict[str, Any] = {**span, "drops": known}
        if not held_out:
            smallest = _smallest(ROWS[version.selection])
            sql = f"SELECT {_columns(spec)} FROM ({pinned}) WHERE _holdout >= {FIRST_TRAINED}{smallest}"
        else:
            sql = (
                f"SELECT {_columns(spec)} FROM ({pinned}) WHERE _holdout < {FIRST_TRAINED} AND _drop IN UNNEST(@judged)"
                + _smallest(most_rows)
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
        found = self._describe(spec, version.snapshot, _span(version), version.drop_names)
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
        return statement("pinned", columns=columns, snapshot=name, event_time=event_time, of=of).strip()


def snapshot_name(model: str, request: str) -> str:
    """A table's name from a request's; what does not fit in it is told apart by a hash."""
    slug = re.sub(r"[^a-z0-9_]", "_", request.lower())[:60]
    if slug != request:
        slug += "_" + hashlib.sha256(request.encode()).hexdigest()[:8]
    return f"{model}_at_{slug}"


def _smallest(limit: int | None) -> str:
    """So many rows with the smallest `_sample`: the same ones whatever else is there."""
    return f" ORDER BY _sample, _row_key LIMIT {limit:d}" if limit else ""


def _columns(spec: ModelSpec) -> str:
    return ", ".join(f"`{name}`" for name in [*(column.name for column in spec.columns), *_KEPT])


def _frame(table: pa.Table, spec: ModelSpec) -> pd.DataFrame:
    ordered = table.sort_by([(spec.event_time.name, "ascending"), ("_row_key", "ascending"), ("_drop", "ascending")])
    return typed(ordered.to_pandas(), spec.columns)


def _moment(value: str | date | datetime | None, default: datetime) -> datetime:
    if value is None:
        return default
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if not isinstance(value, datetime):
        value = datetime.combine(value, time())
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _digest(found: dict[str, Any]) -> str:
    return f"{found['digest']:015x}"


def _span(version: DataVersion) -> dict[str, datetime]:
    return {
        "window_from": _moment(version.window_from, _EARLIEST),
        "window_to": _moment(version.window_to, _LATEST),
    }


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
