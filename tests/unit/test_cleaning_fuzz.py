"""Good files, mutated at random: never a crash, never a wrong sum."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from shared.contract import lines
from shared.contract.cleaning import clean
from shared.contract.refusal import Refusal
from shared.contract.source import Source
from tests.unit.cleaning import as_table, rides, spec, text, zipped
from tests.unit.test_cleaning_files import typed

PLAIN = text(rides(30)).encode()
with tempfile.TemporaryDirectory() as folder:
    parquet.write_table(as_table(typed(30)), Path(folder) / "good")
    PARQUET = (Path(folder) / "good").read_bytes()
SPICE = [
    b'"',
    b'""',
    b",",
    b"\n",
    b"\r",
    b"\r\n",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b'","',
    b'\n"',
    b"nan",
    b"'",
    b"\\",
    b"1e999",
]
EDITS = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 40), st.sampled_from(SPICE) | st.binary(max_size=8)), max_size=6
)


def edited(content: bytes, edits: list[tuple[float, int, bytes]]) -> bytes:
    for place, cut, put in edits:
        at = int(place * len(content))
        content = content[:at] + put + content[at + cut :]
    return content


def outcome(content: bytes, name: str) -> int:
    """How many rows were accepted, after the sums are known to be right."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "file"
        file.write_bytes(content)
        try:
            cleaned = clean(Source.on_disk(file), name, spec(), drop="d", generation=1, into=Path(folder))
        except Refusal as refusal:
            assert refusal.error
            assert refusal.rows == refusal.accepted + refusal.rejected + refusal.duplicate
            return 0
        assert cleaned.rows == cleaned.accepted + cleaned.rejected + cleaned.duplicate
        assert parquet.read_table([*cleaned.rows_files]).num_rows == cleaned.accepted
        assert parquet.read_table([*cleaned.rejects_files]).num_rows == cleaned.rejected
        return cleaned.accepted


@settings(max_examples=150, deadline=None)
@given(EDITS)
def test_edited_csv(edits: list[tuple[float, int, bytes]]) -> None:
    outcome(edited(PLAIN, edits), "a.csv")


@settings(max_examples=60, deadline=None)
@given(EDITS)
def test_edited_csv_in_small_blocks(edits: list[tuple[float, int, bytes]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "BLOCK_BYTES", 200)
        for module in ("source", "unpacking"):
            patch.setattr(f"shared.contract.{module}.CHUNK_BYTES", 64)
        in_blocks = outcome(edited(PLAIN, edits), "a.csv")
    assert in_blocks == outcome(edited(PLAIN, edits), "a.csv")


@settings(max_examples=60, deadline=None)
@given(EDITS)
def test_edited_gzip(edits: list[tuple[float, int, bytes]]) -> None:
    outcome(edited(zipped(PLAIN), edits), "a.csv.gz")


@settings(max_examples=100, deadline=None)
@given(EDITS)
def test_edited_parquet(edits: list[tuple[float, int, bytes]]) -> None:
    outcome(edited(PARQUET, edits), "a.parquet")


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 28), st.sampled_from(SPICE))
def test_a_broken_line_never_costs_another(line: int, spice: bytes) -> None:
    content = PLAIN.split(b"\n")
    content[line] = content[line][:1] + spice + content[line][1:]
    broken_up = spice.count(b"\n")
    if b"\0" not in spice:
        assert outcome(b"\n".join(content), "a.csv") >= 29 - broken_up
