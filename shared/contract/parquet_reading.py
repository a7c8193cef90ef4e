"""Parquet as blocks of rows: its own types must be those of the contract, and its size is known before it is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from shared.contract.checks import Reading, native_reading, text_reading
from shared.contract.header import checked_names
from shared.contract.reading import Block
from shared.contract.refusal import Refusal, shown
from shared.contract.spec import BOOL, FLOAT64, INT64, STRING, TIMESTAMP, Column, ModelSpec

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK_ROWS = 2**17


class ParquetReader:
    """A Parquet file."""

    def __init__(self, file: Path, spec: ModelSpec) -> None:
        self._file, self._spec = file, spec
        with _refusing_damage(), self._opened() as parquet:
            schema, metadata = parquet.schema_arrow, parquet.metadata
            groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
        self.ignored_columns = checked_names(schema.names, spec)
        unpacked = sum(group.total_byte_size for group in groups)
        if unpacked > spec.max_unpacked_bytes:
            raise Refusal(f"it is {unpacked:,} bytes unpacked; {spec.max_unpacked_bytes:,} are allowed.", "Split it.")
        self._readings = {column.name: _reading(column, schema.field(column.name).type) for column in spec.columns}

    def readings(self) -> Mapping[str, Reading]:
        """How the values of each contract column are read."""
        return self._readings

    def blocks(self, names: Sequence[str]) -> Iterator[Block]:
        """All rows, with these columns of them."""
        import numpy as np
        import pyarrow as pa

        first = 1
        with _refusing_damage(), self._opened() as parquet:
            for batch in parquet.iter_batches(BLOCK_ROWS, columns=list(names)):
                yield Block(self._table(pa.Table.from_batches([batch])), np.arange(first, first + batch.num_rows))
                first += batch.num_rows

    def _table(self, rows: pa.Table) -> pa.Table:
        """Texts that mean null are null here, too."""
        import pyarrow as pa
        import pyarrow.compute as pc

        nulls = pa.array(["", *self._spec.nulls])
        for position, field in enumerate(rows.schema):
            if _is_text(field.type):
                texts = rows.column(position).cast(pa.string())
                if pc.any(mean_null := pc.is_in(texts, nulls)).as_py():
                    texts = pc.if_else(mean_null, pa.scalar(None, pa.string()), texts)
                rows = rows.set_column(position, field.name, texts)
        return rows

    @contextmanager
    def _opened(self) -> Iterator[pa.parquet.ParquetFile]:
        from pyarrow import parquet

        # Read in steps, and nothing ahead: a row group may be larger than this process ought to be, and what is read
        # ahead is kept until the file is closed.
        in_steps = {"buffer_size": 2**20, "pre_buffer": False}
        with parquet.ParquetFile(self._file, page_checksum_verification=True, **in_steps) as opened:
            yield opened


@contextmanager
def _refusing_damage() -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise Refusal(f"the Parquet is damaged ({shown(str(error))}).", "Write it again.") from error


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    types = pa.types
    return (
        types.is_string(kind)
        or types.is_large_string(kind)
        or (types.is_dictionary(kind) and _is_text(kind.value_type))
    )


def _reading(column: Column, kind: pa.DataType) -> Reading:
    """How a column of this type is read as the contract's.

    Raises:
        Refusal: that would be a guess.
    """
    import pyarrow as pa

    types = pa.types
    number = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
    fits = {INT64: number, FLOAT64: number, BOOL: types.is_boolean(kind), STRING: _is_text(kind)}
    if fits.get(column.type, types.is_timestamp(kind)):
        return native_reading(column, zoned=types.is_timestamp(kind) and kind.tz is not None)
    # Times have no other form in many files; they are read as strictly as in CSV.
    if column.type == TIMESTAMP and _is_text(kind):
        return text_reading(column)
    raise Refusal(f'"{column.name}" is {shown(str(kind))} in the file; the contract says {column.type}.', "Retype it.")
