"""Compiles a model's columns to SQL: how each value is read, and what must hold of it, with a reason where it does not.

A block of rows is a table with the file's values under the columns' own names; the values as the contract reads them
stand beside them under `__<name>`. Text is read strictly: `1_000`, `0x1F`, `NaN` and full-width digits are no numbers.
A whole number may be written `1.0` (pandas writes whole numbers with gaps so) but not `1.5`.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.contract.spec import BOOL, FLOAT64, INT64, STRING, TIMESTAMP, Column, ModelSpec

_DATE = r"\d{4}-\d\d-\d\d"
_TIME = r"[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?"
_WITH_OFFSET = rf"{_DATE}{_TIME}(Z|[+-]\d\d(:?\d\d)?)"
_WITHOUT = rf"{_DATE}({_TIME})?"
_KINDS = {INT64: "a whole number", FLOAT64: "a number", BOOL: "true or false", STRING: "a text"}


@dataclass(frozen=True)
class Check:
    """What must hold, in SQL that is never null, and what to say where it does not."""

    holds: str
    reason: str


def literal(value: float | str) -> str:
    """A value out of a model's file for SQL."""
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


def text_value(column: Column) -> str:
    """SQL that reads a text: the value, or null where it cannot be one."""
    text = f'"{column.name}"'
    if column.type == FLOAT64:
        return _finite(f"TRY_CAST({text} AS DOUBLE)", f"NOT contains({text}, '_')")
    if column.type == INT64:
        whole = f"TRY_CAST({text} AS BIGINT) = TRY_CAST({text} AS DOUBLE) AND NOT contains({text}, '_')"
        return f"CASE WHEN {whole} THEN TRY_CAST({text} AS BIGINT) END"
    if column.type == BOOL:
        return f"CASE WHEN lower({text}) IN ('true', '1') THEN true WHEN lower({text}) IN ('false', '0') THEN false END"
    return _time(text, column) if column.type == TIMESTAMP else text


def native_value(column: Column, zoned: bool) -> str:
    """SQL that reads a value which has a type of its own already, as in Parquet.

    Args:
        zoned: whether a time is a moment already; without, it is by the clocks of the column's zone.
    """
    value = f'"{column.name}"'
    if column.type == FLOAT64:
        return _finite(f"TRY_CAST({value} AS DOUBLE)")
    if column.type == INT64:
        whole = f"TRY_CAST({value} AS BIGINT)"
        return f"CASE WHEN {whole} = {value} THEN {whole} END"
    if column.type == TIMESTAMP:
        return _finite(value if zoned else _in_zone(f"CAST({value} AS TIMESTAMP)", column))
    return value


def _finite(value: str, condition: str = "true") -> str:
    return f"CASE WHEN isfinite({value}) AND {condition} THEN {value} END"


def _time(text: str, column: Column) -> str:
    moment = f"CASE WHEN regexp_full_match({text}, '{_WITH_OFFSET}') THEN TRY_CAST({text} AS TIMESTAMPTZ) END"
    if column.format is None:
        local = f"CASE WHEN regexp_full_match({text}, '{_WITHOUT}') THEN TRY_CAST({text} AS TIMESTAMP) END"
        return f"COALESCE({moment}, {_in_zone(local, column)})"
    declared = f"TRY_STRPTIME({text}, {literal(column.format)})"
    declared = declared if "%z" in column.format else _in_zone(declared, column)
    return f"COALESCE({_finite(declared)}, {moment})"


def _in_zone(local: str, column: Column) -> str:
    """A moment from a local time; one that a zone's clocks skip or repeat is read as in winter."""
    if column.zone == "UTC":
        return f"make_timestamptz(epoch_us({local}))"
    return f"timezone({literal(column.zone)}, {local})"


def checks(column: Column) -> list[Check]:
    """Everything that the contract asks of one column's values."""
    text, value = f'"{column.name}"', f'"__{column.name}"'
    found = [] if column.nullable else [Check(f"{text} IS NOT NULL", f"{column.name} is null")]
    found.append(Check(f"({text} IS NULL OR {value} IS NOT NULL)", f"{column.name} is not {_kind(column)}"))
    if column.min is not None:
        found.append(_within(value, ">=", column, column.min, "under"))
    if column.max is not None:
        found.append(_within(value, "<=", column, column.max, "over"))
    if column.allowed:
        among = ", ".join(map(literal, column.allowed))
        found.append(Check(f"COALESCE({value} IN ({among}), true)", f"{column.name} is not one of the allowed values"))
    return found


def _within(value: str, comparison: str, column: Column, limit: float | str, beyond: str) -> Check:
    bound = f"TIMESTAMPTZ {literal(limit)}" if isinstance(limit, str) else literal(limit)
    return Check(f"COALESCE({value} {comparison} {bound}, true)", f"{column.name} is {beyond} {limit}")


def _kind(column: Column) -> str:
    if column.type != TIMESTAMP:
        return _KINDS[column.type]
    form = f"the form {column.format}, nor in ISO form with an offset" if column.format else "ISO form"
    return f"a time in {form}"


def holds(spec: ModelSpec) -> str:
    """SQL that says whether a row keeps the whole contract."""
    return " AND ".join(check.holds for column in spec.columns for check in checks(column))


def reasons(spec: ModelSpec) -> str:
    """SQL that says everything that is wrong with a row; an empty text if nothing is."""
    every = [check for column in spec.columns for check in checks(column)]
    said = ", ".join(f"CASE WHEN NOT ({check.holds}) THEN {literal(check.reason)} END" for check in every)
    return f"concat_ws('; ', {said})"
