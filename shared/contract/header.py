"""The columns that a file says it has, held against those that the contract asks for."""

from __future__ import annotations

import csv
from collections import Counter

from shared.contract.refusal import Refusal, listed, shown
from shared.contract.spec import ModelSpec

MAX_COLUMNS = 1_000
_RENAME = "Names are compared letter by letter: send the columns under the names in the model's file."


def header_names(line: bytes) -> list[str]:
    """The names in the first line of a CSV file.

    Raises:
        Refusal: the line is no header of UTF-8 text with commas.
    """
    try:
        return next(csv.reader([line.decode()], strict=True), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise Refusal(f"the first line cannot be read as column names ({shown(str(error))}).", _RENAME) from error


def checked_names(names: list[str], spec: ModelSpec) -> tuple[str, ...]:
    """The names of columns that the contract does not know; they are ignored.

    Raises:
        Refusal: a column is missing or doubled, or there are far too many.
    """
    if len(names) > MAX_COLUMNS:
        raise Refusal(f"there are {len(names):,} columns; more than {MAX_COLUMNS:,} are not read.", "Leave some out.")
    known = {column.name for column in spec.columns}
    doubled = [name for name, times in Counter(names).items() if times > 1]
    if doubled:
        raise Refusal(f"the file has {listed(doubled)} twice.", "Give every column a name of its own.")
    if missing := [name for name in sorted(known) if name not in names]:
        raise Refusal(f"the file lacks {listed(missing)}; its first line has {_found(names)}.", _RENAME)
    return tuple(name for name in names if name not in known)


def _found(names: list[str]) -> str:
    other = next((mark for mark in (";", "\t", "|") if len(names) == 1 and mark in names[0]), None)
    hint = f", with {other!r} in place of commas" if other else ""
    return (listed(names) or "nothing") + hint
