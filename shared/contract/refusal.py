"""A whole file that is turned away, and what is known about it by then."""

from __future__ import annotations

from pathlib import Path

from shared.errors import PermanentError


class Refusal(PermanentError):
    """The file breaks the contract as a whole: nothing of it is used.

    Counts are 0 where the file was turned away before they were known; `rejects_files` is empty if no row was rejected,
    and `digest` if the file is larger than any may be.
    """

    rows: int = 0
    accepted: int = 0
    rejected: int = 0
    duplicate: int = 0
    digest: str = ""
    rejects_files: tuple[Path, ...] = ()
    ignored_columns: tuple[str, ...] = ()


def shown(text: str, most: int = 80) -> str:
    """A name or a value out of a file, safe and short enough for a sentence."""
    plain = "".join(letter if letter.isprintable() else "?" for letter in text)
    return plain if len(plain) <= most else f"{plain[:most]}…"


def listed(names: list[str], most: int = 10) -> str:
    """Names out of a file as a list for a sentence."""
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(f'"{shown(name, 40)}"' for name in names[:most]) + rest
