"""The row key, and the two numbers that decide about hold-out and samples, as SQL.

The same key gives the same numbers for ever: they come from MD5 and from texts of a fixed form, not from DuckDB's own
hash, which changes between versions.
"""

from __future__ import annotations

from shared.contract.spec import BOOL, FLOAT64, INT64, STRING, TIMESTAMP, Column, ModelSpec

NUMBERS = 1_000_000
SALT = "tidewheel:"


def row_key(spec: ModelSpec) -> str:
    """SQL of the key: the one column's text, or several ones' joined by `|`, or the digest of the row.

    It is null where a part of the key could not be read.
    """
    if len(spec.row_key) == 1:
        return _text(spec.row_key[0])
    if spec.row_key:
        return " || '|' || ".join(_part(column) for column in spec.row_key)
    parts = " || '|' || ".join(rf"COALESCE({_part(column)}, '\N')" for column in spec.columns)
    return f"md5({parts})"


def own(spec: ModelSpec) -> dict[str, str]:
    """What a row has beside the contract's columns, with types, in the warehouse's order; no key that it has twice."""
    key = {"_row_key": STRING} if spec.identity == "_row_key" else {}
    return {"_drop": STRING, "_generation": INT64, **key, "_holdout": INT64, "_sample": INT64}


def key_columns(spec: ModelSpec) -> list[Column]:
    """The columns that the key is made of."""
    return spec.row_key or list(spec.columns)


def holdout() -> str:
    """SQL of the number that decides about hold-out, 0 to 999,999."""
    return _number(f"{_digest()} & 18446744073709551615")


def sample() -> str:
    """SQL of the number that decides about samples, 0 to 999,999.

    It is made of the other half of the digest, which is independent of the one for `holdout` and costs no second one.
    """
    return _number(f"{_digest()} >> 64")


def _number(half: str) -> str:
    # Halved by bits first: DuckDB divides 128 bits five hundred times slower than 64.
    return f"CAST(CAST({half} AS UBIGINT) % {NUMBERS} AS BIGINT)"


def _digest() -> str:
    return f"md5_number('{SALT}' || _row_key)"


def _text(column: Column) -> str:
    value = f'"__{column.name}"'
    if column.type == TIMESTAMP:
        # Without its zone, which is UTC, a time is written three times faster.
        return f"strftime(make_timestamp(epoch_us({value})), '%Y-%m-%dT%H:%M:%S.%fZ')"
    return f"CAST({value} AS VARCHAR)" if column.type in (INT64, FLOAT64, BOOL) else value


def _part(column: Column) -> str:
    """Only texts can hold what separates the parts; they have it escaped."""
    text = _text(column)
    if column.type in (INT64, FLOAT64, BOOL, TIMESTAMP):
        return text
    return rf"replace(replace({text}, '\', '\\'), '|', '\|')"
