"""What the bucket holds, in SQLite: an object's metadata and the promise to announce it are one commit."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Resource = dict[str, Any]

SCHEMA = """
CREATE TABLE IF NOT EXISTS buckets (name TEXT PRIMARY KEY, resource TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS objects (
    bucket TEXT NOT NULL, name TEXT NOT NULL, resource TEXT NOT NULL, PRIMARY KEY (bucket, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS intents (generation INTEGER PRIMARY KEY, resource TEXT NOT NULL, overwrote TEXT);
CREATE TABLE IF NOT EXISTS counter (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), generation INTEGER NOT NULL);
"""


class Catalog:
    """Metadata that survives kill -9; a process of its own may die between any two lines of its callers."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        # A killed process loses nothing with NORMAL; only a power cut may lose the last commits.
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(SCHEMA)

    def buckets(self) -> dict[str, Resource]:
        """Every bucket's resource by its name."""
        return {name: json.loads(text) for name, text in self._read("SELECT name, resource FROM buckets")}

    def objects(self) -> Iterable[tuple[str, str, Resource]]:
        """Bucket, name and resource of every object."""
        for bucket, name, text in self._read("SELECT bucket, name, resource FROM objects"):
            yield bucket, name, json.loads(text)

    def newest_generation(self) -> int:
        """The highest generation ever given, also to objects that are gone."""
        return next(iter(self._read("SELECT generation FROM counter")), (0,))[0]

    def put_bucket(self, name: str, resource: Resource) -> None:
        """Record a bucket."""
        self._write([("INSERT OR REPLACE INTO buckets VALUES (?, ?)", (name, json.dumps(resource)))])

    def delete_bucket(self, name: str) -> None:
        """Forget a bucket."""
        self._write([("DELETE FROM buckets WHERE name = ?", (name,))])

    def put_object(self, bucket: str, name: str, resource: Resource) -> None:
        """Record an object's metadata."""
        self._write([_object(bucket, name, resource)])

    def put_content(self, bucket: str, name: str, resource: Resource, announce: bool, overwrote: str | None) -> None:
        """Record an object's new content, and with it the promise to announce it."""
        generation, text = int(resource["generation"]), json.dumps(resource)
        statements = [
            _object(bucket, name, resource),
            ("INSERT OR REPLACE INTO counter VALUES (1, ?)", (generation,)),
        ]
        if announce:
            statements.append(("INSERT INTO intents VALUES (?, ?, ?)", (generation, text, overwrote)))
        self._write(statements)

    def delete_object(self, bucket: str, name: str) -> None:
        """Forget an object; what was promised about it is still kept."""
        self._write([("DELETE FROM objects WHERE bucket = ? AND name = ?", (bucket, name))])

    def intents(self, limit: int) -> list[tuple[int, Resource, str | None]]:
        """The oldest announcements that nobody has confirmed yet."""
        rows = self._read("SELECT generation, resource, overwrote FROM intents ORDER BY generation LIMIT ?", (limit,))
        return [(generation, json.loads(text), overwrote) for generation, text, overwrote in rows]

    def confirm(self, generations: Iterable[int]) -> None:
        """The broker has these announcements."""
        self._write([("DELETE FROM intents WHERE generation = ?", (generation,)) for generation in generations])

    def _read(self, sql: str, values: tuple = ()) -> list[tuple]:
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def _write(self, statements: Iterable[tuple[str, tuple]]) -> None:
        with self._lock, self._db:
            for sql, values in statements:
                self._db.execute(sql, values)


def _object(bucket: str, name: str, resource: Resource) -> tuple[str, tuple]:
    return "INSERT OR REPLACE INTO objects VALUES (?, ?, ?)", (bucket, name, json.dumps(resource))
