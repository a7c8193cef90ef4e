"""Terraform's files as blocks: what is written, not yet what it means."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from deploy.gcp.checks.parser import Block, Parser

__all__ = ["Block", "read"]


def read(folder: Path) -> list[Block]:
    """The blocks of every .tf file of a folder, file by file.

    Raises:
        PermanentError: a file is not in Terraform's language.
    """
    files = sorted(folder.glob("*.tf"))
    return [block for path in files for block in _blocks(path.read_text(), path.name)]


@cache
def _blocks(text: str, name: str) -> tuple[Block, ...]:
    """Read once: the tests look at these files hundreds of times, each time with a change in one of them."""
    return Parser(text, name).file().blocks
