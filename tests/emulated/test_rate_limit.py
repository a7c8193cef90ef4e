"""Cloud Storage takes about one update of an object a second: what comes sooner is late, and none the worse."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage as google_storage

from shared.adapters.storage import Storage
from shared.errors import PassingError
from shared.lifecycle.decisions import Decision, Decisions
from shared.lifecycle.desk import AGAIN, LAUNCHED, WAITING, Desk
from shared.lifecycle.events import DropIgnored, DropReceived, Event, TrainingRequested
from shared.lifecycle.ledger import DONE, Ledger, folder_of
from shared.lifecycle.standing import PROMOTE
from tests.emulated import laptop
from tests.emulated.state_fixtures import BUCKET, SETTINGS

MODEL = "taxi_fare"
ASKED = DropReceived(bucket="l", name="taxi_fare/may.csv", generation=1, story="taxi_fare/may.csv")
Record = Callable[[str, object], None]
SAID = DropIgnored(model=MODEL, drop="taxi_fare/may.csv", generation=1, why="of a test")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with laptop.storage(tmp_path_factory.mktemp("storage"), "--rate-limit") as server:
        yield f"http://127.0.0.1:{server.port}"


@pytest.fixture
def storage(address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Storage]:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", address)
    client = google_storage.Client(project="tidewheel-test", credentials=AnonymousCredentials())
    bucket = client.create_bucket(BUCKET)
    yield Storage(SETTINGS)
    bucket.delete(force=True)


def request(name: str, *, drop: int | None = None, rows: str = "all") -> TrainingRequested:
    about = {"drop": f"{MODEL}/{drop}.csv", "generation": drop} if drop else {}
    return TrainingRequested(model=MODEL, request=name, story=name, rows=rows, **about)  # type: ignore[arg-type]


def test_heartbeats_in_haste_are_late_and_keep_the_lease(storage: Storage) -> None:
    ledger = Ledger(storage, BUCKET)

    def works_long() -> Sequence[Event]:
        time.sleep(4.5)
        with pytest.raises(PassingError):
            ledger.run("preprocess", ASKED, lambda: [SAID], lambda _: None, lease_seconds=3.0)
        return [SAID]

    assert ledger.run("preprocess", ASKED, works_long, lambda _: None, lease_seconds=3.0) == DONE


def test_work_that_failed_at_once_is_taken_over(storage: Storage) -> None:
    ledger, attempts = Ledger(storage, BUCKET), iter(range(3))

    def fails_twice() -> Sequence[Event]:
        if next(attempts) < 2:
            raise OSError("away")
        return [SAID]

    for _ in range(2):
        with pytest.raises(OSError, match="away"):
            ledger.run("preprocess", ASKED, fails_twice, lambda _: None)
    assert ledger.run("preprocess", ASKED, fails_twice, lambda _: None) == DONE
    names = {name.rpartition("/")[2] for name in storage.names(BUCKET, folder_of("preprocess", ASKED))}
    assert names == {"claim-1", "claim-2", "claim-3", "outbox", "done"}


def test_a_lease_that_ran_out_just_now_is_taken_over(storage: Storage) -> None:
    def dies() -> Sequence[Event]:
        raise KeyboardInterrupt

    now = time.time()
    with pytest.raises(KeyboardInterrupt):
        Ledger(storage, BUCKET, lambda: now).run("preprocess", ASKED, dies, lambda _: None)
    assert Ledger(storage, BUCKET, lambda: now + 61).run("preprocess", ASKED, lambda: [SAID], lambda _: None) == DONE


def test_a_desk_in_haste_loses_nobody(storage: Storage, record_property: Record) -> None:
    desk = Desk(storage, BUCKET, lambda *_: None)
    begun = time.monotonic()
    assert desk.place(request("one", drop=1)) == (LAUNCHED, None)
    desk.start(MODEL, "one")
    assert desk.place(request("two", drop=2)) == (AGAIN, "one")
    assert desk.place(request("three", rows="1k")) == (WAITING, "one")
    (followed,) = desk.close(MODEL, "one")
    seconds = time.monotonic() - begun
    record_property("seconds_for_five_changes", round(seconds, 1))
    assert isinstance(followed, TrainingRequested)
    assert (followed.request, followed.epoch) == ("three", 1)
    assert seconds < 20


def test_requests_at_the_same_moment_are_all_in_line(storage: Storage, record_property: Record) -> None:
    desk, begun = Desk(storage, BUCKET, lambda *_: None), time.monotonic()
    desk.place(request("one"))
    names = [f"r{number}" for number in range(4)]
    racers = [threading.Thread(target=desk.place, args=(request(name, rows="1k"),)) for name in names]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    record_property("seconds_for_four_at_once", round(time.monotonic() - begun, 1))
    assert sorted(each["fields"]["request"] for each in desk.read(MODEL).waiting) == names


def test_decisions_in_haste_are_all_taken(storage: Storage, record_property: Callable[[str, object], None]) -> None:
    decisions, begun = Decisions(storage, BUCKET), time.monotonic()
    for version in (1, 2, 3):
        decided = Decision(model=MODEL, version=version, champion=version, verdict=PROMOTE, why="of a test")
        decisions.decide(MODEL, f"cause {version}", lambda _, decided=decided: decided)  # type: ignore[misc]
    assert decisions.champion(MODEL) == 3
    # Each is an object of its own: nothing was refused, and nobody waited.
    record_property("seconds_for_three_decisions", round(time.monotonic() - begun, 2))
