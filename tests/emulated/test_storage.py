"""What the storage adapter promises beside what the ledger's and the emulator's tests ask."""

from __future__ import annotations

import gzip
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from google.api_core.exceptions import NotFound

from shared.adapters.storage import FIRST_RANGE_BYTES, Storage, Stored
from shared.errors import PassingError
from tests.emulated.state_fixtures import BUCKET, SETTINGS

CONTENT = os.urandom(3 * FIRST_RANGE_BYTES + 5)


def put(storage: Storage, tmp_path: Path, content: bytes = CONTENT, name: str = "large") -> int:
    (tmp_path / "file").write_bytes(content)
    return storage.put(BUCKET, name, tmp_path / "file")


def ranges(storage: Storage, generation: int) -> Iterator[bytes]:
    stored = storage.stored(BUCKET, "large", generation)
    assert stored
    return stored.ranges()


def test_a_proxy_to_the_internet_is_not_asked_for_the_laptop(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert storage.create(BUCKET, "a", {"b": 1})
    assert (storage.read(BUCKET, "a") or ({}, 0))[0] == {"b": 1}


@pytest.mark.parametrize("size", [0, 1, FIRST_RANGE_BYTES, FIRST_RANGE_BYTES + 1, len(CONTENT)])
def test_a_large_object_comes_in_ranges_and_whole(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr("shared.adapters.storage.RANGE_BYTES", FIRST_RANGE_BYTES // 2)
    found = list(ranges(storage, put(storage, tmp_path, CONTENT[:size])))
    assert b"".join(found) == CONTENT[:size]
    assert [len(each) for each in found[:2]] == [min(size, FIRST_RANGE_BYTES)][: bool(size)] + [
        min(size - FIRST_RANGE_BYTES, FIRST_RANGE_BYTES // 2)
    ][: size > FIRST_RANGE_BYTES]


def test_another_generation_is_never_mixed_in(storage: Storage, tmp_path: Path) -> None:
    generation = put(storage, tmp_path)
    reading = ranges(storage, generation)
    next(reading)
    put(storage, tmp_path, CONTENT[::-1])
    with pytest.raises(PassingError, match="was replaced while it was read"):
        next(reading)
    assert storage.stored(BUCKET, "large", generation) is None
    assert storage.stored(BUCKET, "none", generation) is None


@contextmanager
def cutting(address: str, most_bytes: int) -> Iterator[tuple[str, list[int]]]:
    """A way to the server that is cut once, after so many bytes of answers: its address, and the cuts."""
    host, port = urlsplit(address).hostname, urlsplit(address).port
    cuts: list[int] = []

    def pass_on(taken: socket.socket) -> None:
        with taken, socket.create_connection((host, port)) as server:
            threading.Thread(target=copy, args=(taken, server, None), daemon=True).start()
            copy(server, taken, None if cuts else most_bytes)

    def copy(source: socket.socket, target: socket.socket, most: int | None) -> None:
        passed = 0
        with suppress(OSError):
            while data := source.recv(2**16):
                target.sendall(data)
                passed += len(data)
                if most is not None and passed > most:
                    cuts.append(passed)
                    return target.shutdown(socket.SHUT_RDWR)

    def listen() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=pass_on, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=listen, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", cuts


def test_a_connection_that_breaks_within_a_range_loses_nothing(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cutting(os.environ["STORAGE_EMULATOR_HOST"], most_bytes=FIRST_RANGE_BYTES + 300_000) as (address, cuts):
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", address)
        # An object's address is that of the server to which it was sent.
        through = Storage(SETTINGS)
        assert b"".join(ranges(through, put(through, tmp_path))) == CONTENT
    assert len(cuts) == 1 and cuts[0] < len(CONTENT)


def test_a_copy_is_of_one_generation(storage: Storage, tmp_path: Path) -> None:
    stored = storage.stored(BUCKET, "large", put(storage, tmp_path))
    assert stored and stored.copy(BUCKET, "kept")
    found = storage.content(BUCKET, "kept")
    assert found and found[0] == CONTENT
    put(storage, tmp_path, b"other")
    assert not stored.copy(BUCKET, "late")
    storage.delete(BUCKET, "large")
    assert not stored.copy(BUCKET, "late")
    assert storage.content(BUCKET, "late") is None


def test_a_copy_is_packed_as_the_object_is(storage: Storage) -> None:
    blob = storage._client.bucket(BUCKET).blob("large")
    blob.content_encoding = "gzip"
    blob.upload_from_string(gzip.compress(b"a,b"), content_type="text/csv")
    stored = storage.stored(BUCKET, "large", blob.generation)
    assert stored and stored.gzipped and stored.copy(BUCKET, "kept")
    kept = storage._client.bucket(BUCKET).get_blob("kept")
    assert (kept.content_encoding, kept.content_type) == ("gzip", "text/csv")


@pytest.mark.parametrize("size", [10, len(CONTENT)])
def test_bytes_that_came_otherwise_than_they_are_stored_are_noticed(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    def broken(stored: Stored, start: int, end: int) -> bytes:
        read = original(stored, start, end)
        return read if start else bytes([read[0] ^ 1]) + read[1:]

    original = Stored._range
    generation = put(storage, tmp_path, CONTENT[:size])
    monkeypatch.setattr(Stored, "_range", broken)
    reading, read = ranges(storage, generation), 0
    with pytest.raises(PassingError, match="came otherwise than it is stored"):
        for each in reading:
            read += len(each)
    # Nobody has got the last of it, and so nobody all of it.
    assert read < size


def test_a_copy_into_no_bucket_is_no_object_that_is_gone(storage: Storage, tmp_path: Path) -> None:
    stored = storage.stored(BUCKET, "large", put(storage, tmp_path))
    assert stored
    with pytest.raises(NotFound):
        stored.copy("tidewheel-test-no-bucket", "kept")
