"""Text as blocks of whole lines, and the lines that are no rows told apart from those that are.

A row is one line: a quote that is not closed at its line's end costs that line, never those after it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.contract.refusal import Refusal

if TYPE_CHECKING:
    import numpy as np

MAX_LINE_BYTES = 2**20
BLOCK_BYTES = 12 * 2**20
_PIECE_BYTES = 2**18
_LF, _CR, _COMMA, _QUOTE, _ASCII = 10, 13, 44, 34, 127


def blocks(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Blocks of whole lines, the first of which is one line: the header.

    Raises:
        Refusal: a line is longer than any row can be.
    """
    header, rest = _first_line(chunks)
    yield header
    parts, size = [rest], len(rest)
    for chunk in chunks:
        parts.append(chunk)
        size += len(chunk)
        if size >= BLOCK_BYTES:
            whole, rest = _cut(parts)
            yield whole
            parts, size = [rest], len(rest)
    if text := b"".join(parts):
        yield text if text.endswith(b"\n") else text + b"\n"


def _first_line(chunks: Iterator[bytes]) -> tuple[bytes, bytes]:
    text = b""
    while b"\n" not in text and len(text) <= MAX_LINE_BYTES and (chunk := next(chunks, b"")):
        text += chunk
    line, _, rest = text.partition(b"\n")
    if b"\r" in line.removesuffix(b"\r"):
        raise Refusal("the lines end in CR alone.", "Write it with LF or CRLF.")
    if len(line) > MAX_LINE_BYTES:
        raise Refusal(f"the first line is longer than {MAX_LINE_BYTES:,} bytes.", "Write one row on each line.")
    return line.removesuffix(b"\r"), rest


def _cut(parts: list[bytes]) -> tuple[bytes, bytes]:
    """The whole lines of a text, and the rest; each byte is copied once, as long as its last part has a line's end."""
    if b"\n" not in parts[-1]:
        parts = [b"".join(parts)]
    end = parts[-1].rfind(b"\n") + 1
    if len(parts[-1]) - end > MAX_LINE_BYTES:
        raise Refusal(f"a line is longer than {MAX_LINE_BYTES:,} bytes.", "Write one row on each line.")
    return b"".join([*parts[:-1], memoryview(parts[-1])[:end]]), parts[-1][end:]


def is_plain(block: bytes) -> bool:
    """Whether every CR belongs to an LF: only then are its lines what every reader takes for lines."""
    return b"\r" not in block or block.count(b"\r") == block.count(b"\r\n")


def count(block: bytes) -> int:
    """How many lines a block has; numpy counts ten times faster than `bytes.count`, which is made for rare things."""
    import numpy as np

    return sum(int(np.count_nonzero(piece == _LF)) for _, piece in _pieces(np.frombuffer(block, np.uint8)))


def _pieces(data: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """The block in pieces with which the processor's cache has no trouble, and where each begins."""
    return ((i, data[i : i + _PIECE_BYTES]) for i in range(0, len(data), _PIECE_BYTES))


@dataclass(frozen=True)
class Sifted:
    """A block without the lines that are no rows.

    Attributes:
        text: the lines that have the right number of fields.
        kept: their positions in the block, from 0.
        broken: position, bytes and fault of the others; blank lines are in neither.
    """

    text: bytes
    kept: np.ndarray
    broken: list[tuple[int, bytes, str]]


def sifted(block: bytes, fields: int) -> Sifted:
    """Tell rows from broken lines; numpy looks at all lines, Python only at those with quotes or beyond ASCII."""
    import numpy as np

    data = np.frombuffer(block, np.uint8)
    starts, ends = bounds(data)
    faults = _wrong_counts(data, ends, fields) | _faults(block, starts, ends, _special(data, ends), fields)
    keep = ends - starts > (data[ends - 1] == _CR)
    blank = set(np.flatnonzero(~keep).tolist())
    broken = [(i, block[starts[i] : ends[i]], fault) for i, fault in sorted(faults.items()) if fault and i not in blank]
    keep[[position for position, _, _ in broken]] = False
    return Sifted(data[np.repeat(keep, ends - starts + 1)].tobytes(), np.flatnonzero(keep), broken)


def bounds(data: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each line starts, and where its LF stands."""
    import numpy as np

    ends = np.concatenate([np.flatnonzero(piece == _LF) + begin for begin, piece in _pieces(data)])
    return np.concatenate([np.zeros(1, ends.dtype), ends[:-1] + 1]), ends


def _wrong_counts(data: np.ndarray, ends: np.ndarray, fields: int) -> dict[int, str]:
    import numpy as np

    commas = np.bincount(np.searchsorted(ends, np.flatnonzero(data == _COMMA)), minlength=len(ends))
    return {int(i): _miscounted(int(commas[i]) + 1, fields) for i in np.flatnonzero(commas != fields - 1)}


def _miscounted(found: int, fields: int) -> str:
    return f"the line has {found} fields in place of {fields}"


def _special(data: np.ndarray, ends: np.ndarray) -> list[int]:
    """The lines in which a comma may be none, or whose bytes may be no text."""
    import numpy as np

    returns = np.flatnonzero(data == _CR)
    lone = returns[data[returns + 1] != _LF]
    places = np.concatenate([np.flatnonzero((data == _QUOTE) | (data > _ASCII)), lone])
    return np.unique(np.searchsorted(ends, places)).tolist()


def _faults(block: bytes, starts: np.ndarray, ends: np.ndarray, special: list[int], fields: int) -> dict[int, str]:
    return {i: _fault(block[starts[i] : ends[i]].removesuffix(b"\r"), fields) for i in special}


def _fault(line: bytes, fields: int) -> str:
    """What keeps a line from being a row; nothing, if it is one."""
    if b"\r" in line:
        return "the line holds a CR"
    try:
        found = len(next(csv.reader([line.decode()], strict=True), []))
    except UnicodeDecodeError:
        return "the line is not UTF-8"
    except csv.Error as error:
        return f"the line is no CSV: {error}"
    return "" if found == fields else _miscounted(found, fields)
