"""What a whole file is refused for, and what it is not refused for."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from shared.contract import cleaning, lines
from shared.contract.refusal import Refusal
from shared.contract.source import Source
from tests.unit.cleaning import NAMES, Cleaner, as_table, rides, spec, text, zipped

GOOD = text(rides(50))


@pytest.fixture
def clean(tmp_path: Path) -> Cleaner:
    return Cleaner(tmp_path)


def typed(count: int = 10) -> list[dict[str, object]]:
    from datetime import UTC, datetime

    same = {"at": datetime(2013, 1, 1, 12, tzinfo=UTC), "seats": 2, "night": True, "borough": "Bronx"}
    return [{"id": f"r{i}", **same, "fare": 5.25 + i} for i in range(count)]


def test_an_extra_column_is_ignored_and_reported(clean: Cleaner) -> None:
    rows = [row | {"tip": "1", "=1+1": "x"} for row in rides()]
    outcome = clean(text(rows, ["tip", *NAMES, "=1+1"]))
    assert outcome.counts == (10, 0, 0)
    assert outcome.cleaned.ignored_columns == ("tip", "=1+1")


def test_the_order_of_columns_is_free(clean: Cleaner) -> None:
    assert clean(text(rides(), NAMES[::-1])).rows == clean(text(rides())).rows


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("id,at,seats,night,borough", 'lacks "fare"'),
        ("id,at,seats,night,borough,Fare", 'lacks "fare"'),
        ("id,at,seats,night,borough, fare", 'lacks "fare"'),
        ("id,at,seats,night,borough,fare,fare", '"fare" twice'),
        ("id,at,seats,night,borough,fare,x,x", '"x" twice'),
        ("id;at;seats;night;borough;fare", "';' in place of commas"),
        ("id\tat\tseats\tnight\tborough\tfare", r"'\\t' in place of commas"),
        ('id,at,seats,night,borough,fare,"a', "cannot be read as column names"),
        (",".join([*NAMES, *(f"c{i}" for i in range(5_000))]), "5,006 columns"),
        ("", "lacks"),
    ],
)
def test_a_header_that_is_not_the_contracts_refuses_the_file(clean: Cleaner, header: str, why: str) -> None:
    clean.refuses("\n".join([header, *GOOD.splitlines()[1:], ""]), why)


def test_a_file_without_a_header_is_refused(clean: Cleaner) -> None:
    clean.refuses(text(rides(50)).partition("\n")[2], "lacks")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b"\xef\xbb\xbf", "lacks"),
        (text([]).encode(), "no rows"),
        (GOOD.encode("utf-16"), "UTF-16"),
        (GOOD.encode("utf-16-be"), "NUL byte"),
        (GOOD.replace("r7", "r\0").encode(), "NUL byte"),
        (GOOD.replace("\n", "\r").encode(), "CR alone"),
        (b"a" * 3_000_000, "first line is longer"),
        (zipped(GOOD.encode()), "ends as plain text, but the content is gzip"),
        (b"PAR1" + b"x" * 100, "ends as plain text, but the content is Parquet"),
    ],
)
def test_what_is_no_csv_is_refused(clean: Cleaner, content: bytes, why: str) -> None:
    clean.refuses(content, why)


def test_an_unknown_ending_is_refused(clean: Cleaner) -> None:
    clean.refuses(GOOD, "no known ending", name="a.xlsx")


def test_a_bom_and_crlf_and_a_missing_last_newline_are_read(clean: Cleaner) -> None:
    plain = clean(GOOD).rows
    for content in ("\ufeff" + GOOD, GOOD.replace("\n", "\r\n"), GOOD.rstrip("\n"), GOOD.replace("\n", "\r\n", 9)):
        assert clean(content).rows == plain


def test_blank_lines_are_no_rows(clean: Cleaner) -> None:
    outcome = clean(GOOD.replace("\n", "\n\n").replace("r9,", "bad,").replace("14.25", "-1") + "\r\n\n")
    assert outcome.counts == (49, 1, 0)
    assert outcome.lines == [21]


def test_a_line_with_other_fields_costs_only_itself(clean: Cleaner) -> None:
    content = GOOD.splitlines(keepends=True)
    content[10], content[20] = "a,b\n", content[20].replace("\n", ",1,2\n")
    outcome = clean("".join(content))
    assert outcome.counts == (48, 2, 0)
    assert outcome.lines == [11, 21]
    assert outcome.reasons == ["the line has 2 fields in place of 6", "the line has 8 fields in place of 6"]


@pytest.mark.parametrize("broken", [b'"r10', b'x"y","', b'r10","', b'r"10,"'])
def test_an_open_quote_costs_only_its_line(clean: Cleaner, broken: bytes) -> None:
    outcome = clean(GOOD.encode().replace(b"r10", broken, 1))
    assert outcome.counts == (49, 1, 0)
    assert outcome.lines == [12]


def test_a_line_that_is_not_utf8_costs_only_itself(clean: Cleaner) -> None:
    outcome = clean(GOOD.encode().replace(b"r10", b"r\xff\xfe"))
    assert (outcome.counts, outcome.reasons) == ((49, 1, 0), ["the line is not UTF-8"])
    assert "r\ufffd\ufffd" in outcome.rejects[0]["raw"]


def test_a_lone_cr_costs_only_its_line(clean: Cleaner) -> None:
    outcome = clean(GOOD.replace("r10", "r\r10").replace("r11", '"r11'))
    assert (outcome.counts, outcome.lines) == ((48, 2, 0), [12, 13])


def test_lines_are_counted_over_many_blocks(clean: Cleaner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "BLOCK_BYTES", 300)
    for module in ("source", "unpacking"):
        monkeypatch.setattr(f"shared.contract.{module}.CHUNK_BYTES", 97)
    content = text([*rides(200), *rides(1, id="bad", fare="-1"), *rides(100)]) + "broken\n"
    outcome = clean(content)
    assert outcome.counts == (200, 2, 100)
    assert outcome.lines == [202, 303]
    assert clean(zipped(content.encode()), name="a.csv.gz").rows == outcome.rows


def test_an_endless_line_is_refused(clean: Cleaner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "BLOCK_BYTES", 1_000)
    clean.refuses(GOOD + "x" * 2_500_000, "a line is longer")


def test_gzip_is_read_in_several_members(clean: Cleaner) -> None:
    half = len(GOOD) // 2
    content = zipped(GOOD[:half].encode()) + zipped(GOOD[half:].encode())
    assert clean(content, name="a.csv.gz").rows == clean(GOOD).rows


def test_a_broken_gzip_is_refused(clean: Cleaner) -> None:
    good = zipped(GOOD.encode())
    for content, why in (
        (good[:-20], "cut off"),
        (good[:-8] + b"\0\0\0\0" + good[-4:], "damaged"),
        (good + b"garbage", "follows the end"),
        (good[:40] + b"\xff\xff\xff" + good[43:], "damaged"),
    ):
        clean.refuses(content, why, name="a.csv.gz")
    clean.refuses(GOOD, "the content is plain text", name="a.csv.gz")


def test_a_bomb_is_refused_before_it_unfolds(clean: Cleaner) -> None:
    packer = zlib.compressobj(9, wbits=31)
    bomb = packer.compress(GOOD.encode()) + b"".join(packer.compress(b"\n" * 2**20) for _ in range(64)) + packer.flush()
    assert len(bomb) < 100_000
    clean.refuses(bomb, "more than 1,000,000 bytes unpacked", spec(max_unpacked_bytes=1_000_000), "a.csv.gz")
    clean.refuses(GOOD, "more than 100 bytes unpacked", spec(max_unpacked_bytes=100))


def test_what_is_larger_than_any_may_be_is_refused_unread(tmp_path: Path) -> None:
    def read() -> Iterator[bytes]:
        raise AssertionError("it is read")

    for name in ("a.csv", "a.csv.gz", "a.parquet"):
        source = Source(read, tmp_path / "file", 5 * 10**9)
        with pytest.raises(Refusal, match=r"more than 4,294,967,296 bytes unpacked: it comes as 5,000,000,000"):
            cleaning.clean(source, name, spec(), drop="d", generation=1, into=tmp_path)


def test_too_few_good_rows_refuse_the_file(clean: Cleaner) -> None:
    refusal = clean.refuses(
        text([*rides(9), *rides(1, id="x", fare="-1")]), "9 good rows are too few", spec(min_rows=10)
    )
    assert (refusal.rows, refusal.accepted, refusal.rejected) == (10, 9, 1)


def test_too_many_bad_rows_refuse_the_file_and_are_told(clean: Cleaner) -> None:
    rows = [*rides(6), *[row | {"id": f"b{i}", "fare": "-1"} for i, row in enumerate(rides(4))]]
    refusal = clean.refuses(
        text(rows), r"4 of 10 rows are bad, more than 30%: fare is under 0.01 \(4\)", spec(max_rejected_share=0.3)
    )
    assert refusal.rejects_files
    assert clean(text(rows), spec(max_rejected_share=0.4)).counts == (6, 4, 0)


def test_one_rows_content_under_many_keys_refuses_the_file(clean: Cleaner) -> None:
    rows = [*rides(10), *[row | {"id": f"again{i}", "fare": "5.25"} for i, row in enumerate(rides(20))]]
    clean.refuses(text(rows), "makes up 70% of the rows", spec(max_repeated_share=0.5))
    assert clean(text(rows), spec(max_repeated_share=0.8)).counts == (30, 0, 0)


def test_a_target_that_never_changes_refuses_the_file(clean: Cleaner) -> None:
    clean.refuses(text(rides(fare="7")), "fare is 7.0 in every row")


def test_a_refused_file_has_the_digest_of_its_bytes(clean: Cleaner) -> None:
    import hashlib

    assert clean.refuses("a,b\n", "lacks").digest == hashlib.sha256(b"a,b\n").hexdigest()


def test_parquet_is_read_as_csv_is(clean: Cleaner) -> None:
    from_csv = clean(text(rides())).rows
    assert clean(as_table(typed()), name="a.parquet").rows == from_csv


def test_a_rejected_row_of_parquet_has_its_number_and_its_values(clean: Cleaner) -> None:
    rows = typed()
    rows[3] |= {"fare": float("nan"), "seats": None}
    [reject] = clean(as_table(rows), name="a.parquet").rejects
    assert (reject["line"], reject["reason"]) == (4, "fare is not a number")
    assert reject["raw"] == "r3,2013-01-01 12:00:00+00,,true,Bronx,nan"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("seats", pa.int8()),
        ("seats", pa.uint64()),
        ("seats", pa.float64()),
        ("fare", pa.float32()),
        ("fare", pa.decimal128(9, 2)),
        ("id", pa.large_string()),
        ("borough", pa.dictionary(pa.int32(), pa.string())),
        ("at", pa.timestamp("ns", "UTC")),
        ("at", pa.timestamp("ms", "America/New_York")),
    ],
)
def test_parquet_may_have_a_type_that_loses_nothing(clean: Cleaner, name: str, kind: pa.DataType) -> None:
    table = as_table(typed())
    table = table.set_column(table.schema.get_field_index(name), name, table.column(name).cast(kind))
    assert clean(table, name="a.parquet").rows == clean(as_table(typed()), name="a.parquet").rows


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("fare", pa.string()),
        ("night", pa.int64()),
        ("id", pa.int64()),
        ("at", pa.int64()),
        ("id", pa.struct([("a", pa.int64())])),
        ("id", pa.list_(pa.string())),
        ("seats", pa.bool_()),
    ],
)
def test_parquet_with_another_type_is_refused(clean: Cleaner, name: str, kind: pa.DataType) -> None:
    table = as_table(typed())
    nothing = pa.nulls(table.num_rows, kind)
    table = table.set_column(table.schema.get_field_index(name), name, nothing)
    clean.refuses(table, f'"{name}" is .* in the file; the contract says', name="a.parquet")


def test_a_time_in_parquet_without_a_zone_is_by_the_columns_clocks(clean: Cleaner) -> None:
    from tests.unit.cleaning import column

    table = as_table(typed())
    table = table.set_column(1, "at", table.column("at").cast(pa.timestamp("us")))
    asked = spec(column("at", zone="America/New_York"))
    assert clean(table, asked, "a.parquet").rows[0]["at"].hour == 17


def test_a_broken_parquet_is_refused(clean: Cleaner, tmp_path: Path) -> None:
    from pyarrow import parquet

    parquet.write_table(as_table(typed(500)), tmp_path / "good", compression="zstd", write_page_checksum=True)
    good = (tmp_path / "good").read_bytes()
    for content in (
        good[: len(good) // 2],
        good[:-4] + b"XXXX",
        good[:-8] + (2**31 - 1).to_bytes(4, "little") + b"PAR1",
        good[:-60] + b"\xff" * 48 + good[-12:],
        good[:100] + b"\0" * 60 + good[160:],
        b"PAR1",
    ):
        clean.refuses(content, "Parquet is damaged", name="a.parquet")
    clean.refuses(GOOD, "the content is plain text", name="a.parquet")


def test_parquet_without_rows_or_with_too_many_bytes_is_refused(clean: Cleaner) -> None:
    clean.refuses(as_table([]), "no rows", name="a.parquet")
    clean.refuses(as_table(typed(500)), "bytes unpacked", spec(max_unpacked_bytes=500), "a.parquet")


def test_parquet_that_would_not_lie_in_a_functions_memory_is_refused_before_it_is_here(tmp_path: Path) -> None:
    source = Source(lambda: iter([b"PAR1"]), tmp_path / "file", 2 * 2**30)
    with pytest.raises(Refusal, match=r"it is 2,147,483,648 bytes of Parquet; 1,073,741,824 are the most\. Split it"):
        cleaning.clean(source, "a.parquet", spec(), drop="d", generation=1, into=tmp_path)
    assert not (tmp_path / "file").exists()
