"""What a check has found: which check, where, and a sentence that says what is wrong and what would be right."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong."""

    check: str
    where: str
    what: str

    def __str__(self) -> str:
        """A line for people."""
        return f"{self.where}: {self.what} [{self.check}]"
