"""What kind of file this is, by its bytes, and its content as a stream that has a bound."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Literal

from shared.contract.refusal import Refusal, shown
from shared.contract.source import CHUNK_BYTES, Source

Kind = Literal["csv", "gzip", "parquet"]
ENDINGS: dict[str, Kind] = {".csv": "csv", ".csv.gz": "gzip", ".parquet": "parquet"}
GZIP, PARQUET = b"\x1f\x8b", b"PAR1"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_SAYS = {"csv": "plain text", "gzip": "gzip", "parquet": "Parquet"}


def kind_of(source: Source, name: str) -> Kind:
    """What the name's ending promises, once the first bytes agree.

    Raises:
        Refusal: the file is empty, its ending is unknown, or its content is something else.
    """
    declared = next((kind for ending, kind in ENDINGS.items() if name.lower().endswith(ending)), None)
    if declared is None:
        raise Refusal(f'"{shown(name)}" has no known ending.', f"Known are {', '.join(ENDINGS)}.")
    start = source.start()
    if not start:
        raise Refusal("the file is empty.", "Write the file again, and drop it again.")
    found: Kind = "gzip" if start.startswith(GZIP) else "parquet" if start.startswith(PARQUET) else "csv"
    if found != declared:
        raise Refusal(
            f"the name ends as {_SAYS[declared]}, but the content is {_SAYS[found]}.",
            "Name it as what it is, or write it as the name says.",
        )
    return declared


def text_chunks(source: Source, kind: Kind, most_bytes: int) -> Iterator[bytes]:
    """The text's bytes without a byte order mark, in chunks of about 1 MiB.

    Raises:
        Refusal: the text is too large, is UTF-16, holds NUL bytes, or its gzip is broken.
    """
    size = 0
    for read in _unzipped(source) if kind == "gzip" else source.chunks():
        chunk = read if size else _without_mark(read)
        if b"\0" in chunk:
            raise Refusal(f"there is a NUL byte at byte {size + chunk.index(0):,}.", "Text holds none: write it again.")
        size += len(chunk)
        if size > most_bytes:
            raise Refusal(f"it is more than {most_bytes:,} bytes unpacked.", "Split it, or raise max_unpacked_bytes.")
        yield chunk


def _without_mark(chunk: bytes) -> bytes:
    if chunk.startswith(_UTF16):
        raise Refusal("the text is UTF-16.", "Write it in UTF-8.")
    return chunk.removeprefix(b"\xef\xbb\xbf")


def _unzipped(source: Source) -> Iterator[bytes]:
    member = _member()
    for chunk in source.chunks():
        rest = chunk
        while rest:
            if member.eof:
                member = _next_member(rest)
            yield from _inflated(member, rest)
            rest = member.unused_data
    if not member.eof:
        raise Refusal("the gzip is cut off before its end.", "Upload the file again.")


def _member() -> zlib._Decompress:
    return zlib.decompressobj(wbits=31)


def _next_member(rest: bytes) -> zlib._Decompress:
    # One byte may be all that this chunk has of the next member.
    if not rest.startswith(GZIP[: len(rest)]):
        raise Refusal("something follows the end of the gzip.", "Upload the file again.")
    return _member()


def _inflated(member: zlib._Decompress, chunk: bytes) -> Iterator[bytes]:
    try:
        # Bounded: a few bytes of gzip can be a gigabyte of text.
        while text := member.decompress(chunk, CHUNK_BYTES):
            yield text
            chunk = member.unconsumed_tail
    except zlib.error as error:
        raise Refusal(f"the gzip is damaged ({error}).", "Upload the file again.") from error
