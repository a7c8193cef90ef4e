"""A data version: which rows of a model a training has seen, so that they can be read again."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time
from typing import Any

EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 12, 31, tzinfo=UTC)
Window = Sequence[str | date | datetime | None]


@dataclass(frozen=True, kw_only=True)
class DataVersion:
    """Which rows a version was trained on, so that they can be read again.

    `snapshot` is a table snapshot of all the model's rows at `timestamp`; `drops` are the (drop, generation) of it that
    were not withdrawn then and have rows in the window. A newer generation or a withdrawal afterwards changes nothing.
    `rows` and `digest` are of all rows in the window, `train_rows` of those that `selection` leaves for training.
    """

    model: str
    timestamp: str
    window_from: str | None
    window_to: str | None
    selection: str
    rows: int
    train_rows: int
    first_event: str | None
    last_event: str | None
    digest: str
    snapshot: str
    drops: tuple[tuple[str, int], ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "drops": [list(drop) for drop in self.drops]}

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> DataVersion:
        """From JSON."""
        return cls(**{**raw, "drops": tuple((name, generation) for name, generation in raw["drops"])})

    @property
    def drop_names(self) -> list[str]:
        return [name for name, _ in self.drops]


def snapshot_name(model: str, request: str) -> str:
    """A table's name from a request's; what does not fit in it is told apart by a hash."""
    slug = re.sub(r"[^a-z0-9_]", "_", request.lower())[:60]
    if slug != request:
        slug += "_" + hashlib.sha256(request.encode()).hexdigest()[:8]
    return f"{model}_at_{slug}"


def moment_of(value: str | date | datetime | None, default: datetime) -> datetime:
    """What a window says, ISO text, a date or a moment, as a moment; in UTC unless it says otherwise."""
    if value is None:
        return default
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if not isinstance(value, datetime):
        value = datetime.combine(value, time())
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def span_of(version: DataVersion) -> dict[str, datetime]:
    """A data version's window as query parameters."""
    return {
        "window_from": moment_of(version.window_from, EARLIEST),
        "window_to": moment_of(version.window_to, LATEST),
    }


def text_of(moment: datetime | None) -> str | None:
    """A moment as ISO text, if there is one."""
    return moment.isoformat() if moment else None
