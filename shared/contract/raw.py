"""Rows with the line that they come from and its text, as a person is shown them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.contract.judging import Judge
from shared.contract.lines import bounds
from shared.contract.reading import Block, Broken

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

# Nobody reads more of a line, and a file of endless ones would fill the disk twice.
MAX_RAW = 2_000


def with_raw(block: Block, positions: np.ndarray, judge: Judge) -> pa.Table:
    """These rows of a block, with `_line` and `_raw`."""
    import pyarrow as pa

    rows = block.rows.take(pa.array(positions))
    raw = judge.written_out(rows) if block.text is None else _cut_out(block.text, positions)
    return rows.append_column("_line", pa.array(block.lines[positions])).append_column("_raw", raw)


def reject_table(broken: list[Broken]) -> pa.Table:
    """Lines that are no rows, with what is wrong with them."""
    import pyarrow as pa

    lines, texts, faults = zip(*broken, strict=True) if broken else ((), (), ())
    raw = pa.array([_text(text) for text in texts], pa.string())
    return pa.table({"line": pa.array(lines, pa.int64()), "raw": raw, "reason": pa.array(faults, pa.string())})


def _cut_out(text: bytes, positions: np.ndarray) -> pa.Array:
    import numpy as np
    import pyarrow as pa

    starts, ends = bounds(np.frombuffer(text, np.uint8))
    places = zip(starts[positions].tolist(), ends[positions].tolist(), strict=True)
    return pa.array([_text(text[start:end]) for start, end in places], pa.string())


def _text(line: bytes) -> str:
    return line.removesuffix(b"\r").decode(errors="replace")[:MAX_RAW]
