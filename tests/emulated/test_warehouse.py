"""The warehouse on a real BigQuery emulator, with Parquet files that come from a real emulated Cloud Storage."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shared.adapters.bigquery import passing
from shared.adapters.warehouse import Account, DataVersion, Warehouse
from shared.adapters.warehouse_tables import rows_table, staging_table
from shared.adapters.warehouse_versions import snapshot_name
from shared.contract.metrics import MAE
from shared.contract.spec import BOOL, FLOAT64, INT64, STRING, TIMESTAMP, Column, ModelSpec
from shared.errors import PassingError, PermanentError
from shared.settings import Settings
from tests.emulated import laptop
from tests.emulated.bigquery_server import bigquery

JANUARY = datetime(2013, 1, 1, tzinfo=UTC)
PROJECT = "tidewheel-test"
BUCKET = f"{PROJECT}-state"
COLUMNS = [
    Column("at", TIMESTAMP, event_time=True),
    Column("id", STRING, row_key=True),
    Column("seats", INT64, nullable=True),
    Column("late", BOOL),
    Column("note", STRING, nullable=True),
    Column("fare", FLOAT64, target=True),
]
ARROW = {
    "TIMESTAMP": pa.timestamp("us", "UTC"),
    "STRING": pa.string(),
    "INT64": pa.int64(),
    "BOOL": pa.bool_(),
    "FLOAT64": pa.float64(),
}
OWN = {
    "_drop": pa.string(),
    "_generation": pa.int64(),
    "_holdout": pa.int64(),
    "_sample": pa.int64(),
}
REJECTS = {
    "_drop": pa.string(),
    "_generation": pa.int64(),
    "line": pa.int64(),
    "raw": pa.string(),
    "reason": pa.string(),
}


def spec_of(columns: list[Column]) -> ModelSpec:
    return ModelSpec(title="A test", columns=columns, pipeline=lambda params: None, metric=MAE)


SPEC = spec_of(COLUMNS)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    data = tmp_path_factory.mktemp("storage")
    with (
        pytest.MonkeyPatch.context() as patch,
        laptop.storage(data) as storage,
        bigquery(tmp_path_factory.mktemp("bigquery"), data) as server,
    ):
        patch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{storage.port}")
        patch.setenv("BIGQUERY_EMULATOR_HOST", server.rest)
        settings = Settings.from_env({"GOOGLE_CLOUD_PROJECT": PROJECT, "BIGQUERY_STORAGE_EMULATOR_HOST": server.grpc})
        Warehouse(settings).bigquery.client.create_dataset(settings.dataset)
        _bucket().client.create_bucket(BUCKET)
        yield settings


@pytest.fixture
def warehouse(settings: Settings) -> Warehouse:
    return Warehouse(settings)


@pytest.fixture
def model(warehouse: Warehouse) -> str:
    name = f"m{uuid4().hex[:8]}"
    warehouse.prepare(name, SPEC)
    return name


def _bucket() -> Any:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud.storage import Client

    return Client(project=PROJECT, credentials=AnonymousCredentials()).bucket(BUCKET)


def upload(table: pa.Table) -> str:
    content = io.BytesIO()
    pq.write_table(table, content)
    name = f"staging/{uuid4().hex}.parquet"
    _bucket().blob(name).upload_from_string(content.getvalue())
    return f"gs://{BUCKET}/{name}"


def rows_of(drop: str, generation: int, keys: range, *, fare: float = 1.0, start: datetime = JANUARY) -> pa.Table:
    luck = random.Random(keys.start)
    rows = [
        {
            "at": start + timedelta(minutes=key),
            "id": f"k{key}",
            "seats": None if key % 7 == 0 else key,
            "late": key % 2 == 0,
            "note": None if key % 3 == 0 else "ü'\"",
            "fare": fare + key,
            "_drop": drop,
            "_generation": generation,
            # Every fifth key is held out, whichever drop it is in.
            "_holdout": 100_000 if key % 5 == 0 else 700_000,
            "_sample": luck.getrandbits(62),
        }
        for key in keys
    ]
    return pa.Table.from_pylist(rows, pa.schema([*((c.name, ARROW[c.type]) for c in COLUMNS), *OWN.items()]))


def rejects_of(drop: str, generation: int, lines: int) -> pa.Table:
    rows = [
        {"_drop": drop, "_generation": generation, "line": line, "raw": "x,,", "reason": "fare is null"}
        for line in range(2, lines + 2)
    ]
    return pa.Table.from_pylist(rows, pa.schema(list(REJECTS.items())))


def account_of(model: str, table: pa.Table, drop: str, generation: int, *, rejected: int = 0) -> Account:
    times = table["at"].to_pylist()
    return Account(
        model=model,
        drop=drop,
        generation=generation,
        outcome="prepared",
        rows=table.num_rows + rejected,
        accepted=table.num_rows,
        rejected=rejected,
        duplicate=0,
        first_event=min(times, default=None),
        last_event=max(times, default=None),
        digest=f"{drop}#{generation}",
        ignored_columns=("tip",),
        prepared_at=JANUARY,
    )


def put(
    warehouse: Warehouse, model: str, drop: str, generation: int, keys: range, *, rejected: int = 0, **about: Any
) -> bool:
    table = rows_of(drop, generation, keys, **about)
    return warehouse.swap(
        model,
        SPEC,
        account=account_of(model, table, drop, generation, rejected=rejected),
        rows_uri=upload(table),
        rejects_uri=upload(rejects_of(drop, generation, rejected)),
    )


def current(warehouse: Warehouse, model: str) -> dict[str, float]:
    name = warehouse.bigquery.name(f"{model}_current")
    rows = warehouse.bigquery.run(
        f"SELECT id, fare FROM {name}(@start, @end)", start=JANUARY, end=JANUARY.replace(year=2014)
    )
    return {row["id"]: row["fare"] for row in rows}


def tables(warehouse: Warehouse) -> set[str]:
    client = warehouse.bigquery.client
    return {table.table_id for table in client.list_tables(f"{PROJECT}.tidewheel")}


def test_a_drop_is_read_as_it_was_swapped_in(warehouse: Warehouse, model: str) -> None:
    assert put(warehouse, model, f'{model}/it\'s "a" drop\\ü.csv', 7, range(20), rejected=3)
    frame = warehouse.read_drop(model, SPEC, f'{model}/it\'s "a" drop\\ü.csv')
    assert frame["id"].tolist() == [f"k{key}" for key in range(20)]
    assert frame["at"].iloc[0] == JANUARY
    assert frame["note"].iloc[1] == "ü'\""


def test_a_column_has_one_type_with_and_without_nulls(warehouse: Warehouse, model: str) -> None:
    put(warehouse, model, "with", 1, range(7))
    put(warehouse, model, "without", 2, range(1, 3))
    with_nulls, without = (warehouse.read_drop(model, SPEC, drop) for drop in ("with", "without"))
    assert with_nulls.dtypes.to_dict() == without.dtypes.to_dict()
    assert [str(with_nulls[name].dtype) for name in ("at", "seats", "late", "note")] == [
        "datetime64[us, UTC]",
        "float64",
        "bool",
        "str",
    ]


def test_a_drop_without_rows_is_an_empty_frame_of_the_same_types(warehouse: Warehouse, model: str) -> None:
    put(warehouse, model, "full", 1, range(3))
    nothing = warehouse.read_drop(model, SPEC, "unknown")
    assert nothing.empty
    assert nothing.dtypes.to_dict() == warehouse.read_drop(model, SPEC, "full").dtypes.to_dict()


def test_held_out_rows_are_read_apart(warehouse: Warehouse, model: str) -> None:
    put(warehouse, model, "d", 1, range(10))
    assert warehouse.read_drop(model, SPEC, "d", holdout=True)["id"].tolist() == ["k0", "k5"]
    assert len(warehouse.read_drop(model, SPEC, "d", holdout=False)) == 8


def test_of_a_large_drop_the_same_rows_are_read_whoever_asks(warehouse: Warehouse, model: str) -> None:
    put(warehouse, model, "d", 1, range(50))
    few, more = (warehouse.read_drop(model, SPEC, "d", most_rows=most)["id"].tolist() for most in (10, 20))
    assert (len(few), len(more)) == (10, 20) and set(few) < set(more)
    assert more == sorted(more, key=lambda name: int(name[1:]))


def test_groups_are_event_days_by_the_clocks_of_the_event_time(warehouse: Warehouse, model: str) -> None:
    put(warehouse, model, "late", 1, range(10), start=JANUARY + timedelta(hours=4, minutes=55))
    put(warehouse, model, "other", 2, range(10, 12), start=JANUARY + timedelta(days=9))
    accounts = warehouse.accounts(model)
    new_york = replace(SPEC, columns=[replace(COLUMNS[0], zone="America/New_York"), *COLUMNS[1:]])
    # Its midnight is at five o'clock of UTC, in the middle of the first drop.
    assert {name: len(days) for name, days in warehouse.groups(model, new_york, accounts).items()} == {
        "late": 2,
        "other": 1,
    }
    assert warehouse.groups(model, SPEC, accounts)["late"] == {"2013-01-01"}
    assert [*warehouse.groups(model, SPEC, accounts[:1])] == ["other"]


def test_groups_are_those_of_the_rows_that_are_judged_on_and_as_many_as_count(warehouse: Warehouse, model: str) -> None:
    put(warehouse, model, "d", 1, range(60))
    by_seats = replace(SPEC, group="seats", policy=replace(SPEC.policy, min_groups=9))
    pinned, accounts = warehouse.data_version(model, SPEC, request="r"), warehouse.accounts(model)
    assert len(warehouse.groups(model, by_seats, accounts)["d"]) == 9
    many = replace(by_seats, policy=replace(SPEC.policy, min_groups=50))
    # Of sixty keys twelve are held out; of those k0 and k35 have no seats.
    assert len(warehouse.groups(model, many, accounts, version=pinned)["d"]) == 11
    put(warehouse, model, "d", 2, range(3))
    assert len(warehouse.groups(model, many, accounts, version=pinned)["d"]) == 11


def test_rows_that_a_training_saw_are_no_news_whichever_drop_brings_them(warehouse: Warehouse, model: str) -> None:
    put(warehouse, model, "first", 1, range(10))
    seen = warehouse.data_version(model, SPEC, request="r")
    put(warehouse, model, "overlapping", 2, range(5, 15))
    unseen = warehouse.read_drop(model, SPEC, "overlapping", unseen_by=[seen])
    # k5 is held out, k10 and later are new.
    assert unseen["id"].tolist() == ["k5", "k10", "k11", "k12", "k13", "k14"]
    assert warehouse.read_drop(model, SPEC, "first", unseen_by=[seen])["id"].tolist() == ["k0", "k5"]


def test_rows_that_one_of_several_trainings_saw_are_no_news(warehouse: Warehouse, model: str) -> None:
    put(warehouse, model, "first", 1, range(5))
    early = warehouse.data_version(model, SPEC, request="early")
    put(warehouse, model, "second", 2, range(5, 10))
    warehouse.withdraw(model, "first")
    late = warehouse.data_version(model, SPEC, request="late")
    put(warehouse, model, "third", 3, range(15))
    by = {name: warehouse.read_drop(model, SPEC, "third", unseen_by=seen)["id"].tolist() for name, seen in
          {"early": [early], "late": [late], "both": [early, late]}.items()}  # fmt: skip
    assert (
        by["both"]
        == [each for each in by["early"] if each in by["late"]]
        == ["k0", "k5", *(f"k{number}" for number in range(10, 15))]
    )
    assert len(by["early"]) == len(by["late"]) == len(by["both"]) + 4


def test_a_newer_generation_replaces_rows_and_rejects(warehouse: Warehouse, model: str) -> None:
    put(warehouse, model, "d", 1, range(10), rejected=5)
    assert put(warehouse, model, "d", 2, range(5, 8), rejected=1, start=JANUARY + timedelta(days=40))
    assert warehouse.read_drop(model, SPEC, "d")["_generation"].tolist() == [2, 2, 2]
    assert warehouse.read_drop(model, SPEC, "d", generation=1).empty
    assert [reject["_generation"] for reject in warehouse.rejects(model, "d")] == [2]


def test_an_older_generation_changes_nothing(warehouse: Warehouse, model: str) -> None:
    put(warehouse, model, "d", 2, range(5), rejected=1)
    before = tables(warehouse)
    assert not put(warehouse, model, "d", 1, range(50), rejected=9)
    assert len(warehouse.read_drop(model, SPEC, "d")) == 5
    assert len(warehouse.rejects(model, "d")) == 1
    assert warehouse.account(model, "d", 1) is None
    assert tables(warehouse) == before


def test_repeating_a_swap_doubles_nothing(warehouse: Warehouse, model: str) -> None:
    for _ in range(3):
        assert put(warehouse, model, "d", 1, range(10), rejected=2)
    assert len(warehouse.read_drop(model, SPEC, "d")) == 10
    assert len(warehouse.rejects(model, "d")) == 2
    assert len(warehouse.accounts(model)) == 1


def test_a_swap_that_fails_leaves_rows_and_no_staging(warehouse: Warehouse, model: str) -> None:
    put(warehouse, model, "d", 1, range(4))
    before = tables(warehouse)
    table = rows_of("d", 2, range(9))
    with pytest.raises(Exception, match=r"(?i)nowhere|no files|not found"):
        warehouse.swap(
            model,
            SPEC,
            account=account_of(model, table, "d", 2),
            rows_uri=upload(table),
            rejects_uri=f"gs://{BUCKET}/nowhere",
        )
    assert len(warehouse.read_drop(model, SPEC, "d")) == 4
    assert tables(warehouse) == before


@pytest.mark.parametrize("drop", ["d", "e"])
def test_a_swap_that_fails_half_way_is_taken_back(warehouse: Warehouse, model: str, drop: str) -> None:
    put(warehouse, model, "d", 1, range(4), rejected=1)
    put(warehouse, model, "c", 1, range(10, 13))
    before, table = current(warehouse, model), rows_of(drop, 2, range(2, 9), fare=5.0)
    # What is wrong with them is seen once the rows have been changed.
    rejects = rejects_of(drop, 2, 2).rename_columns(["_drop", "_generation", "line", "raw", "because"])
    with pytest.raises(Exception, match="reason"):
        warehouse.swap(
            model,
            SPEC,
            account=account_of(model, table, drop, 2, rejected=2),
            rows_uri=upload(table),
            rejects_uri=upload(rejects),
        )
    assert current(warehouse, model) == before
    assert [each["reason"] for each in warehouse.rejects(model, "d")] == ["fare is null"]
    # Nothing is in the way of another try.
    assert put(warehouse, model, drop, 2, range(2, 9), fare=5.0)
    assert len(warehouse.read_drop(model, SPEC, drop)) == 7
    assert len(current(warehouse, model)) == {"d": 7, "e": 9}[drop] + 3


def test_a_drop_in_which_every_row_was_rejected_has_an_account(warehouse: Warehouse, model: str) -> None:
    assert put(warehouse, model, "d", 1, range(0), rejected=2)
    found = warehouse.account(model, "d")
    assert found and (found.accepted, found.rejected, found.first_event) == (0, 2, None)


def test_an_account_is_read_as_it_was_written(warehouse: Warehouse, model: str) -> None:
    put(warehouse, model, "d", 1, range(4), rejected=1)
    assert warehouse.account(model, "d") == account_of(model, rows_of("d", 1, range(4)), "d", 1, rejected=1)


def test_a_refused_generation_leaves_the_earlier_rows(warehouse: Warehouse, model: str) -> None:
    put(warehouse, model, "d", 1, range(4), rejected=1)
    refused = replace(account_of(model, rows_of("d", 2, range(0)), "d", 2, rejected=3), outcome="refused", reason="bad")
    warehouse.refuse(refused, upload(rejects_of("d", 2, 3)))
    warehouse.refuse(replace(refused, drop="other"))
    assert warehouse.account(model, "d") == refused
    assert warehouse.account(model, "d", 1).outcome == "prepared"  # type: ignore[union-attr]
    assert len(warehouse.read_drop(model, SPEC, "d")) == 4
    assert len(warehouse.rejects(model, "d")) == 4


def test_a_good_generation_that_is_older_than_a_refused_one_is_taken(warehouse: Warehouse, model: str) -> None:
    refused = replace(account_of(model, rows_of("d", 2, range(0)), "d", 2), outcome="refused", reason="bad")
    warehouse.refuse(refused)
    assert put(warehouse, model, "d", 1, range(4))
    assert len(warehouse.read_drop(model, SPEC, "d")) == 4


def test_accounts_come_with_the_newest_data_first(warehouse: Warehouse, model: str) -> None:
    put(warehouse, model, "march", 1, range(3), start=JANUARY.replace(month=3))
    put(warehouse, model, "may", 2, range(3), start=JANUARY.replace(month=5))
    put(warehouse, model, "april", 3, range(3), start=JANUARY.replace(month=4))
    warehouse.refuse(replace(account_of(model, rows_of("x", 4, range(0)), "x", 4), outcome="refused", reason="bad"))
    assert [account.drop for account in warehouse.accounts(model)] == ["may", "april", "march", "x"]


def test_a_twin_has_the_same_bytes_and_another_name(warehouse: Warehouse, model: str) -> None:
    put(warehouse, model, "d", 1, range(3))
    assert warehouse.twin(model, "d#1", "again") == "d"
    assert warehouse.twin(model, "d#1", "d") is None
    warehouse.withdraw(model, "d")
    assert warehouse.twin(model, "d#1", "again") is None


def test_current_takes_each_key_from_the_newest_drop_in_any_order_of_arrival(warehouse: Warehouse, model: str) -> None:
    put(warehouse, model, "b", 20, range(5, 10), fare=200.0)
    put(warehouse, model, "a", 10, range(10), fare=100.0)
    found = current(warehouse, model)
    assert [found[f"k{key}"] - key for key in range(10)] == [100.0] * 5 + [200.0] * 5


def test_a_withdrawn_drop_leaves_current_and_comes_back(warehouse: Warehouse, model: str) -> None:
    put(warehouse, model, "a", 10, range(10), fare=100.0)
    put(warehouse, model, "b", 20, range(5, 10), fare=200.0)
    warehouse.withdraw(model, "b")
    assert set(current(warehouse, model).values()) == {100.0 + key for key in range(10)}
    put(warehouse, model, "b", 20, range(5, 10), fare=200.0)
    assert max(current(warehouse, model).values()) == 109.0, "a repeated swap puts nothing back"
    warehouse.withdraw(model, "b", withdrawn=False)
    assert max(current(warehouse, model).values()) == 209.0


def test_of_a_drop_one_generation_alone_is_withdrawn(warehouse: Warehouse, model: str) -> None:
    put(warehouse, model, "d", 1, range(4))
    put(warehouse, model, "d", 2, range(3))
    warehouse.withdraw(model, "d", generation=1)
    assert len(current(warehouse, model)) == 3
    warehouse.withdraw(model, "d", generation=2)
    assert not current(warehouse, model)


def test_a_data_version_is_the_same_each_time_it_is_asked_for(warehouse: Warehouse, model: str) -> None:
    put(warehouse, model, "a", 10, range(100))
    put(warehouse, model, "b", 20, range(90, 120), fare=5.0)
    first = warehouse.data_version(model, SPEC, request="r1")
    put(warehouse, model, "c", 30, range(120, 200))
    assert warehouse.data_version(model, SPEC, request="r1") == first
    assert (first.rows, first.train_rows) == (120, 96)
    assert first.drops == (("a", 10), ("b", 20))
    assert (first.first_event, first.last_event) == ("2013-01-01T00:00:00+00:00", "2013-01-01T01:59:00+00:00")
    assert DataVersion.from_dict(first.to_dict()) == first


def test_the_digest_follows_the_data_and_not_the_file(warehouse: Warehouse, model: str) -> None:
    put(warehouse, model, "a", 10, range(50))
    first = warehouse.data_version(model, SPEC, request="r1")
    put(warehouse, model, "same", 20, range(50))
    assert warehouse.data_version(model, SPEC, request="r2").digest == first.digest
    put(warehouse, model, "b", 30, range(1), fare=2.0)
    assert warehouse.data_version(model, SPEC, request="r3").digest != first.digest


def test_a_data_version_is_immune_to_what_comes_later(warehouse: Warehouse, model: str) -> None:
    put(warehouse, model, "a", 10, range(50))
    version = warehouse.data_version(model, SPEC, request="r1")
    before = warehouse.read_training(version, SPEC, held_out=False)
    put(warehouse, model, "a", 11, range(10), fare=9.0)
    put(warehouse, model, "b", 20, range(100))
    warehouse.withdraw(model, "a")
    assert warehouse.read_training(version, SPEC, held_out=False).equals(before)


def test_training_never_sees_a_held_out_row(warehouse: Warehouse, model: str) -> None:
    put(warehouse, model, "a", 10, range(100))
    version = warehouse.data_version(model, SPEC, request="r1")
    trained, held = (warehouse.read_training(version, SPEC, held_out=held_out) for held_out in (False, True))
    assert (len(trained), len(held)) == (80, 20)
    assert not set(trained["id"]) & set(held["id"])
    assert trained["at"].is_monotonic_increasing


def test_held_out_rows_are_those_of_the_drops_that_are_asked_for(warehouse: Warehouse, model: str) -> None:
    put(warehouse, model, "a", 10, range(100))
    put(warehouse, model, "b", 20, range(100, 110))
    version = warehouse.data_version(model, SPEC, request="r1", window=("2013-01-01", "2013-01-01T01:00:00"))
    assert version.rows == 60
    held = warehouse.read_training(version, SPEC, held_out=True, drops=["b"])
    assert held["id"].tolist() == ["k100", "k105"]


def test_a_window_leaves_out_its_end(warehouse: Warehouse, model: str) -> None:
    put(warehouse, model, "a", 10, range(10), start=JANUARY.replace(month=1))
    put(warehouse, model, "b", 20, range(10, 20), start=JANUARY.replace(month=2) - timedelta(minutes=10))
    version = warehouse.data_version(model, SPEC, request="r1", window=("2013-02-01", None))
    assert (version.rows, version.window_from, version.window_to) == (10, "2013-02-01T00:00:00+00:00", None)
    assert version.drops == (("b", 20),)
    assert len(warehouse.read_training(version, SPEC, held_out=False)) == 8


def test_a_sample_has_exactly_the_smallest_of_the_rows(warehouse: Warehouse, model: str) -> None:
    put(warehouse, model, "a", 10, range(2_000))
    version = warehouse.data_version(model, SPEC, request="r1", rows="1k")
    assert (version.rows, version.train_rows) == (2_000, 1_000)
    source = rows_of("a", 10, range(2_000)).to_pandas().query("_holdout >= 200000").nsmallest(1_000, "_sample")
    sample = warehouse.read_training(version, SPEC, held_out=False)
    assert set(sample["id"]) == set(source["id"])
    assert len(sample) == 1_000


def test_a_model_without_rows_has_an_empty_data_version(warehouse: Warehouse, model: str) -> None:
    version = warehouse.data_version(model, SPEC, request="r1")
    assert (version.rows, version.train_rows, version.drops, version.first_event) == (0, 0, (), None)
    assert warehouse.read_training(version, SPEC, held_out=False).empty


def test_requests_that_do_not_fit_a_table_name_have_snapshots_of_their_own() -> None:
    assert snapshot_name("m", "abc123") == "m_at_abc123"
    assert len({snapshot_name("m", request) for request in ("a-b", "a_b", "A_b", "a" * 99, "a" * 98)}) == 5


def test_an_added_nullable_column_migrates(warehouse: Warehouse, model: str, settings: Settings) -> None:
    put(warehouse, model, "d", 1, range(5))
    wider = spec_of([*COLUMNS[:2], Column("tip", FLOAT64, nullable=True), *COLUMNS[2:]])
    later = Warehouse(settings)
    later.prepare(model, wider)
    assert later.read_drop(model, wider, "d")["tip"].isna().all()
    name = later.bigquery.name(f"{model}_current")
    assert len(later.bigquery.run(f"SELECT tip FROM {name}(@start, @start)", start=JANUARY)) == 0


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        (
            [*COLUMNS, Column("tip", FLOAT64)],
            r'"tip" of table \w+ is no such column, but the file says FLOAT64 never null',
        ),
        ([*COLUMNS[:2], Column("seats", STRING, nullable=True), *COLUMNS[3:]], '"seats".* is INT64, but .* STRING'),
        ([*COLUMNS[:2], *COLUMNS[3:]], '"seats".* is INT64, but the file says no such column'),
        ([*COLUMNS[:3], Column("late", BOOL, nullable=True), *COLUMNS[4:]], '"late".* is BOOL never null, but .* BOOL'),
    ],
)
def test_any_other_change_of_a_table_is_refused(
    settings: Settings, model: str, columns: list[Column], sentence: str
) -> None:
    with pytest.raises(PermanentError, match=sentence):
        Warehouse(settings).prepare(model, spec_of(columns))


def test_preparing_what_is_prepared_asks_two_questions_and_then_none(
    settings: Settings, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = Warehouse(settings)
    asked: list[str] = []
    connection = warehouse.bigquery.client._connection
    ask = connection.api_request

    def listen(**request: Any) -> Any:
        asked.append(request["method"])
        return ask(**request)

    monkeypatch.setattr(connection, "api_request", listen)
    warehouse.prepare(model, SPEC)
    warehouse.prepare(model, SPEC)
    assert asked == ["GET", "GET"]


def test_a_process_that_has_prepared_a_model_widens_its_table_once_the_file_is_edited(
    settings: Settings, model: str
) -> None:
    warehouse = Warehouse(settings)
    warehouse.prepare(model, SPEC)
    wider = spec_of([*COLUMNS, Column("tip", FLOAT64, nullable=True)])
    warehouse.prepare(model, wider)
    assert "tip" in [
        field.name for field in warehouse.bigquery.client.get_table(f"{PROJECT}.tidewheel.{model}_rows").schema
    ]


def test_the_request_for_a_rows_table_asks_for_partitions_that_must_be_named(warehouse: Warehouse) -> None:
    asked = rows_table(warehouse.bigquery, "m", SPEC).to_api_repr()
    assert asked["timePartitioning"] == {"type": "DAY", "field": "at"}
    assert asked["requirePartitionFilter"] is True
    assert asked["clustering"] == {"fields": ["_drop"]}
    assert [field["mode"] for field in asked["schema"]["fields"]][:3] == ["REQUIRED", "REQUIRED", "NULLABLE"]


def test_the_request_for_a_staging_table_lets_it_expire(warehouse: Warehouse) -> None:
    assert "expirationTime" in staging_table(warehouse.bigquery, "staging_x", [("a", "INT64", True)]).to_api_repr()


def test_a_name_that_is_none_never_reaches_sql(warehouse: Warehouse) -> None:
    with pytest.raises(PermanentError, match="cannot be a name"):
        warehouse.prepare("m` UNION ALL", SPEC)


def test_conflicts_pass_and_mistakes_do_not() -> None:
    from google.api_core import exceptions as google

    words = "Transaction is aborted due to concurrent update against table x"
    for error in (
        google.BadRequest(words),
        google.Conflict("x"),
        google.ServiceUnavailable("x"),
        google.TooManyRequests("x"),
    ):
        with pytest.raises(PassingError), passing():
            raise error
    with pytest.raises(google.BadRequest), passing():
        raise google.BadRequest("Unrecognized name: nope")


def score(model: str, **about: Any) -> dict[str, Any]:
    row = {
        "model": model,
        "drop": "d",
        "generation": 1,
        "version": 1,
        "role": "champion",
        "metric": "mae",
        "slice": None,
    }
    return {**row, "value": 2.0, "rows": 10, "baseline": 4.0, "skill": 0.5, "evaluated_at": JANUARY, **about}


def test_evaluations_are_not_doubled(warehouse: Warehouse, model: str) -> None:
    rows = [score(model), score(model, slice="night", value=float("nan")), score(model, drop="e")]
    warehouse.append_evaluations(rows)
    warehouse.append_evaluations([score(model, value=3.0), rows[1]])
    found = warehouse.evaluations(model, "d")
    assert {row["slice"]: row["value"] for row in found} == {None: 3.0, "night": None}
    assert len(warehouse.evaluations(model)) == 3
    assert found[0] == score(model, value=3.0)


def entry(model: str, number: int, story: str = "s") -> dict[str, Any]:
    return {
        "subscription_name": "projects/p/subscriptions/log-drop-received",
        "message_id": f"{model}{number}",
        "publish_time": JANUARY + timedelta(seconds=number),
        "data": f'{{"model": "{model}"}}',
        "attributes": f'{{"story": "{story}"}}',
    }


def test_the_log_tells_each_message_once_oldest_first(warehouse: Warehouse, model: str) -> None:
    warehouse.append_log([entry(model, 1), entry(model, 2, "t")])
    warehouse.append_log([entry(model, 2, "t"), entry(model, 3)])
    assert warehouse.log(model) == [entry(model, 1), entry(model, 2, "t"), entry(model, 3)]
    assert [row["message_id"] for row in warehouse.log(model, limit=1)] == [f"{model}3"]
    assert [row["message_id"] for row in warehouse.log(model, story="t")] == [f"{model}2"]
    assert len(warehouse.log(model, since=JANUARY + timedelta(seconds=2))) == 2


def test_the_log_bears_what_is_no_json_and_knows_a_drop_by_its_folder(warehouse: Warehouse, model: str) -> None:
    landed = {**entry(model, 2), "data": f'{{"name": "{model}/a.csv"}}', "attributes": "{}"}
    warehouse.append_log([{**entry(model, 1), "data": f"{model} {{"}, landed])
    assert warehouse.log(model) == [landed]
    assert warehouse.log(story=f"{model}/a.csv") == [landed]


def test_the_log_finds_a_story_whatever_its_name_is_written_with(warehouse: Warehouse, model: str) -> None:
    name = f'{model}/ü "1".csv'
    escaped = {**entry(model, 1), "data": json.dumps({"name": name}), "attributes": "{}"}
    raw = {**entry(model, 2), "data": json.dumps({"name": name}, ensure_ascii=False), "attributes": "{}"}
    warehouse.append_log([escaped, raw])
    assert len(warehouse.log(story=name)) == 2
