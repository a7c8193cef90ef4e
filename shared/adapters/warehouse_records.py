"""What is written down for people: scores of versions on drops, and the log of every event."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from math import isnan
from typing import Any

from shared.adapters.bigquery import statement
from shared.adapters.stories import said, story_of, topic_of
from shared.adapters.warehouse_tables import EVALUATIONS, LOG, Field, Tables, names

_EVALUATION_KEY = ("model", "drop", "generation", "version", "slice", "metric")
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


class Records(Tables):
    """Evaluations and the lifecycle log."""

    def append_evaluations(self, rows: list[dict[str, Any]]) -> None:
        """Write scores; a repeated one (same model, drop, generation, version, slice, metric) replaces the earlier."""
        unique = {tuple(row.get(column) for column in _EVALUATION_KEY): row for row in rows}
        if unique:
            merge = statement(
                "merge_evaluations",
                evaluations=self.bigquery.name("evaluations"),
                fields=_from_json(EVALUATIONS),
                columns=names(EVALUATIONS),
                assignments=", ".join(
                    f"`{column}` = mine.`{column}`" for column, _, _ in EVALUATIONS if column not in _EVALUATION_KEY
                ),
                values=names(EVALUATIONS, "mine."),
            )
            self.bigquery.run(merge, rows=_json(list(unique.values())))

    def evaluations(self, model: str, drop: str | None = None) -> list[dict[str, Any]]:
        """Scores of a model's versions, oldest first."""
        which = "" if drop is None else "AND `drop` = @drop"
        sql = (
            f"SELECT {names(EVALUATIONS)} FROM {self.bigquery.name('evaluations')} WHERE model = @model {which}"
            " ORDER BY evaluated_at, `drop`, version, metric, slice"
        )
        return self.bigquery.run(sql, model=model, **({} if drop is None else {"drop": drop}))

    def append_log(self, rows: list[dict[str, Any]]) -> None:
        """Write messages with the columns of Pub/Sub's BigQuery subscriptions; one that comes twice is read once."""
        if rows:
            select = f"SELECT {_from_json(LOG)} FROM UNNEST(JSON_QUERY_ARRAY(@rows)) AS entry"
            sql = f"INSERT INTO {self.bigquery.name('lifecycle_log')} ({names(LOG)}) {select}"
            self.bigquery.run(sql, rows=_json(rows))

    def log(
        self, model: str | None = None, story: str | None = None, since: datetime | None = None, limit: int = 1_000
    ) -> list[dict[str, Any]]:
        """The newest messages about a model or of a story, oldest first, each once; `data` and `attributes` as text."""
        # SQL looks for the words, Python for their place: JSON functions fail on what somebody published by hand.
        # JSON escapes quotes, and a name's letters or not: both spellings are looked for.
        spelt, escaped = (json.dumps(story or "", ensure_ascii=ascii_)[1:-1] for ascii_ in (False, True))
        wanted = {"model": model or "", "story": story or "", "spelt": spelt, "escaped": escaped}
        sql = statement("log", log=self.bigquery.name("lifecycle_log"), columns=names(LOG))
        rows = self.bigquery.run(sql, **wanted, since=since or _BEGINNING)
        told = [row for row in rows if _is_about(row, model, story)]
        return told[:limit][::-1]


def _is_about(row: dict[str, Any], model: str | None, story: str | None) -> bool:
    data = said(row["data"])
    # Of what the bucket itself says, the object's folder is the model.
    of_model = data.get("model") or str(data.get("name") or "").split("/", 1)[0]
    topic, attributes = topic_of(row["subscription_name"]), said(row["attributes"])
    return model in (None, of_model) and story in (None, story_of(topic, row["data"], attributes, row["message_id"]))


def _json(rows: list[dict[str, Any]]) -> str:
    def plain(value: Any) -> Any:
        if isinstance(value, datetime):
            return value.isoformat()
        # JSON has no NaN; a score that is not defined is null.
        return None if isinstance(value, float) and isnan(value) else value

    return json.dumps([{column: plain(value) for column, value in row.items()} for row in rows])


def _from_json(fields: list[Field]) -> str:
    return ", ".join(f"CAST(JSON_VALUE(entry, '$.{column}') AS {kind}) AS `{column}`" for column, kind, _ in fields)
