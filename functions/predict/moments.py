"""Times in requests, read as preprocess reads those in files: in the declared form, in ISO form, or not at all."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from shared.contract.spec import Column

# The same as in shared/contract/checks.py, which writes them into SQL.
_DATE = r"\d{4}-\d\d-\d\d"
_TIME = r"[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?"
_WITH_OFFSET = re.compile(rf"{_DATE}{_TIME}(Z|[+-]\d\d(:?\d\d)?)", re.ASCII)
_WITHOUT = re.compile(rf"{_DATE}({_TIME})?", re.ASCII)


def moment(text: str, column: Column) -> datetime | None:
    """The moment that a text means, in UTC; None if it means none."""
    try:
        found = _read(text, column)
        return found.astimezone(UTC) if found else None
    except (ValueError, OverflowError):
        return None


def _read(text: str, column: Column) -> datetime | None:
    if column.format is not None:
        try:
            return _in_zone(datetime.strptime(text, column.format), column)
        except ValueError:
            return datetime.fromisoformat(text) if _WITH_OFFSET.fullmatch(text) else None
    if _WITH_OFFSET.fullmatch(text):
        return datetime.fromisoformat(text)
    return _in_zone(datetime.fromisoformat(text), column) if _WITHOUT.fullmatch(text) else None


def _in_zone(local: datetime, column: Column) -> datetime:
    """A moment from a local time; one that a zone's clocks skip or repeat is read as in winter."""
    if local.tzinfo:
        return local
    zone = ZoneInfo(column.zone)
    either = [local.replace(tzinfo=zone, fold=fold) for fold in (0, 1)]
    return min(either, key=lambda each: each.utcoffset() or timedelta())
