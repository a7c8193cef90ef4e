"""Checks instances by a version's own contract, and makes of them the rows that its pipeline was fitted on."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import TYPE_CHECKING, Any

from functions.predict.moments import moment
from shared.contract.frames import typed
from shared.contract.spec import BOOL, FLOAT64, INT64, STRING, TIMESTAMP, Column
from shared.errors import PermanentError

if TYPE_CHECKING:
    import pandas as pd

# Enough to mend a request at once, and not its whole length again.
MOST_FAULTS = 5
_MOST_INT64 = 2**63 - 1
_KINDS = {INT64: "a whole number", FLOAT64: "a number", BOOL: "true or false", STRING: "a string"}


def frame_of(instances: Sequence[dict[str, Any]], columns: Sequence[Column]) -> pd.DataFrame:
    """The instances' features, one type a column, in the contract's order.

    Columns of the contract that are no features (a key, the target) may be there and are not looked at, so that a row
    of a drop can be sent as it is.

    Raises:
        PermanentError: names the instance, its field, and what is wrong with it.
    """
    import pandas as pd

    features = [column for column in columns if column.is_feature]
    faults: list[str] = []
    rows = [_row(number, each, features, columns, faults) for number, each in enumerate(instances, 1)]
    if faults:
        more = f" And {len(faults) - MOST_FAULTS} more." if len(faults) > MOST_FAULTS else ""
        raise PermanentError("; ".join(faults[:MOST_FAULTS]) + f".{more}", _needed(features))
    values = {column.name: [row[column.name] for row in rows] for column in features}
    return typed(pd.DataFrame({name: pd.Series(each, dtype=object) for name, each in values.items()}), features)


def _row(
    number: int, instance: dict[str, Any], features: list[Column], columns: Sequence[Column], faults: list[str]
) -> dict[str, Any]:
    known = {column.name for column in columns}
    faults += [f'instance {number} has an unknown field "{name[:80]}"' for name in instance if name not in known]
    row: dict[str, Any] = {}
    for column in features:
        try:
            row[column.name] = _checked(column, instance)
        except ValueError as error:
            faults.append(f"instance {number}: {column.name} {error}")
    return row


def _checked(column: Column, instance: dict[str, Any]) -> Any:
    if column.name not in instance and not column.nullable:
        raise ValueError("is missing")
    raw = instance.get(column.name)
    if raw is None:
        if column.nullable:
            return None
        raise ValueError("is null")
    value = _READERS[column.type](column, raw)
    _check_limits(column, value, raw)
    return value


def _check_limits(column: Column, value: Any, raw: Any) -> None:
    if column.min is not None and value < _limit(column.min):
        raise ValueError(f"is {_told(raw)}, under {column.min}")
    if column.max is not None and not _is_until(value, column.max):
        raise ValueError(f"is {_told(raw)}, over {column.max}")
    if column.allowed and value not in column.allowed:
        raise ValueError(f"is {_told(raw)}; allowed: {', '.join(map(str, column.allowed))}")


def _is_until(value: Any, bound: float | str) -> bool:
    # The last day belongs to what is allowed, all of it.
    if isinstance(bound, str) and len(bound) == len("2013-01-01"):
        return bool(value < _limit(bound) + timedelta(days=1))
    return bool(value <= _limit(bound))


def _limit(bound: float | str) -> Any:
    if not isinstance(bound, str):
        return bound
    day = datetime.fromisoformat(bound)
    return day if day.tzinfo else day.replace(tzinfo=UTC)


def _number(column: Column, raw: Any) -> float:
    if isinstance(raw, int | float) and not isinstance(raw, bool) and abs(raw) < 1e308 and isfinite(raw):
        return float(raw)
    raise _of_other_type(column, raw)


def _whole(column: Column, raw: Any) -> int:
    # JSON knows one kind of number, and pandas writes whole ones with gaps as 1.0.
    if isinstance(raw, int | float) and not isinstance(raw, bool) and abs(raw) <= _MOST_INT64 and raw == int(raw):
        return int(raw)
    raise _of_other_type(column, raw)


def _truth(column: Column, raw: Any) -> bool:
    if isinstance(raw, bool):
        return raw
    raise _of_other_type(column, raw)


def _text(column: Column, raw: Any) -> str:
    if isinstance(raw, str):
        return raw
    raise _of_other_type(column, raw)


def _time(column: Column, raw: Any) -> datetime:
    if isinstance(raw, str) and (found := moment(raw, column)) is not None:
        return found
    raise _of_other_type(column, raw)


_READERS: dict[str, Callable[[Column, Any], Any]] = {
    FLOAT64: _number,
    INT64: _whole,
    BOOL: _truth,
    STRING: _text,
    TIMESTAMP: _time,
}


def _of_other_type(column: Column, raw: Any) -> ValueError:
    return ValueError(f"is {_told(raw)}, but it takes {_kind(column)}")


def _kind(column: Column) -> str:
    if column.type != TIMESTAMP:
        return _KINDS[column.type]
    return (
        f"a time in the form {column.format}, or in ISO form with an offset" if column.format else "a time in ISO form"
    )


def _told(raw: Any) -> str:
    return json.dumps(raw)[:80]


def _needed(features: list[Column]) -> str:
    named = (f"{column.name} ({_kind(column)}{', or null' if column.nullable else ''})" for column in features)
    return f"An instance has: {', '.join(named)}."
