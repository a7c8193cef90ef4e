"""A plain script: five steps, each one SQLite commit. `python -m benchmarks.plain FILE` runs them once."""

from __future__ import annotations

import json
import sqlite3
import sys
from pathlib import Path

STEPS = ("prepare", "evaluate", "launch", "train", "promote")
# As durable as the laptop's servers: a killed process loses nothing, a power cut the last commits.
AS_THE_STACK = ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL")


class Script:
    """What somebody would write who has one machine and no failures."""

    def __init__(self, path: Path, *pragmas: str) -> None:
        self._db = sqlite3.connect(path)
        for pragma in pragmas:
            self._db.execute(pragma)
        self._db.execute("CREATE TABLE IF NOT EXISTS done (step TEXT, what TEXT, said TEXT, PRIMARY KEY (step, what))")

    def run(self, what: str) -> None:
        """Five steps and their commits."""
        for step in STEPS:
            with self._db:
                self._db.execute("INSERT INTO done VALUES (?, ?, ?)", (step, what, json.dumps({"step": step})))


if __name__ == "__main__":
    Script(Path(sys.argv[1]), *AS_THE_STACK).run("once")
