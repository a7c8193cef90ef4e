"""What Pub/Sub has not delivered yet, read from a copy of its file: the file itself belongs to one process alone."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from tempfile import TemporaryDirectory

TRIES = 50


def waiting(file: Path) -> dict[str, int]:
    """How many messages wait in each subscription that has any."""
    with TemporaryDirectory() as folder:
        copy = _copy(file, Path(folder))
        with sqlite3.connect(copy) as connection:
            rows = connection.execute("SELECT subscription, COUNT(*) FROM deliveries GROUP BY subscription").fetchall()
        connection.close()
    return {str(name).rpartition("/")[2]: count for name, count in rows}


def _copy(file: Path, folder: Path) -> Path:
    """The file with its log, both of the same moment."""
    pair = (file, file.with_name(f"{file.name}-wal"))
    for _ in range(TRIES):
        before = list(map(_print, pair))
        for each in pair:
            if each.exists():
                shutil.copy2(each, folder / each.name)
        if before == list(map(_print, pair)):
            break
    return folder / file.name


def _print(file: Path) -> tuple[int, int]:
    """By which a change is seen."""
    if not file.exists():
        return 0, 0
    status = file.stat()
    return status.st_mtime_ns, status.st_size
