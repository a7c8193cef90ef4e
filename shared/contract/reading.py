"""A dropped file as blocks of rows, whatever its form; it can be gone through more than once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from shared.contract.checks import Reading
from shared.contract.refusal import Refusal
from shared.contract.source import Source
from shared.contract.spec import ModelSpec
from shared.contract.unpacking import kind_of

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

# What cannot be read in order lies in the memory of a function (deploy/gcp/functions.tf), beside what cleaning takes.
MOST_BYTES_HERE = 2**30
Broken = tuple[int, bytes, str]


@dataclass(frozen=True)
class Block:
    """Some rows as the file has them: one column per contract column that was asked for.

    Attributes:
        rows: the values, texts where the file is text.
        lines: the row's line in the file (the header's is 1), or in Parquet its number from 1.
        text: the lines that the rows are, for whoever wants to show one; none in Parquet.
        broken: line, bytes and fault of lines that are no rows.
    """

    rows: pa.Table
    lines: np.ndarray
    text: bytes | None = None
    broken: list[Broken] = field(default_factory=list)


class Reader(Protocol):
    """A file whose header is known to be right."""

    ignored_columns: tuple[str, ...]

    def readings(self) -> Mapping[str, Reading]:
        """How the values of each contract column are read."""

    def blocks(self, names: Sequence[str]) -> Iterator[Block]:
        """All rows, with these columns of them."""


def open_file(source: Source, name: str, spec: ModelSpec) -> Reader:
    """Find out what the file is, and hold its columns against the contract.

    Raises:
        Refusal: it is too large, it is not what its name says, or its columns are not the contract's.
    """
    size, most = source.size_bytes, spec.max_unpacked_bytes
    if size > most:
        remedy = "Split it, or raise max_unpacked_bytes."
        raise Refusal(f"it is more than {most:,} bytes unpacked: it comes as {size:,}.", remedy)
    from shared.contract.csv_reading import CsvReader
    from shared.contract.parquet_reading import ParquetReader

    kind = kind_of(source, name)
    if kind != "parquet":
        return CsvReader(source, kind, spec)
    if size > MOST_BYTES_HERE:
        raise Refusal(f"it is {size:,} bytes of Parquet; {MOST_BYTES_HERE:,} are the most.", "Split it, or write CSV.")
    return ParquetReader(source.file(), spec)
