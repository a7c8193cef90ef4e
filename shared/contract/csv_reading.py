"""CSV as blocks of rows: pyarrow parses a block, and where it stumbles the lines are sifted first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from shared.contract.checks import Reading, text_reading
from shared.contract.header import checked_names, header_names
from shared.contract.lines import MAX_LINE_BYTES, blocks, count, is_plain, sifted
from shared.contract.reading import Block
from shared.contract.refusal import Refusal
from shared.contract.source import Source
from shared.contract.spec import FLOAT64, INT64, ModelSpec
from shared.contract.unpacking import Kind, text_chunks

if TYPE_CHECKING:
    import pyarrow as pa


class CsvReader:
    """A CSV file, gzipped or not."""

    def __init__(self, source: Source, kind: Kind, spec: ModelSpec) -> None:
        self._source, self._kind, self._spec = source, kind, spec
        names = header_names(next(self._texts()))
        self.ignored_columns = checked_names(names, spec)
        self._numbers = {column.name for column in spec.columns if column.type in (INT64, FLOAT64)}
        # What is ignored may have any name, also one that no reader takes.
        self._names = [f"#{i}" if name in self.ignored_columns else name for i, name in enumerate(names)]

    def readings(self) -> Mapping[str, Reading]:
        """How the values of each contract column are read."""
        return {column.name: text_reading(column) for column in self._spec.columns}

    def blocks(self, names: Sequence[str]) -> Iterator[Block]:
        """All rows, with these columns of them."""
        texts = self._texts()
        next(texts)
        first = 2
        for text in texts:
            lines = count(text)
            yield self._block(text, first, lines, names)
            first += lines

    def _texts(self) -> Iterator[bytes]:
        return blocks(text_chunks(self._source, self._kind, self._spec.max_unpacked_bytes))

    def _block(self, text: bytes, first: int, lines: int, names: Sequence[str]) -> Block:
        import numpy as np

        rows = self._parsed(text, names) if is_plain(text) else None
        if rows is not None and rows.num_rows == lines:
            return Block(rows, np.arange(first, first + lines), text)
        sift = sifted(text, len(self._names))
        rows = self._parsed(sift.text, names)
        if rows is None or rows.num_rows != len(sift.kept):
            raise Refusal(f"between lines {first:,} and {first + lines - 1:,} it is no CSV.", "Write it again.")
        broken = [(first + position, line, fault) for position, line, fault in sift.broken]
        return Block(rows, sift.kept + first, sift.text, broken)

    def _parsed(self, text: bytes, names: Sequence[str]) -> pa.Table | None:
        """The block's rows; None if pyarrow cannot make rows of it."""
        import pyarrow as pa
        from pyarrow import csv

        if not text:
            return pa.table({name: pa.array([], pa.string()) for name in names})
        convert = csv.ConvertOptions(
            column_types={name: pa.string() for name in names},
            include_columns=list(names),
            null_values=["", *self._spec.nulls],
            strings_can_be_null=True,
        )
        read = csv.ReadOptions(column_names=self._names, block_size=2 * MAX_LINE_BYTES)
        try:
            rows = csv.read_csv(pa.BufferReader(text), read, convert_options=convert)
        except pa.ArrowInvalid:
            return None
        return self._without_underscores(rows) if b"_" in text else rows

    def _without_underscores(self, rows: pa.Table) -> pa.Table:
        """For DuckDB `1_000` is a number; one look at the whole block is quicker than one at each value."""
        import pyarrow.compute as pc

        for name in rows.column_names:
            if name in self._numbers:
                texts = pc.replace_substring(rows.column(name), "_", "?")
                rows = rows.set_column(rows.column_names.index(name), name, texts)
        return rows
