"""One type per column, whether or not this batch happens to hold a null: a pipeline gets what it was fitted on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from shared.contract.spec import BOOL, FLOAT64, INT64, STRING, TIMESTAMP, Column

if TYPE_CHECKING:
    import pandas as pd

_DTYPES = {STRING: "str", INT64: "int64", FLOAT64: "float64", BOOL: "bool", TIMESTAMP: "datetime64[us, UTC]"}


def dtype(column: Column) -> str:
    """The pandas type; whole numbers and truth values that may be null are float64, since only that knows NaN."""
    return "float64" if column.nullable and column.type in (INT64, BOOL) else _DTYPES[column.type]


def typed(frame: pd.DataFrame, columns: Iterable[Column]) -> pd.DataFrame:
    """The frame with the columns' types; columns that are not named stay as they are."""
    return frame.astype({column.name: dtype(column) for column in columns})
