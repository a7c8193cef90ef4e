"""What the tests of cleaning share: small files of rides, good and bad, and a contract that they keep or break."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from shared.contract.cleaning import Cleaned, clean
from shared.contract.metrics import MAE
from shared.contract.refusal import Refusal
from shared.contract.source import Source
from shared.contract.spec import BOOL, FLOAT64, INT64, STRING, TIMESTAMP, Column, ModelSpec

DROP, GENERATION = 'rides/it\'s "a" drop.csv', 7
COLUMNS = [
    Column("id", STRING, row_key=True),
    Column("at", TIMESTAMP, event_time=True, min="2009-01-01", max="2037-12-31"),
    Column("seats", INT64, nullable=True, min=0, max=8),
    Column("night", BOOL),
    Column("borough", STRING, allowed=("Bronx", "Queens")),
    Column("fare", FLOAT64, target=True, min=0.01, max=500),
]
NAMES = [column.name for column in COLUMNS]
GOOD = {"at": "2013-01-01T12:00:00Z", "seats": "2", "night": "true", "borough": "Bronx", "fare": "5.5"}
Table = list[dict[str, Any]]


def spec(columns: list[Column] | None = None, **changes: Any) -> ModelSpec:
    """A contract that a file of ten good rows keeps."""
    asked = {"min_rows": 1, "max_rejected_share": 1.0, "max_repeated_share": 1.0} | changes
    return ModelSpec(title="Rides", columns=columns or COLUMNS, pipeline=None, metric=MAE, name="rides", **asked)  # type: ignore[arg-type]


def column(name: str, **changes: Any) -> list[Column]:
    """The columns, one of them changed."""
    return [replace(one, **changes) if one.name == name else one for one in COLUMNS]


def rides(count: int = 10, **changes: str) -> list[dict[str, str]]:
    """Good rows; what is given stands in each of them."""
    return [{"id": f"r{i}", **GOOD, "fare": f"{5 + i}.25", **changes} for i in range(count)]


def text(rows: Iterable[dict[str, str]], names: list[str] = NAMES, end: str = "\n") -> str:
    """Rows as CSV; nothing is quoted."""
    lines = [",".join(names), *(",".join(row[name] for name in names) for row in rows)]
    return "".join(line + end for line in lines)


class Outcome:
    """What became of a file, and what is in the Parquet files."""

    def __init__(self, cleaned: Cleaned) -> None:
        self.cleaned = cleaned
        self.counts = (cleaned.accepted, cleaned.rejected, cleaned.duplicate)
        self.table = parquet.read_table([*cleaned.rows_files])
        self.rows: Table = self.table.to_pylist()
        self.rejects: Table = parquet.read_table([*cleaned.rejects_files]).to_pylist()
        assert cleaned.rows == sum(self.counts)
        assert (len(self.rows), len(self.rejects)) == self.counts[:2]

    @property
    def lines(self) -> list[int]:
        """The lines of the rejected rows."""
        return sorted(reject["line"] for reject in self.rejects)

    @property
    def reasons(self) -> list[str]:
        """Their reasons, by line."""
        return [reject["reason"] for reject in sorted(self.rejects, key=lambda reject: reject["line"])]


class Cleaner:
    """Writes a file and cleans it."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._count = folder, 0

    def __call__(self, content: str | bytes | pa.Table, asked: ModelSpec | None = None, name: str = "a.csv") -> Outcome:
        """Clean a file of this content and name."""
        return Outcome(self.clean(content, asked, name))

    def clean(self, content: str | bytes | pa.Table, asked: ModelSpec | None = None, name: str = "a.csv") -> Cleaned:
        """The same, without reading what came of it."""
        self._count += 1
        into = self._folder / str(self._count)
        into.mkdir()
        file = self._folder / f"file{self._count}"
        if isinstance(content, pa.Table):
            parquet.write_table(content, file)
        else:
            file.write_bytes(content.encode() if isinstance(content, str) else content)
        return clean(Source.on_disk(file), name, asked or spec(), drop=DROP, generation=GENERATION, into=into)

    def refuses(
        self, content: str | bytes | pa.Table, why: str, asked: ModelSpec | None = None, name: str = "a.csv"
    ) -> Refusal:
        """The refusal, which must say this."""
        with pytest.raises(Refusal, match=why) as raised:
            self.clean(content, asked, name)
        refusal = raised.value
        assert refusal.rows == refusal.accepted + refusal.rejected + refusal.duplicate
        return refusal


def as_table(rows: Iterable[dict[str, Any]], **types: pa.DataType) -> pa.Table:
    """Rows with the contract's own types, or others."""
    usual = {"id": pa.string(), "at": pa.timestamp("us", "UTC"), "seats": pa.int64()}
    usual |= {"night": pa.bool_(), "borough": pa.string(), "fare": pa.float64()}
    return pa.Table.from_pylist(list(rows), pa.schema(list((usual | types).items())))


zipped: Callable[[bytes], bytes] = gzip.compress
