"""A dropped file to clean rows, and every other row accounted for: rows = accepted + rejected + duplicate."""

from __future__ import annotations

from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from shared.contract.ahead import one_ahead, side_by_side
from shared.contract.judging import Judge, connect
from shared.contract.keys import key_columns
from shared.contract.output import REJECTS, ROWS, HandOver, Output, rejects_schema, rows_schema
from shared.contract.raw import reject_table, with_raw
from shared.contract.reading import Block, Reader, open_file
from shared.contract.refusal import Refusal
from shared.contract.repeats import Hashes, Repeats, among
from shared.contract.source import Source
from shared.contract.spec import ModelSpec
from shared.contract.tally import Tally

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

# Two cores are busy with three, of which one waits until what it found is taken; each more is a block more in memory.
JUDGES = 3
# Bad rows that wait until it is said what is wrong with them.
BAD_BYTES = 8 * 2**20


@dataclass(frozen=True, kw_only=True)
class Cleaned:
    """What became of a file.

    Attributes:
        digest: SHA-256 of the file's bytes, in hexadecimal.
        reject_reasons: how many rows have each fault; a row may have several.
        rows_files: Parquet with the columns of the model's table in the warehouse, in one part or more.
        rejects_files: Parquet with line, raw text and reason of the rows that were kept aside.
    """

    rows: int
    accepted: int
    rejected: int
    duplicate: int
    first_event: datetime
    last_event: datetime
    digest: str
    ignored_columns: tuple[str, ...]
    reject_reasons: dict[str, int]
    rows_files: tuple[Path, ...]
    rejects_files: tuple[Path, ...]


def clean(
    source: Source,
    name: str,
    spec: ModelSpec,
    *,
    drop: str,
    generation: int,
    into: Path,
    hand_over: HandOver | None = None,
) -> Cleaned:
    """Read a file by its model's contract, in memory that does not grow with it (but for 8 bytes a row).

    Args:
        source: where its bytes are; text is gone through twice, and Parquet is put on this disk.
        name: what it is called; the ending says what it claims to be.
        into: a folder for what becomes of it.
        hand_over: is given each part as soon as it is whole, in other threads, and may take it away; without it, all
            of them stay in the folder.

    Raises:
        Refusal: the whole file breaks the contract; what was counted by then is in the error. Parts may have been
            handed over before that was known.
    """
    with ThreadPoolExecutor() as beside:
        try:
            reader = open_file(source, name, spec)
            with connect(into) as connection:
                judge = Judge(connection, spec, reader.readings())
                same: dict[str, str | int] = {"_drop": drop, "_generation": generation}
                rows = Output(into, ROWS, rows_schema(spec), same, hand_over)
                rejects = Output(into, REJECTS, rejects_schema(), same, hand_over)
                cleaning = _Cleaning(reader, judge, spec, rows, rejects)
                cleaning.run(beside)
                return cleaning.cleaned(source.digest())
        except Refusal as refusal:
            # Of one that is too large, the rest is not worth the time that reading it takes.
            refusal.digest = source.digest() if source.size_bytes <= spec.max_unpacked_bytes else ""
            raise


class _Cleaning:
    """One pass that finds the keys that come again, one that tells good rows from bad ones."""

    def __init__(self, reader: Reader, judge: Judge, spec: ModelSpec, rows: Output, rejects: Output) -> None:
        self._reader, self._judge, self._spec = reader, judge, spec
        self._rows, self._rejects = rows, rejects
        self._tally = Tally()
        self._bad: list[pa.Table] = []

    def run(self, beside: Executor) -> None:
        """Go through the file; what takes one core for a while is done beside it."""
        again = beside.submit(self._key_hashes().repeated)
        with self._rows.opened(), self._rejects.opened():
            self._go_through(again)
        try:
            self._tally.refuse_bad(self._spec)
        except Refusal as refusal:
            self._explain(refusal)
            raise

    def _key_hashes(self) -> Hashes:
        hashes, names = Hashes(), [column.name for column in key_columns(self._spec)]
        for block in one_ahead(self._reader.blocks(names)):
            hashes.add(self._judge.key_hashes(block.rows).to_numpy())
        return hashes

    def _go_through(self, again: Future[np.ndarray]) -> None:
        repeats = Repeats(self._judge, self._spec)
        names = [column.name for column in self._spec.columns]
        workers = [partial(_judged, judge) for judge in self._judges()]
        for block, judged in side_by_side(one_ahead(self._reader.blocks(names)), workers):
            self._take(block, judged, again.result(), repeats)
        self._reject_bad()
        self._tally.duplicate = repeats.settle()
        for table in repeats.accepted():
            self._accept(table)
        for table in repeats.rejected():
            self._reject(table)

    def _judges(self) -> list[Judge]:
        """For blocks beside each other; who goes through what they made has the first one for itself."""
        return [self._judge.another() for _ in range(JUDGES)]

    def _take(self, block: Block, judged: pa.Table, again: np.ndarray, repeats: Repeats) -> None:
        import numpy as np

        self._tally.rows += block.rows.num_rows + len(block.broken)
        self._reject(reject_table(block.broken))
        good, aside = judged.column("_ok").to_numpy(), among(judged.column("_hash"), again)
        self._tally.note_contents(judged.column("_content").to_numpy()[good])
        self._accept(judged.filter(good & ~aside) if not (good & ~aside).all() else judged)
        if (rest := np.flatnonzero(~good | aside)).size:
            rows = with_raw(block, rest, self._judge)
            self._bad.append(rows.filter(~aside[rest]))
            repeats.add(rows.filter(aside[rest]))
        if sum(rows.nbytes for rows in self._bad) >= BAD_BYTES:
            self._reject_bad()

    def _accept(self, rows: pa.Table) -> None:
        self._tally.accept(rows, self._spec)
        self._rows.write(rows)

    def _reject_bad(self) -> None:
        """Say what is wrong with the bad rows, for many at once: planning that takes DuckDB longer than doing it."""
        import pyarrow as pa

        if self._bad:
            self._reject(self._judge.rejects(pa.concat_tables(self._bad)))
            self._bad = []

    def _reject(self, rows: pa.Table) -> None:
        self._tally.reject(rows)
        self._rejects.write(rows)

    def _explain(self, refusal: Refusal) -> None:
        tally = self._tally
        refusal.rows, refusal.accepted = tally.rows, tally.accepted
        refusal.rejected, refusal.duplicate = tally.rejected, tally.duplicate
        refusal.ignored_columns = self._reader.ignored_columns
        refusal.rejects_files = tuple(self._rejects.files) if tally.rejected else ()

    def cleaned(self, digest: str) -> Cleaned:
        """What became of the file, which has this digest."""
        tally = self._tally
        assert tally.first_event
        assert tally.last_event
        return Cleaned(
            rows=tally.rows,
            accepted=tally.accepted,
            rejected=tally.rejected,
            duplicate=tally.duplicate,
            first_event=tally.first_event,
            last_event=tally.last_event,
            digest=digest,
            ignored_columns=self._reader.ignored_columns,
            reject_reasons=dict(tally.reasons.most_common()),
            rows_files=tuple(self._rows.files),
            rejects_files=tuple(self._rejects.files),
        )


def _judged(judge: Judge, block: Block) -> pa.Table:
    return judge.judged(block.rows)
