"""Drops in the warehouse: their rows are swapped in whole, and each generation has its account."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, Literal

from shared.adapters.bigquery import passing, statement
from shared.adapters.warehouse_tables import DROPS, REJECTS, Field, Tables, names, row_fields, staging_table
from shared.contract.spec import ModelSpec

# What a repeated swap leaves as it is: whether a drop is withdrawn was said of what it holds already.
_LASTING = {"model", "drop", "generation", "withdrawn"}


@dataclass(frozen=True, kw_only=True)
class Account:
    """What became of one generation of a drop: accepted + rejected + duplicate = rows in the file.

    `first_event` and `last_event` span the accepted rows; `digest` is that of the file's bytes.
    """

    model: str
    drop: str
    generation: int
    outcome: Literal["prepared", "refused"]
    rows: int
    accepted: int
    rejected: int
    duplicate: int
    first_event: datetime | None = None
    last_event: datetime | None = None
    digest: str | None = None
    ignored_columns: tuple[str, ...] = ()
    reason: str | None = None
    prepared_at: datetime
    withdrawn: bool = False

    def to_row(self) -> dict[str, Any]:
        """As the table has it."""
        row = {field.name: getattr(self, field.name) for field in fields(self)}
        return {**row, "ignored_columns": json.dumps(self.ignored_columns)}

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Account:
        """As the table gave it."""
        return cls(**{**row, "ignored_columns": tuple(json.loads(row["ignored_columns"] or "[]"))})


class Drops(Tables):
    """Swaps drops in, refuses them, withdraws them, and tells what became of them."""

    def swap(self, model: str, spec: ModelSpec, *, account: Account, rows_uri: str, rejects_uri: str) -> bool:
        """Replace a drop's rows, rejects and account in one transaction; repeating it changes nothing.

        Args:
            account: of the generation that comes in.
            rows_uri: Parquet files with the columns of `row_fields`, in that order.
            rejects_uri: Parquet files with the columns of `REJECTS`, in that order.

        Returns:
            False: a newer generation of the drop is prepared already, and nothing was changed.

        Raises:
            PassingError: the warehouse reports a conflict with somebody else's swap, or is away.
        """
        attempt = _Attempt(self)
        sources = {"rows": (row_fields(spec), rows_uri), "rejects": (REJECTS, rejects_uri)}
        script = statement(
            "swap",
            **self._script_names(model, attempt),
            rows=self.bigquery.name(f"{model}_rows"),
            event_time=f"`{spec.event_time.name}`",
            columns=names(row_fields(spec)),
        )
        return bool(attempt.run(account, sources, script)[0]["swapped"])

    def refuse(self, account: Account, rejects_uri: str | None = None) -> None:
        """Write the account of a refused generation, and its rejects if it has any.

        The rows of an earlier generation stay: a file that cannot be read says nothing about the rows that were.
        """
        attempt = _Attempt(self)
        sources = {"rejects": (REJECTS, rejects_uri)}
        attempt.run(account, sources, statement("refuse", **self._script_names(account.model, attempt)))

    def withdraw(self, model: str, drop: str, *, withdrawn: bool = True, generation: int | None = None) -> None:
        """Take a drop, as it was swapped in so far, out of `current`, or put it back; a new generation is new.

        Args:
            generation: of the drop this one alone.
        """
        which = "model = @model AND `drop` = @drop" + ("" if generation is None else " AND generation = @generation")
        values = {"drop": drop} | ({} if generation is None else {"generation": generation})
        sql = f"UPDATE {self.bigquery.name('drops')} SET withdrawn = @withdrawn WHERE {which}"
        self.bigquery.run(sql, model=model, **values, withdrawn=withdrawn)

    def account(self, model: str, drop: str, generation: int | None = None) -> Account | None:
        """Of that generation, or of the newest one, prepared or refused."""
        which = "`drop` = @drop" + ("" if generation is None else " AND generation = @generation")
        values = {"drop": drop} | ({} if generation is None else {"generation": generation})
        found = self._accounts(f"{which} ORDER BY generation DESC LIMIT 1", model=model, **values)
        return found[0] if found else None

    def accounts(self, model: str) -> list[Account]:
        """Every account of a model, newest data first; those without rows come last."""
        return self._accounts("TRUE ORDER BY last_event DESC NULLS LAST, generation DESC, `drop` DESC", model=model)

    def twin(self, model: str, digest: str, drop: str) -> str | None:
        """Another drop with the same bytes whose rows are in use; the first one, if there are several."""
        which = "digest = @digest AND `drop` != @drop AND outcome = 'prepared' AND NOT withdrawn"
        # A drop whose newest generation has other bytes is no twin any more.
        newest = "QUALIFY ROW_NUMBER() OVER (PARTITION BY `drop` ORDER BY generation DESC) = 1"
        sql = (
            f"SELECT `drop` FROM (SELECT * FROM {self.bigquery.name('drops')}"
            f" WHERE model = @model AND outcome = 'prepared' {newest}) WHERE {which} ORDER BY generation LIMIT 1"
        )
        found = self.bigquery.run(sql, model=model, digest=digest, drop=drop)
        return found[0]["drop"] if found else None

    def rejects(
        self, model: str, drop: str, *, generation: int | None = None, limit: int = 100
    ) -> list[dict[str, Any]]:
        """Rows that were kept aside, with line, raw text and reason, by line; of all generations, or of one."""
        which, values = _of_drop(drop, generation)
        table = self.bigquery.name(f"{model}_rejects")
        sql = f"SELECT {names(REJECTS)} FROM {table} WHERE {which} ORDER BY _generation DESC, line LIMIT @limit"
        return self.bigquery.run(sql, **values, limit=limit)

    def every_reject(self, model: str, drop: str, generation: int) -> Iterator[dict[str, Any]]:
        """All rows of a generation that were kept aside, by line, as they come."""
        which, values = _of_drop(drop, generation)
        sql = f"SELECT {names(REJECTS)} FROM {self.bigquery.name(f'{model}_rejects')} WHERE {which} ORDER BY line"
        return self.bigquery.stream(sql, **values)

    def reject_reasons(self, model: str, drop: str, generation: int) -> dict[str, int]:
        """How many rows of a generation were kept aside for each reason, or for several in one text."""
        which, values = _of_drop(drop, generation)
        table = self.bigquery.name(f"{model}_rejects")
        sql = f"SELECT reason, COUNT(*) AS counted FROM {table} WHERE {which} GROUP BY reason ORDER BY counted DESC"
        return {row["reason"]: row["counted"] for row in self.bigquery.run(sql, **values)}

    def _accounts(self, which: str, **values: Any) -> list[Account]:
        sql = f"SELECT {names(DROPS)} FROM {self.bigquery.name('drops')} WHERE model = @model AND {which}"
        return [Account.from_row(row) for row in self.bigquery.run(sql, **values)]

    def _script_names(self, model: str, attempt: _Attempt) -> dict[str, str]:
        own = [column for column, _, _ in DROPS]
        merge = statement(
            "merge_account",
            drops=self.bigquery.name("drops"),
            staged_account=attempt.name("account"),
            assignments=", ".join(f"`{column}` = mine.`{column}`" for column in own if column not in _LASTING),
            columns=names(DROPS),
            values=names(DROPS, "mine."),
        )
        staged = {f"staged_{what}": attempt.name(what) for what in ("rows", "rejects", "account")}
        return {
            **staged,
            "merge_account": merge.strip(),
            "drops": self.bigquery.name("drops"),
            "rejects": self.bigquery.name(f"{model}_rejects"),
            "reject_columns": names(REJECTS),
        }


def _of_drop(drop: str, generation: int | None) -> tuple[str, dict[str, Any]]:
    if generation is None:
        return "_drop = @drop", {"drop": drop}
    return "_drop = @drop AND _generation = @generation", {"drop": drop, "generation": generation}


class _Attempt:
    """The staging tables of one attempt: nobody else's, so that a repeated load doubles nothing.

    (The emulator, unlike BigQuery, takes the same job id twice: ids alone would not do.)
    """

    def __init__(self, tables: Tables) -> None:
        self._bigquery = tables.bigquery
        self._id = uuid.uuid4().hex

    def name(self, what: str) -> str:
        """For SQL."""
        return self._bigquery.name(self._table(what))

    def run(
        self, account: Account, sources: Mapping[str, tuple[list[Field], str | None]], script: str
    ) -> list[dict[str, Any]]:
        """Stage everything at once, run the script, clear the stage."""
        try:
            with ThreadPoolExecutor() as beside:
                loads = [beside.submit(self._load, what, *source) for what, source in sources.items()]
                self._stage_account(account)
                for load in loads:
                    load.result()
            return self._bigquery.run(script)
        finally:
            self._bigquery.drop(*(self._table(what) for what in [*sources, "account"]))

    def _table(self, what: str) -> str:
        return f"staging_{self._id}_{what}"

    def _load(self, what: str, columns: list[Field], uri: str | None) -> None:
        from google.cloud.bigquery import LoadJobConfig

        table = staging_table(self._bigquery, self._table(what), columns)
        config = LoadJobConfig(
            source_format="PARQUET",
            schema=table.schema,
            create_disposition="CREATE_NEVER",
            write_disposition="WRITE_TRUNCATE",
        )
        with passing():
            self._bigquery.client.create_table(table)
            if uri:
                self._bigquery.client.load_table_from_uri(uri, table, job_config=config).result()

    def _stage_account(self, account: Account) -> None:
        columns = ", ".join(f"CAST(@{column} AS {kind}) AS `{column}`" for column, kind, _ in DROPS)
        create = f"CREATE TABLE {self.name('account')} {self._bigquery.expiring} AS SELECT {columns}"
        self._bigquery.run(create, **replace(account, withdrawn=False).to_row())
