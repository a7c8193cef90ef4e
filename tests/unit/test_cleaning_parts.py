"""What becomes of a file is written in parts, which can be taken away while others are still to come."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyarrow import parquet

from shared.contract import lines, output
from shared.contract.cleaning import Cleaned, clean
from shared.contract.refusal import Refusal
from shared.contract.source import Source
from shared.errors import PassingError
from tests.unit.cleaning import rides, spec, text

ROWS = 2_000


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many blocks and many parts out of a small file."""
    monkeypatch.setattr(lines, "BLOCK_BYTES", 1)
    for module in ("source", "unpacking"):
        monkeypatch.setattr(f"shared.contract.{module}.CHUNK_BYTES", 4_000)
    monkeypatch.setattr(output, "PART_BYTES", 8_000)
    monkeypatch.setattr("shared.contract.cleaning.BAD_BYTES", 1)


def cleaned(folder: Path, hand_over: output.HandOver | None = None, **changes: str) -> Cleaned:
    file, into = folder / "rides.csv", folder / "into"
    rows = [row | {"fare": f"{5 + i % 100}.25"} | changes for i, row in enumerate(rides(ROWS))]
    file.write_text(text([*rows, *rides(1, id="bad", fare="-1")]))
    into.mkdir()
    asked = spec(max_rejected_share=0.5)
    return clean(Source.on_disk(file), file.name, asked, drop="d", generation=1, into=into, hand_over=hand_over)


def test_parts_are_of_bounded_size_and_hold_every_row_once(tmp_path: Path) -> None:
    found = cleaned(tmp_path)
    assert len(found.rows_files) > 3
    assert max(part.stat().st_size for part in found.rows_files) < 20_000
    assert {part.name for part in found.rows_files} == {path.name for path in (tmp_path / "into").glob("rows-*")}
    ids = parquet.read_table([*found.rows_files]).column("id").to_pylist()
    assert ids == [f"r{i}" for i in range(ROWS)]


def test_of_parts_that_are_taken_away_no_more_than_two_are_there_at_once(tmp_path: Path) -> None:
    seen: list[str] = []
    there: list[int] = []

    def take(part: Path) -> None:
        there.append(len(list(part.parent.glob("rows-*"))))
        seen.append(part.name)
        assert parquet.read_metadata(part).num_rows
        part.unlink()

    found = cleaned(tmp_path, take)
    assert sorted(seen) == sorted(part.name for part in (*found.rows_files, *found.rejects_files))
    assert max(there) <= 2
    assert not list((tmp_path / "into").iterdir())


def test_what_cannot_be_taken_away_fails_the_cleaning(tmp_path: Path) -> None:
    def fail(part: Path) -> None:
        raise PassingError(f"{part.name} cannot be uploaded")

    with pytest.raises(PassingError, match="cannot be uploaded"):
        cleaned(tmp_path, fail)


def test_a_file_that_is_refused_at_its_end_has_handed_over_its_rejects(tmp_path: Path) -> None:
    taken: list[str] = []
    with pytest.raises(Refusal, match="rows are bad") as refused:
        cleaned(tmp_path, lambda part: taken.append(part.name), fare="-1")
    assert len(refused.value.rejects_files) > 1
    assert {part.name for part in refused.value.rejects_files} <= set(taken)
