"""What a training ran with: the code's version, Python, the machine and every installed package."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
# Written at packaging, for machines to which the code comes without its history.
EMBEDDED = "code_version.json"
UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class CodeVersion:
    """The commit, and whether the tree was as the commit has it: `true`, `false` or `unknown`.

    What is packed also has a digest of all of it, which tells apart what two dirty trees of one commit were.
    """

    commit: str = UNKNOWN
    clean: str = UNKNOWN
    digest: str = UNKNOWN


@cache
def code_version(root: Path = ROOT) -> CodeVersion:
    """Of the tree at `root`, from git; else as it was embedded; else unknown."""
    # Not a repository around ours, in whose folder somebody has unpacked the code.
    if _git(root, "rev-parse", "--show-prefix") == "" and (commit := _git(root, "rev-parse", "HEAD")):
        changes = _git(root, "status", "--porcelain")
        return CodeVersion(commit=commit, clean=UNKNOWN if changes is None else str(not changes).lower())
    embedded = root / EMBEDDED
    return CodeVersion(**json.loads(embedded.read_text())) if embedded.exists() else CodeVersion()


def file_digest(path: Path) -> str:
    """Of a file's bytes: tells apart what two dirty trees of one commit hold."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def environment() -> dict[str, Any]:
    """For JSON: Python, platform, processors, and all packages with their versions."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "packages": packages(),
    }


def packages() -> dict[str, str]:
    """Every installed package and its version, in alphabetical order."""
    found = {each.metadata["Name"]: each.version for each in metadata.distributions() if each.metadata["Name"]}
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def _git(root: Path, *arguments: str) -> str | None:
    """What git says, None if there is no git or no repository."""
    try:
        said = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return None
    return said.stdout.strip()
