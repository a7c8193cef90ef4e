"""Which commit a set of files is of: the newest that touched one of them, so that others change nothing here."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

UNKNOWN = "unknown"


def of_files(root: Path, files: Iterable[str]) -> dict[str, str]:
    """The newest commit of the files, and whether they are as it has them: `true`, `false`, or unknown without git."""
    these = ["--", *sorted(files)]
    commit, changes = git(root, "rev-list", "-1", "HEAD", *these), git(root, "status", "--porcelain", *these)
    if not commit or changes is None:
        return {"commit": UNKNOWN, "clean": UNKNOWN}
    return {"commit": commit, "clean": str(not changes).lower()}


def head(root: Path) -> str:
    """The commit that is checked out."""
    return git(root, "rev-parse", "HEAD") or UNKNOWN


def git(root: Path, *arguments: str) -> str | None:
    """What git says; None if there is no git, or no repository of ours."""
    try:
        prefix = _run(root, "rev-parse", "--show-prefix")
        return _run(root, *arguments) if prefix == "" else None
    except (OSError, subprocess.SubprocessError):
        return None


def _run(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()
