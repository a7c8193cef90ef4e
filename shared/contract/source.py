"""The bytes of a dropped file, from wherever they are; they may be gone through again and again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

CHUNK_BYTES = 2**20


class Source:
    """Reads the bytes anew each time, and keeps none of them, unless somebody asks for them as a file."""

    def __init__(self, pieces: Callable[[], Iterator[bytes]], here: Path, size_bytes: int) -> None:
        """What gives all bytes in order, in pieces of any size, and where on this disk they are, or may be put."""
        self.size_bytes = size_bytes
        self._pieces, self._here = pieces, here
        self._digest = ""

    @classmethod
    def on_disk(cls, file: Path) -> Source:
        """A file that is here already."""
        return cls(partial(_read, file), file, file.stat().st_size)

    def chunks(self) -> Iterator[bytes]:
        """All bytes, in chunks of 1 MiB at most."""
        whole = None if self._digest else hashlib.sha256()
        for piece in self._pieces():
            if len(piece) == self.size_bytes:
                # A small one is here by now.
                self._pieces = partial(iter, [piece])
            if whole:
                whole.update(piece)
            yield from (piece[i : i + CHUNK_BYTES] for i in range(0, len(piece), CHUNK_BYTES))
        if whole:
            self._digest = whole.hexdigest()

    def start(self) -> bytes:
        """The first bytes; none, if it is empty."""
        return next(self.chunks(), b"")

    def file(self) -> Path:
        """All of them on this disk, for who has to jump about in them."""
        if not self._here.exists():
            with self._here.open("wb") as file:
                file.writelines(self.chunks())
            self._pieces = partial(_read, self._here)
        return self._here

    def digest(self) -> str:
        """SHA-256 of all bytes, in hexadecimal; who has gone through them has it already."""
        if not self._digest:
            for _ in self.chunks():
                pass
        return self._digest


def _read(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            yield chunk
