"""The bytes of a dropped file: gone through from wherever they are, put on this disk once, known by their digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.contract.source import CHUNK_BYTES, Source

CONTENT = bytes(range(256)) * 5_000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Elsewhere:
    """A place that counts how often it is read."""

    def __init__(self, *sizes: int) -> None:
        self._sizes, self.times = sizes, 0

    def __call__(self) -> Iterator[bytes]:
        self.times += 1
        start = 0
        for size in (*self._sizes, len(CONTENT)):
            yield CONTENT[start : start + size]
            start += size


@pytest.mark.parametrize("sizes", [(), (1, 300_000), (CHUNK_BYTES, 1)])
def test_all_bytes_come_in_chunks_whatever_the_pieces(tmp_path: Path, sizes: tuple[int, ...]) -> None:
    source = Source(Elsewhere(*sizes), tmp_path / "file", len(CONTENT))
    for _ in range(2):
        chunks = list(source.chunks())
        assert b"".join(chunks) == CONTENT and max(map(len, chunks)) <= CHUNK_BYTES
    assert not list(tmp_path.iterdir())


def test_the_digest_is_known_to_who_has_gone_through_them(tmp_path: Path) -> None:
    elsewhere = Elsewhere(1_000)
    source = Source(elsewhere, tmp_path / "file", len(CONTENT))
    source.start()
    assert list(source.chunks()) and elsewhere.times == 2
    assert source.digest() == DIGEST and elsewhere.times == 2


def test_whoever_has_seen_the_start_alone_gets_the_digest_of_the_whole(tmp_path: Path) -> None:
    source = Source(Elsewhere(), tmp_path / "file", len(CONTENT))
    assert source.start() == CONTENT[:CHUNK_BYTES]
    assert source.digest() == DIGEST


def test_a_file_is_brought_here_once(tmp_path: Path) -> None:
    elsewhere = Elsewhere()
    source = Source(elsewhere, tmp_path / "file", len(CONTENT))
    for _ in range(2):
        assert source.file().read_bytes() == CONTENT
    assert b"".join(source.chunks()) == CONTENT
    assert source.digest() == DIGEST and elsewhere.times == 1


def test_a_file_that_is_here_is_where_it_was(tmp_path: Path) -> None:
    (tmp_path / "here").write_bytes(CONTENT)
    source = Source.on_disk(tmp_path / "here")
    assert source.file() == tmp_path / "here" and source.digest() == DIGEST
    assert list(tmp_path.iterdir()) == [tmp_path / "here"]


def test_nothing_has_no_start_and_the_digest_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "here").touch()
    source = Source.on_disk(tmp_path / "here")
    assert source.start() == b"" and source.digest() == hashlib.sha256().hexdigest()


def test_what_comes_in_one_piece_is_asked_for_once(tmp_path: Path) -> None:
    elsewhere = Elsewhere(len(CONTENT))
    source = Source(elsewhere, tmp_path / "file", len(CONTENT))
    source.start()
    assert b"".join(source.chunks()) == CONTENT and source.digest() == DIGEST
    assert source.file().read_bytes() == CONTENT and elsewhere.times == 1
