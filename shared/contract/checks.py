"""Compiles a model's columns to SQL: how each value is read, and what must hold of it, with a reason where it does not.

A block of rows is a table with the file's values under the columns' own names; the values as the contract reads them
stand beside them under `__<name>`. Text is read strictly: `0x1F`, `NaN` and full-width digits are no numbers. (Nor is
`1_000`, which is seen to where a file is read.) A whole number may be written `1.0` (pandas writes whole numbers with
gaps so) but not `1.5`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.contract import clocks
from shared.contract.spec import BOOL, FLOAT64, INT64, STRING, TIMESTAMP, Column, ModelSpec

_DATE = r"\d{4}-\d\d-\d\d"
_TIME = r"[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?"
_WITH_OFFSET = rf"{_DATE}{_TIME}(Z|[+-]\d\d(:?\d\d)?)"
_WITHOUT = rf"{_DATE}({_TIME})?"
# What DuckDB's cast leaves: no seconds, or an offset without a colon. One by one: in a list it reads 30 February, too.
_RARER = [f"%Y-%m-%d{between}%H:%M{seconds}%z" for between in ("T", " ") for seconds in ("", ":%S", ":%S.%f")]
_PLUS = "regexp_replace({}, 'Z$', '+00')"
_SPECIAL = r"(?i)\s*(-?infinity|epoch)\s*"
# Where a contract does not say when its events can have been; further off, a zone's clocks are read slowly.
_USUAL = ("1970-01-01", "2037-12-31")
_TRUTHS = {"true": "'true', '1'", "false": "'false', '0'"}
_KINDS = {INT64: "a whole number", FLOAT64: "a number", BOOL: "true or false", STRING: "a text"}


@dataclass(frozen=True)
class Check:
    """What must hold, in SQL that is never null, and what to say where it does not."""

    holds: str
    reason: str


def literal(value: float | str) -> str:
    """A value out of a model's file for SQL."""
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


@dataclass(frozen=True)
class Reading:
    """How a value in the file becomes one of the contract's: in two steps, so that nothing is worked out twice.

    Attributes:
        parsed: SQL of what DuckDB takes it for, under `"<name>?"` afterwards; null where it takes it for nothing.
        value: SQL of the contract's value, made of that.
        sound: SQL of what else must hold, as DuckDB takes more than is meant.
    """

    parsed: str
    value: str
    sound: str = "true"


def text_reading(column: Column) -> Reading:
    """How a text is read."""
    text, parsed = f'"{column.name}"', f'"{column.name}?"'
    if column.type == FLOAT64:
        return Reading(f"TRY_CAST({text} AS DOUBLE)", parsed, f"isfinite({parsed})")
    if column.type == INT64:
        return Reading(f"TRY_CAST({text} AS BIGINT)", parsed, f"{parsed} = TRY_CAST({text} AS DOUBLE)")
    if column.type == BOOL:
        is_either = [f"WHEN lower({text}) IN ({texts}) THEN {value}" for value, texts in _TRUTHS.items()]
        return Reading(f"CASE {' '.join(is_either)} END", parsed)
    return _time_reading(column) if column.type == TIMESTAMP else Reading(text, parsed)


def native_reading(column: Column, zoned: bool) -> Reading:
    """How a value is read that has a type of its own already, as in Parquet.

    Args:
        zoned: whether a time is a moment already; without, it is by the clocks of the column's zone.
    """
    value, parsed = f'"{column.name}"', f'"{column.name}?"'
    if column.type == FLOAT64:
        return Reading(f"TRY_CAST({value} AS DOUBLE)", parsed, f"isfinite({parsed})")
    if column.type == INT64:
        return Reading(f"TRY_CAST({value} AS BIGINT)", parsed, f"{parsed} = {value}")
    if column.type == TIMESTAMP and zoned:
        return Reading(f"CAST({value} AS TIMESTAMPTZ)", parsed, f"isfinite({parsed})")
    if column.type == TIMESTAMP:
        return Reading(f"CAST({value} AS TIMESTAMP)", _in_zone(parsed, column), f"isfinite({parsed})")
    return Reading(value, parsed)


def _time_reading(column: Column) -> Reading:
    text, parsed = f'"{column.name}"', f'"{column.name}?"'
    casts = [f"TRY_CAST({text} AS TIMESTAMPTZ)", *(f"TRY_STRPTIME({_PLUS.format(text)}, '{form}')" for form in _RARER)]
    moment = f"CASE WHEN regexp_full_match({text}, '{_WITH_OFFSET}') THEN COALESCE({', '.join(casts)}) END"
    if column.format is None:
        local = f"CASE WHEN regexp_full_match({text}, '{_WITHOUT}') THEN TRY_CAST({text} AS TIMESTAMP) END"
        return Reading(local, f"COALESCE({_in_zone(parsed, column)}, {moment})")
    declared = parsed if "%z" in column.format else _in_zone(parsed, column)
    # DuckDB reads `infinity` and `epoch` in any form, as the beginning of 1900.
    is_said = f"CASE WHEN {parsed} > '1900-01-03' THEN true ELSE NOT regexp_full_match({text}, '{_SPECIAL}') END"
    return Reading(f"TRY_STRPTIME({text}, {literal(column.format)})", f"COALESCE({declared}, {moment})", is_said)


def _in_zone(local: str, column: Column) -> str:
    """A moment from a local time; one that a zone's clocks skip or repeat is read as in winter."""
    if column.zone == "UTC":
        return f"make_timestamptz(epoch_us({local}))"
    first, last = (
        datetime.fromisoformat(str(said or usual)[:10])
        for said, usual in zip((column.min, column.max), _USUAL, strict=True)
    )
    day = timedelta(days=1)
    return clocks.moment(local, column.zone, first - day, last + 2 * day)


def value(column: Column, reading: Reading) -> str:
    """SQL of the contract's value, once the parsed one is there."""
    return reading.value if reading.sound == "true" else f"CASE WHEN {reading.sound} THEN {reading.value} END"


def checks(column: Column) -> list[Check]:
    """Everything that the contract asks of one column's values."""
    text, read = f'"{column.name}"', f'"__{column.name}"'
    found = [] if column.nullable else [Check(f"{text} IS NOT NULL", f"{column.name} is null")]
    found.append(Check(f"({text} IS NULL OR {read} IS NOT NULL)", f"{column.name} is not {_kind(column)}"))
    return found + [Check(f"COALESCE({limit.holds}, true)", limit.reason) for limit in _limits(column)]


def _limits(column: Column) -> list[Check]:
    """What is asked of a value that is there; null of one that is not."""
    read, found = f'"__{column.name}"', list[Check]()
    if column.min is not None:
        found.append(_within(read, ">=", column, column.min, "under"))
    if column.max is not None:
        found.append(_within(read, "<=", column, column.max, "over"))
    if column.allowed:
        among = ", ".join(map(literal, column.allowed))
        found.append(Check(f"{read} IN ({among})", f"{column.name} is not one of the allowed values"))
    return found


def _within(read: str, comparison: str, column: Column, limit: float | str, beyond: str) -> Check:
    bound = f"TIMESTAMPTZ {literal(limit)}" if isinstance(limit, str) else literal(limit)
    if isinstance(limit, str) and comparison == "<=" and len(limit) == len("2013-01-01"):
        # The last day belongs to what is allowed, all of it.
        comparison, bound = "<", f"{bound} + INTERVAL 1 DAY"
    return Check(f"{read} {comparison} {bound}", f"{column.name} is {beyond} {limit}")


def _kind(column: Column) -> str:
    if column.type != TIMESTAMP:
        return _KINDS[column.type]
    form = f"the form {column.format}, nor in ISO form with an offset" if column.format else "ISO form"
    return f"a time in {form}"


def holds(readings: Iterable[tuple[Column, Reading]]) -> str:
    """SQL that says whether a row keeps the whole contract: what has no `reasons`, in the fewest steps."""
    return f"COALESCE({' AND '.join(_kept(column, reading) for column, reading in readings)}, false)"


def _kept(column: Column, reading: Reading) -> str:
    limits = [limit.holds for limit in _limits(column)]
    # What is null or infinite is within no two limits.
    is_bounded = column.type == FLOAT64 and column.min is not None and column.max is not None
    others = [] if is_bounded else [f'"__{column.name}" IS NOT NULL', reading.sound]
    every = " AND ".join(each for each in [*others, *limits] if each != "true")
    return f'("{column.name}" IS NULL OR COALESCE({every}, false))' if column.nullable else every


def reasons(spec: ModelSpec) -> str:
    """SQL that says everything that is wrong with a row; an empty text if nothing is."""
    every = [check for column in spec.columns for check in checks(column)]
    said = ", ".join(f"CASE WHEN NOT ({check.holds}) THEN {literal(check.reason)} END" for check in every)
    return f"concat_ws('; ', {said})"
