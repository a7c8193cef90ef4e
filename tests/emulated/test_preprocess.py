"""A dropped file through the step, against a real emulated Cloud Storage and a real BigQuery emulator."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from functions.preprocess.staging import Staging
from functions.preprocess.step import GONE, prepare
from shared.adapters.storage import Stored
from shared.contract.catalog import model
from shared.contract.refusal import Refusal
from shared.errors import PassingError, PermanentError
from shared.lifecycle.events import DataPrepared, DropIgnored, DropReceived
from shared.lifecycle.services import Services
from shared.settings import Settings
from tests.emulated import laptop
from tests.emulated.bigquery_server import bigquery

PROJECT = "tidewheel-test"
MODEL = "taxi_fare"
COLUMNS = ["key", "fare_amount", "pickup_datetime", "pickup_longitude", "pickup_latitude"]
COLUMNS += ["dropoff_longitude", "dropoff_latitude", "passenger_count"]


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    data = tmp_path_factory.mktemp("storage")
    with (
        pytest.MonkeyPatch.context() as patch,
        laptop.storage(data) as storage,
        bigquery(tmp_path_factory.mktemp("bigquery"), data) as server,
    ):
        patch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{storage.port}")
        patch.setenv("BIGQUERY_EMULATOR_HOST", server.rest)
        settings = Settings.from_env({"GOOGLE_CLOUD_PROJECT": PROJECT, "BIGQUERY_STORAGE_EMULATOR_HOST": server.grpc})
        services = Services(settings)
        services.warehouse.bigquery.client.create_dataset(settings.dataset)
        for bucket in (settings.landing_bucket, settings.quarantine_bucket, settings.state_bucket):
            client().create_bucket(bucket)
        yield services


def client() -> Any:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud.storage import Client

    return Client(project=PROJECT, credentials=AnonymousCredentials())


def trips(count: int, *, first: int = 0, fare: float = 5.0) -> str:
    rows = [
        f"trip {i},{fare + i % 7},2013-01-{1 + i % 28:02} 12:00:00 UTC,-73.98,40.75,-73.95,40.{70 + i % 9},1"
        for i in range(first, first + count)
    ]
    return "\n".join([",".join(COLUMNS), *rows]) + "\n"


def drop(services: Services, name: str, content: str) -> DropReceived:
    bucket = services.settings.landing_bucket
    blob = client().bucket(bucket).blob(name)
    blob.upload_from_string(content.encode())
    return DropReceived(bucket=bucket, name=name, generation=blob.generation)


def staged(services: Services) -> list[str]:
    return services.storage.names(services.settings.state_bucket, "staging/")


def quarantined(services: Services, event: DropReceived) -> dict[str, Any]:
    found = services.storage.read(services.settings.quarantine_bucket, f"{event.name}@{event.generation}.json")
    assert found
    return found[0]


def test_a_drop_is_in_the_warehouse_when_it_is_announced(services: Services) -> None:
    event = drop(services, f"{MODEL}/good.csv", trips(150) + "bad,-1,2013-01-01 12:00:00 UTC,0,0,0,0,1\n")
    [prepared] = prepare(event, services)
    assert isinstance(prepared, DataPrepared)
    assert (prepared.accepted, prepared.rejected, prepared.duplicate, prepared.same_as) == (150, 1, 0, None)
    assert prepared.first_event_time == "2013-01-01T17:00:00+00:00"
    frame = services.warehouse.read_drop(MODEL, model(MODEL), event.name)
    assert len(frame) == 150
    assert frame["fare_amount"].min() == 5.0
    [reject] = services.warehouse.rejects(MODEL, event.name)
    assert (reject["line"], reject["raw"]) == (152, "bad,-1,2013-01-01 12:00:00 UTC,0,0,0,0,1")
    assert "fare_amount is under 0.01" in reject["reason"]
    account = services.warehouse.account(MODEL, event.name)
    assert account
    assert (account.rows, account.accepted, account.rejected, account.duplicate) == (151, 150, 1, 0)
    assert not staged(services)


def test_preparing_a_drop_again_doubles_nothing(services: Services) -> None:
    event = drop(services, f"{MODEL}/again.csv", trips(120, first=1_000))
    assert prepare(event, services) == prepare(event, services)
    assert len(services.warehouse.read_drop(MODEL, model(MODEL), event.name)) == 120


def test_a_newer_generation_replaces_the_rows_and_an_older_one_is_ignored(services: Services) -> None:
    old = drop(services, f"{MODEL}/twice.csv", trips(120, first=2_000))
    new = drop(services, f"{MODEL}/twice.csv", trips(130, first=2_000))
    assert isinstance(prepare(new, services)[0], DataPrepared)
    [ignored] = prepare(old, services)
    assert isinstance(ignored, DropIgnored)
    assert len(services.warehouse.read_drop(MODEL, model(MODEL), new.name)) == 130


def test_a_generation_that_is_gone_is_ignored(services: Services) -> None:
    event = drop(services, f"{MODEL}/gone.csv", trips(120, first=3_000))
    client().bucket(event.bucket).blob(event.name).delete()
    [ignored] = prepare(event, services)
    assert isinstance(ignored, DropIgnored)


def test_the_same_bytes_under_another_name_are_told(services: Services) -> None:
    first = drop(services, f"{MODEL}/original.csv", trips(120, first=4_000))
    second = drop(services, f"{MODEL}/copy.csv", trips(120, first=4_000))
    prepare(first, services)
    [prepared] = prepare(second, services)
    assert isinstance(prepared, DataPrepared)
    assert prepared.same_as == first.name


def test_a_refused_file_is_in_quarantine_with_its_reason_and_its_account(services: Services) -> None:
    good = drop(services, f"{MODEL}/refused.csv", trips(120, first=5_000))
    prepare(good, services)
    bad = drop(services, f"{MODEL}/refused.csv", trips(120, first=5_000, fare=-100))
    with pytest.raises(Refusal, match="fare_amount is under"):
        prepare(bad, services)
    reason = quarantined(services, bad)
    assert "fare_amount is under 0.01 (120)" in reason["error"]
    assert json.dumps(reason)
    kept = client().bucket(services.settings.quarantine_bucket).blob(f"{bad.name}@{bad.generation}")
    assert kept.download_as_bytes().decode() == trips(120, first=5_000, fare=-100)
    account = services.warehouse.account(MODEL, bad.name)
    assert account
    assert (account.outcome, account.rows, account.rejected) == ("refused", 120, 120)
    assert len(services.warehouse.rejects(MODEL, bad.name, limit=500)) == 120
    # The rows that were good stay.
    assert len(services.warehouse.read_drop(MODEL, model(MODEL), good.name)) == 120
    assert not staged(services)


def test_a_file_that_is_no_csv_is_refused_with_an_account_of_no_rows(services: Services) -> None:
    event = drop(services, f"{MODEL}/empty.csv", "")
    for _ in range(2):
        with pytest.raises(Refusal, match="empty"):
            prepare(event, services)
    account = services.warehouse.account(MODEL, event.name)
    assert account
    assert (account.outcome, account.rows, account.reason) == ("refused", 0, "the file is empty.")


def test_a_folder_is_no_drop(services: Services) -> None:
    assert prepare(drop(services, f"{MODEL}/2013/", ""), services) == []
    assert prepare(drop(services, "anything/", ""), services) == []


@pytest.mark.parametrize(
    "name", ["", "/", "../", "no_model/a.csv", "a.csv", f"{MODEL}/../a.csv", f"{MODEL}/a\n.csv", f"{MODEL}//a.csv"]
)
def test_a_name_that_means_no_drop_is_refused(services: Services, name: str) -> None:
    with pytest.raises(PermanentError, match=r"no model|cannot be the name"):
        prepare(DropReceived(bucket=services.settings.landing_bucket, name=name, generation=1), services)


def test_a_file_that_is_refused_leaves_nothing_on_the_disk(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(Refusal):
        prepare(drop(services, f"{MODEL}/bad.csv", "a,b\n1,2\n"), services)
    prepare(drop(services, f"{MODEL}/fine.csv", trips(120, first=6_000)), services)
    assert not list(tmp_path.iterdir())


def many_parts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Blocks and parts so small that a few hundred rows make many: the names that were staged, as they come."""
    names: list[str] = []

    def take(staging: Staging, part: Path) -> None:
        original(staging, part)
        names.append(part.name)

    original = Staging.take
    monkeypatch.setattr(Staging, "take", take)
    monkeypatch.setattr("shared.contract.lines.BLOCK_BYTES", 1)
    for module in ("source", "unpacking"):
        monkeypatch.setattr(f"shared.contract.{module}.CHUNK_BYTES", 4_000)
    monkeypatch.setattr("shared.contract.output.PART_BYTES", 2_000)
    return names


def test_rows_that_are_staged_in_many_parts_are_all_swapped_in(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = many_parts(monkeypatch)
    event = drop(services, f"{MODEL}/parts.csv", trips(500, first=7_000))
    prepare(event, services)
    assert sum(name.startswith("rows") for name in names) > 3
    assert len(services.warehouse.read_drop(MODEL, model(MODEL), event.name)) == 500
    assert not staged(services)


def test_a_file_that_is_refused_at_its_end_leaves_no_staged_part(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = many_parts(monkeypatch)
    bad = trips(250, first=8_000, fare=-100).partition("\n")[2]
    event = drop(services, f"{MODEL}/late.csv", trips(250, first=9_000) + bad)
    with pytest.raises(Refusal, match="fare_amount is under"):
        prepare(event, services)
    assert sum(name.startswith("rows") for name in names) > 1
    assert len(services.warehouse.rejects(MODEL, event.name, limit=500)) == 250
    assert not staged(services)


def test_a_file_that_was_packed_on_its_way_is_what_its_name_says(services: Services) -> None:
    bucket, name = services.settings.landing_bucket, f"{MODEL}/packed.csv"
    blob = client().bucket(bucket).blob(name)
    blob.content_encoding = "gzip"
    blob.upload_from_string(gzip.compress(trips(120, first=10_000).encode()))
    [prepared] = prepare(DropReceived(bucket=bucket, name=name, generation=blob.generation), services)
    assert isinstance(prepared, DataPrepared) and prepared.accepted == 120


@pytest.mark.parametrize(("name", "is_taken"), [("once.csv.gz", True), ("packed.parquet", False)])
def test_what_is_called_otherwise_is_taken_by_its_name(services: Services, name: str, is_taken: bool) -> None:
    bucket, name = services.settings.landing_bucket, f"{MODEL}/{name}"
    blob = client().bucket(bucket).blob(name)
    # Of a file that was packed before, many clients say so.
    blob.content_encoding = "gzip"
    blob.upload_from_string(gzip.compress(trips(120, first=13_000).encode()))
    event = DropReceived(bucket=bucket, name=name, generation=blob.generation)
    if is_taken:
        assert isinstance(prepare(event, services)[0], DataPrepared)
    else:
        with pytest.raises(Refusal, match=r"ends as Parquet, but the content is gzip\. Name it as what it is"):
            prepare(event, services)


def replace_meanwhile(services: Services, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write another generation of a drop once its third range is asked for."""

    def replaced_first(stored: Stored, start: int, end: int) -> bytes:
        if start == 4_000:
            drop(services, name, "replaced\n")
        return original(stored, start, end)

    original = Stored._range
    monkeypatch.setattr(Stored, "_range", replaced_first)
    monkeypatch.setattr("shared.adapters.storage.FIRST_RANGE_BYTES", 2_000)
    monkeypatch.setattr("shared.adapters.storage.RANGE_BYTES", 2_000)


def test_a_file_that_is_replaced_while_it_is_read_is_left_to_its_next_generation(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = drop(services, f"{MODEL}/moving.csv", trips(500, first=11_000))
    replace_meanwhile(services, event.name, monkeypatch)
    with pytest.raises(PassingError, match="was replaced while it was read"):
        prepare(event, services)
    # Pub/Sub sends it again.
    [ignored] = prepare(event, services)
    assert isinstance(ignored, DropIgnored) and ignored.why == GONE
    assert not staged(services)
    assert services.warehouse.account(MODEL, event.name) is None


def test_a_bad_file_that_is_replaced_before_it_is_kept_is_left_to_its_next_generation(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replaced_first(stored: Stored, *asked: str) -> bool:
        drop(services, event.name, "replaced\n")
        return copy(stored, *asked)

    copy = Stored.copy
    monkeypatch.setattr(Stored, "copy", replaced_first)
    event = drop(services, f"{MODEL}/bad_and_moving.csv", "a,b\n1,2\n")
    [ignored] = prepare(event, services)
    assert isinstance(ignored, DropIgnored) and ignored.why == GONE
    assert services.warehouse.account(MODEL, event.name) is None


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_text_is_never_on_the_disk_and_parquet_once(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    sizes: list[int] = []
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    original = Staging.take

    def take(staging: Staging, part: Path) -> None:
        sizes.extend(each.stat().st_size for each in tmp_path.rglob("file"))
        original(staging, part)

    monkeypatch.setattr(Staging, "take", take)
    content = pd.read_csv(StringIO(trips(120, first=12_000)), dtype={"fare_amount": float})
    packed = content.to_parquet() if kind == "parquet" else trips(120, first=12_000).encode()
    name, bucket = f"{MODEL}/where.{kind}", services.settings.landing_bucket
    blob = client().bucket(bucket).blob(name)
    blob.upload_from_string(packed)
    [prepared] = prepare(DropReceived(bucket=bucket, name=name, generation=blob.generation), services)
    assert isinstance(prepared, DataPrepared) and prepared.accepted == 120
    assert set(sizes) == ({len(packed)} if kind == "parquet" else set())
