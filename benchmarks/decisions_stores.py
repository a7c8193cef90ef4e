"""The stores of one lifecycle in memory, so that a thousand lifecycles can be lived through in minutes.

They answer what the adapters answer and decide nothing: which rows are held out, on which drops versions are judged and
what is decided is said by the functions and by the worker themselves, which run on these stores unchanged. A world can
be copied, so that several futures follow from one past: what is stored is replaced, never changed in place.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from math import isnan
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.decisions_registry import LONG_AGO, Versions
from shared.adapters.warehouse_drops import Account
from shared.adapters.warehouse_training import EVERY, FIRST_TRAINED
from shared.adapters.warehouse_versions import DataVersion, Window
from shared.contract import keys
from shared.contract.spec import ROWS, ModelSpec
from shared.lifecycle.services import Services
from shared.settings import Settings

NAMED = Settings(project="decisions", landing_bucket="landing", quarantine_bucket="quarantine", state_bucket="state")


@dataclass
class Objects:
    """A bucket whose writes have preconditions."""

    bodies: dict[str, tuple[str, int]] = field(default_factory=dict)

    def create(self, bucket: str, name: str, body: dict[str, Any]) -> int | None:
        return self.replace(bucket, name, body, generation=0)

    def replace(self, _: str, name: str, body: dict[str, Any], *, generation: int) -> int | None:
        if self.bodies.get(name, ("", 0))[1] != generation:
            return None
        self.bodies[name] = json.dumps(body), generation + 1
        return generation + 1

    def delete(self, _: str, name: str, *, generation: int | None = None) -> None:
        if generation in (None, self.bodies.get(name, ("", 0))[1]):
            self.bodies.pop(name, None)

    def read(self, _: str, name: str) -> tuple[dict[str, Any], int] | None:
        there = self.bodies.get(name)
        return (json.loads(there[0]), there[1]) if there else None

    def names(self, _: str, prefix: str) -> list[str]:
        return sorted(name for name in self.bodies if name.startswith(prefix))

    def objects(self, _: str, prefix: str) -> list[tuple[str, int, datetime]]:
        """Of drops that have landed; here none is on its way."""
        return [(name, 1, LONG_AGO) for name in self.names("", prefix)]


@dataclass
class Rows:
    """A warehouse: the rows of drops, their accounts, and scores."""

    frames: dict[str, pd.DataFrame] = field(default_factory=dict)
    known: list[Account] = field(default_factory=list)
    scores: dict[tuple[Any, ...], dict[str, Any]] = field(default_factory=dict)

    def swap(self, model: str, spec: ModelSpec, drop: str, rows: pd.DataFrame) -> Account:
        """Take a drop in, numbered as cleaning does it."""
        key = rows["_row_key"] if "_row_key" in rows else rows[spec.row_key[0].name]
        kept = rows.assign(_drop=drop, _generation=len(self.known) + 1, _row_key=key)
        kept = kept.assign(**_numbers(kept["_row_key"])).sort_values([spec.event_time.name, "_row_key"])
        times = kept[spec.event_time.name]
        account = Account(
            model=model,
            drop=drop,
            generation=len(self.known) + 1,
            outcome="prepared",
            rows=len(kept),
            accepted=len(kept),
            rejected=0,
            duplicate=0,
            first_event=times.min().to_pydatetime(),
            last_event=times.max().to_pydatetime(),
            prepared_at=LONG_AGO,
        )
        self.frames = {**self.frames, drop: kept.reset_index(drop=True)}
        self.known = [*self.known, account]
        return account

    def withdraw(self, _: str, drop: str, *, withdrawn: bool = True, generation: int | None = None) -> None:
        self.known = [
            replace(each, withdrawn=withdrawn) if each.drop == drop and generation in (None, each.generation) else each
            for each in self.known
        ]

    def prepare(self, model: str, spec: ModelSpec) -> None:
        """Nothing is to be made."""

    def account(self, _: str, drop: str, generation: int | None = None) -> Account | None:
        return next((each for each in self.known if each.drop == drop), None)

    def accounts(self, _: str) -> list[Account]:
        return sorted(self.known, key=lambda each: (each.last_event, each.drop), reverse=True)

    def read_drop(
        self,
        model: str,
        spec: ModelSpec,
        drop: str,
        *,
        generation: int | None = None,
        unseen_by: Sequence[DataVersion] = (),
        most_rows: int | None = None,
    ) -> pd.DataFrame:
        rows = self.frames[drop]
        # No two drops here share a key, so that a drop was learned from as a whole.
        is_seen = any(drop in version.drop_names for version in unseen_by)
        return _smallest(rows[rows["_holdout"] < FIRST_TRAINED] if is_seen else rows, most_rows)

    def groups(
        self, model: str, spec: ModelSpec, accounts: Sequence[Account], *, version: DataVersion | None = None
    ) -> dict[str, set[Any]]:
        frames = {each.drop: self.frames[each.drop] for each in accounts}
        below = FIRST_TRAINED if version else EVERY
        return {drop: _groups(spec, rows[rows["_holdout"] < below]) for drop, rows in frames.items()}

    def data_version(
        self, model: str, spec: ModelSpec, *, request: str, rows: str = "all", window: Window | None = ()
    ) -> DataVersion:
        known = [each for each in self.known if not each.withdrawn]
        there = self._current(each.drop for each in known)
        trainable, times = int((there["_holdout"] >= FIRST_TRAINED).sum()), there[spec.event_time.name]
        return DataVersion(
            model=model,
            timestamp=LONG_AGO.isoformat(),
            window_from=None,
            window_to=None,
            selection=rows,
            rows=len(there),
            train_rows=min(trainable, ROWS[rows] or trainable),
            first_event=times.min().isoformat(),
            last_event=times.max().isoformat(),
            digest=f"{len(there):x}",
            snapshot=request,
            drops=tuple((each.drop, each.generation) for each in known),
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
        there = self._current(version.drop_names)
        is_held_out = there["_holdout"] < FIRST_TRAINED
        if held_out:
            return _smallest(there[is_held_out & there["_drop"].isin(drops or version.drop_names)], most_rows)
        return _smallest(there[~is_held_out], ROWS[version.selection])

    def append_evaluations(self, rows: list[dict[str, Any]]) -> None:
        kept = [
            {"slice": None, **row, "value": _or_null(row["value"]), "skill": _or_null(row.get("skill"))} for row in rows
        ]
        self.scores = self.scores | {(row["drop"], row["version"], row["slice"]): row for row in kept}

    def evaluations(self, model: str, drop: str | None = None) -> list[dict[str, Any]]:
        return list(self.scores.values())

    def _current(self, drops: Iterable[str]) -> pd.DataFrame:
        return pd.concat([self.frames[drop] for drop in drops], ignore_index=True)


class InMemory(Services):
    """What the functions and the worker are given."""

    def __init__(self) -> None:
        super().__init__(NAMED)
        self.rows = Rows()
        # Set beforehand, a cached property is never asked for the real one.
        vars(self).update(storage=Objects(), warehouse=self.rows, registry=Versions())

    def copy(self) -> InMemory:
        """The same past, and a future of its own."""
        other = InMemory()
        other.rows = copy.copy(self.rows)
        registry, storage = copy.copy(vars(self)["registry"]), Objects(dict(vars(self)["storage"].bodies))
        vars(other).update(storage=storage, warehouse=other.rows, registry=registry)
        return other


def _numbers(row_keys: pd.Series) -> dict[str, np.ndarray]:
    """What decides about hold-out and samples, by the contract's own SQL."""
    connection = _duckdb()
    connection.register("keyed", pd.DataFrame({"_row_key": row_keys.astype(object)}))
    sql = f"SELECT {keys.holdout()} AS _holdout, {keys.sample()} AS _sample FROM keyed"
    return dict(connection.execute(sql).fetchnumpy())


def _groups(spec: ModelSpec, rows: pd.DataFrame) -> set[Any]:
    if spec.group:
        return {*rows[spec.group]}
    local = rows[spec.event_time.name].dt.tz_convert(spec.event_time.zone).dt.tz_localize(None)
    return {*local.dt.floor("D").unique()}


@cache
def _duckdb() -> Any:
    import duckdb

    return duckdb.connect()


def _smallest(rows: pd.DataFrame, most: int | None) -> pd.DataFrame:
    return rows.nsmallest(most, "_sample").sort_index() if most else rows


def _or_null(value: float | None) -> float | None:
    return None if value is None or isnan(value) else value
