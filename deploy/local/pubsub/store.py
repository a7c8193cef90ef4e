"""Topics, subscriptions and unacknowledged messages in one SQLite file, written in groups by one thread."""

from __future__ import annotations

import asyncio
import logging
import queue
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

log = logging.getLogger(__name__)

SCHEMA = """
CREATE TABLE IF NOT EXISTS topics (name TEXT PRIMARY KEY, proto BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS subscriptions (name TEXT PRIMARY KEY, proto BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS messages (id INTEGER PRIMARY KEY, proto BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS deliveries (
    message INTEGER NOT NULL, subscription TEXT NOT NULL, failures INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (message, subscription)
) WITHOUT ROWID;
"""


class Change(NamedTuple):
    """One statement for each of its rows."""

    sql: str
    rows: Sequence[tuple[Any, ...]]


class _Job(NamedTuple):
    changes: Sequence[Change]
    committed: asyncio.Future[None] | None


class Store:
    """Changes are applied in the order of the calls; those that wait at the same moment share a commit."""

    def __init__(self, path: Path, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._connection = connect(path)
        self._thread = threading.Thread(target=self._write_until_closed, name="store")
        self._thread.start()

    def commit(self, *changes: Change) -> asyncio.Future[None]:
        """A future that is done when the changes would survive a kill -9."""
        committed: asyncio.Future[None] = self._loop.create_future()
        self._jobs.put(_Job(changes, committed))
        return committed

    def write(self, *changes: Change) -> None:
        """Changes that nobody waits for: losing them means that a message is delivered once more."""
        self._jobs.put(_Job(changes, None))

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What an earlier process has left; only to be called before the first change."""
        return self._connection.execute(sql).fetchall()

    def close(self) -> None:
        """Write what is waiting and close the file."""
        self._jobs.put(None)
        self._thread.join()
        self._connection.close()

    def _write_until_closed(self) -> None:
        for jobs, is_last in self._groups():
            error = self._apply(jobs)
            self._loop.call_soon_threadsafe(_tell, jobs, error)
            if is_last:
                return

    def _groups(self) -> Iterator[tuple[list[_Job], bool]]:
        while True:
            group = [self._jobs.get()]
            while not self._jobs.empty():
                group.append(self._jobs.get())
            yield [job for job in group if job], None in group

    def _apply(self, jobs: list[_Job]) -> Exception | None:
        try:
            with self._connection:
                for sql, rows in (change for job in jobs for change in job.changes):
                    self._connection.executemany(sql, rows)
        except sqlite3.Error as error:
            log.exception("The messages' file cannot be written.")
            return error
        return None


def connect(path: Path) -> sqlite3.Connection:
    """The file, for this process alone: two servers on it would each deliver every message.

    Raises:
        sqlite3.OperationalError: another process has it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=2.0, check_same_thread=False)
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("PRAGMA journal_mode = WAL")
    # NORMAL does not wait for the disk at each commit. What a killed process has written stays with the system and
    # survives; a power cut can take the last commits, never the file's consistency. On a laptop that is the right
    # trade: the topics' real home is Google's, and FULL would cost milliseconds with every event.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.executescript(SCHEMA)
    return connection


def _tell(jobs: list[_Job], error: Exception | None) -> None:
    waiting = [job.committed for job in jobs if job.committed and not job.committed.done()]
    for committed in waiting:
        if error:
            committed.set_exception(error)
        else:
            committed.set_result(None)
