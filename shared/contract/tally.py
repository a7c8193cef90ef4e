"""What is counted while a file's rows go by, and what the whole file is refused for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared.contract.refusal import Refusal
from shared.contract.spec import FLOAT64, ModelSpec

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_CELLS = 2**16
# That fewer targets than this are all the same can be chance.
_NO_CHANCE = 10


@dataclass
class Tally:
    """Counts, spans, and how often the commonest content came.

    The contents are counted in a count-min sketch (Cormode & Muthukrishnan 2005) of two rows: it never counts too low,
    and takes the same megabyte for every file.
    """

    rows: int = 0
    accepted: int = 0
    rejected: int = 0
    duplicate: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    first_event: datetime | None = None
    last_event: datetime | None = None
    least_target: Any = None
    most_target: Any = None
    _sketch: list[np.ndarray] = field(default_factory=list)
    _sketched: int = 0

    def accept(self, rows: pa.Table, spec: ModelSpec) -> None:
        """Count accepted rows."""
        self.accepted += rows.num_rows
        if rows.num_rows:
            self.first_event, self.last_event = _span(rows, spec.event_time.name, self.first_event, self.last_event)
            self.least_target, self.most_target = _span(rows, spec.target.name, self.least_target, self.most_target)

    def reject(self, rows: pa.Table) -> None:
        """Count rejected rows, under every reason that they have."""
        self.rejected += rows.num_rows
        for entry in rows.column("reason").value_counts().to_pylist():
            self.reasons.update(dict.fromkeys(entry["values"].split("; "), entry["counts"]))

    def note_contents(self, hashes: np.ndarray) -> None:
        """Count the contents of good rows."""
        import numpy as np

        self._sketched += len(hashes)
        parts = [np.bincount(hashes >> np.uint64(shift) & np.uint64(_CELLS - 1), minlength=_CELLS) for shift in (0, 16)]
        self._sketch = [had + new for had, new in zip(self._sketch, parts, strict=True)] if self._sketch else parts

    @property
    def repeated_share(self) -> float:
        """The share of the commonest content among the good rows, or a little more."""
        return min(int(part.max()) for part in self._sketch) / self._sketched if self._sketched else 0.0

    def refuse_bad(self, spec: ModelSpec) -> None:
        """Turn the whole file away if its rows, taken together, break the contract.

        Raises:
            Refusal: says what, and which limit there is.
        """
        if why := self._fault(spec):
            raise Refusal(why, "Correct the file and drop it again.")

    def _fault(self, spec: ModelSpec) -> str:
        if not self.rows:
            return "the file has no rows."
        return self._bad_share(spec) or self._too_alike(spec)

    def _bad_share(self, spec: ModelSpec) -> str:
        if self.rejected > spec.max_rejected_share * self.rows:
            most = f"{spec.max_rejected_share:.0%}"
            return f"{self.rejected:,} of {self.rows:,} rows are bad, more than {most}: {self._commonest()}."
        if self.accepted < max(1, spec.min_rows):
            return f"{self.accepted:,} good rows are too few; the least is {spec.min_rows:,}{self._because()}."
        return ""

    def _too_alike(self, spec: ModelSpec) -> str:
        if self.repeated_share > spec.max_repeated_share:
            return f"one row's content makes up {self.repeated_share:.0%} of the rows, under different keys."
        constant = spec.target.type == FLOAT64 and self.least_target == self.most_target
        if constant and self.accepted >= _NO_CHANCE:
            return f"{spec.target.name} is {self.least_target} in every row: nothing can be learned from it."
        return ""

    def _commonest(self) -> str:
        return ", ".join(f"{reason} ({count:,})" for reason, count in self.reasons.most_common(3))

    def _because(self) -> str:
        return f" ({self._commonest()})" if self.reasons else ""


def _span(rows: pa.Table, name: str, low: Any, high: Any) -> tuple[Any, Any]:
    import pyarrow.compute as pc

    found = pc.min_max(rows.column(name)).as_py()
    return (found["min"], found["max"]) if low is None else (min(low, found["min"]), max(high, found["max"]))
