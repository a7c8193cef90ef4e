"""The ledger on a real storage server: one owner, one outbox, one announcement, whoever dies when."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import pytest

from shared.adapters.storage import Storage
from shared.errors import LostLease, PassingError, PermanentError
from shared.lifecycle.events import DropIgnored, DropReceived, Event, StepFailed
from shared.lifecycle.ledger import DONE, REPEATED, Ledger, folder_of
from tests.emulated.state_fixtures import BUCKET

ASKED = DropReceived(bucket="l", name="taxi_fare/may.csv", generation=1, story="taxi_fare/may.csv")
SAID = DropIgnored(model="taxi_fare", drop="taxi_fare/may.csv", generation=1, why="of a test")


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(storage: Storage, clock: Clock) -> Ledger:
    return Ledger(storage, BUCKET, clock)


@pytest.fixture
def published() -> list[Event]:
    return []


def told(published: list[Event]) -> Callable[[Sequence[Event]], None]:
    return published.extend


def entries(storage: Storage, step: str = "preprocess") -> set[str]:
    return {name.rpartition("/")[2] for name in storage.names(BUCKET, folder_of(step, ASKED) + "/")}


def fails(error: Exception) -> Callable[[], Sequence[Event]]:
    def work() -> Sequence[Event]:
        raise error

    return work


def test_work_is_done_once_and_a_repetition_is_counted(
    ledger: Ledger, storage: Storage, published: list[Event]
) -> None:
    assert ledger.run("preprocess", ASKED, lambda: [SAID], told(published), message_id="1") == DONE
    repeated = ledger.run("preprocess", ASKED, fails(AssertionError("done twice")), told(published), message_id="2")
    assert repeated == REPEATED
    assert published == [SAID]
    assert published[0].story == "taxi_fare/may.csv"
    assert {name.split("-")[0] for name in entries(storage)} == {"claim", "outbox", "done", "repeat"}


def test_of_two_at_the_same_moment_one_works_and_the_other_comes_back(ledger: Ledger, published: list[Event]) -> None:
    begun, go_on, outcomes = threading.Event(), threading.Event(), []

    def work() -> Sequence[Event]:
        begun.set()
        go_on.wait()
        return [SAID]

    first = threading.Thread(target=lambda: outcomes.append(ledger.run("preprocess", ASKED, work, told(published))))
    first.start()
    begun.wait()
    with pytest.raises(PassingError, match="somebody else is at"):
        ledger.run("preprocess", ASKED, work, told(published))
    go_on.set()
    first.join()
    assert outcomes == [DONE]
    assert published == [SAID]


def test_a_failure_that_passes_is_tried_again_at_once(ledger: Ledger, storage: Storage, published: list[Event]) -> None:
    with pytest.raises(OSError, match="away"):
        ledger.run("preprocess", ASKED, fails(OSError("away")), told(published))
    claim, _ = storage.read(BUCKET, f"{folder_of('preprocess', ASKED)}/claim-1") or ({}, 0)
    assert "away" in claim["error"]
    assert ledger.run("preprocess", ASKED, lambda: [SAID], told(published)) == DONE
    assert published == [SAID]


def test_a_failure_for_good_is_announced_and_done(ledger: Ledger, published: list[Event]) -> None:
    wrong = PermanentError("the header is wrong.", "Send another file.")
    assert ledger.run("preprocess", ASKED, fails(wrong), told(published)) == DONE
    (failed,) = published
    assert isinstance(failed, StepFailed)
    assert (failed.step, failed.about, failed.model) == ("preprocess", "taxi_fare/may.csv", "taxi_fare")
    assert (failed.error, failed.remedy) == ("the header is wrong.", "Send another file.")


def test_who_dies_between_outbox_and_publishing_leaves_it_to_the_next(
    ledger: Ledger, clock: Clock, published: list[Event]
) -> None:
    def dies(_: Sequence[Event]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ledger.run("preprocess", ASKED, lambda: [SAID], dies)
    clock.now += 100
    assert ledger.run("preprocess", ASKED, fails(AssertionError("worked twice")), told(published)) == DONE
    assert published == [SAID]


def test_who_sleeps_past_its_lease_finds_the_next_claim_and_stops(
    storage: Storage, clock: Clock, published: list[Event]
) -> None:
    ledger = Ledger(storage, BUCKET, clock)

    def sleeps() -> Sequence[Event]:
        clock.now += 100
        assert Ledger(storage, BUCKET, clock).run("preprocess", ASKED, lambda: [SAID], told(published)) == DONE
        return [SAID]

    with pytest.raises(LostLease):
        ledger.run("preprocess", ASKED, sleeps, told(published))
    assert published == [SAID]


def test_a_heartbeat_keeps_the_lease_of_long_work(storage: Storage, published: list[Event]) -> None:
    ledger = Ledger(storage, BUCKET)

    def works_long() -> Sequence[Event]:
        threading.Event().wait(1.5)
        with pytest.raises(PassingError):
            ledger.run("preprocess", ASKED, lambda: [SAID], told(published), lease_seconds=0.9)
        return [SAID]

    assert ledger.run("preprocess", ASKED, works_long, told(published), lease_seconds=0.9) == DONE
    assert published == [SAID]


def test_another_epoch_is_other_work(ledger: Ledger, published: list[Event]) -> None:
    again = DropReceived(bucket="l", name="taxi_fare/may.csv", generation=1, epoch=1)
    for event in (ASKED, again):
        assert ledger.run("preprocess", event, lambda: [SAID], told(published)) == DONE
    assert [event.epoch for event in published] == [0, 1]
