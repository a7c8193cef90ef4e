"""The lock on a real storage server: one holder, no matter how many want it, and none for ever."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from shared.adapters.storage import Storage
from shared.errors import PassingError
from shared.lifecycle.lock import Locks
from tests.emulated.state_fixtures import BUCKET


def test_of_eight_at_the_same_moment_one_after_the_other_holds_it(storage: Storage) -> None:
    locks = Locks(storage, BUCKET, sleep=lambda _: time.sleep(0.01))
    inside, most, done = 0, 0, []

    def work(number: int) -> None:
        nonlocal inside, most
        with locks.hold("rows/taxi_fare"):
            inside += 1
            most = max(most, inside)
            time.sleep(0.02)
            inside -= 1
        done.append(number)

    racers = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert (most, sorted(done)) == (1, list(range(8)))


def test_one_waits_for_a_while_and_then_comes_back_later(storage: Storage) -> None:
    locks = Locks(storage, BUCKET, sleep=lambda _: time.sleep(0.01))
    with (
        locks.hold("rows/taxi_fare"),
        pytest.raises(PassingError, match="rows/taxi_fare"),
        locks.hold("rows/taxi_fare", patience=0.1),
    ):
        pass
    with locks.hold("rows/taxi_fare", patience=0.1):
        pass


def test_the_lock_of_an_owner_who_died_opens_and_a_late_release_takes_it_from_nobody(storage: Storage) -> None:
    now = [1000.0]
    locks = Locks(storage, BUCKET, clock=lambda: now[0], sleep=lambda _: None)
    slept = locks.hold("rows/taxi_fare", seconds=10)
    slept.__enter__()
    now[0] += 11
    with locks.hold("rows/taxi_fare", patience=0):
        slept.__exit__(None, None, None)
        with pytest.raises(PassingError), locks.hold("rows/taxi_fare", patience=-1):
            pass


def test_a_lock_is_held_for_as_long_as_its_owner_lives(storage: Storage) -> None:
    locks = Locks(storage, BUCKET, sleep=lambda _: time.sleep(0.01), lease_seconds=0.6)
    with locks.hold("rows/taxi_fare"), pytest.raises(PassingError), locks.hold("rows/taxi_fare", patience=1.5):
        pass
    assert storage.read(BUCKET, "locks/rows/taxi_fare") is None


def test_a_heartbeat_whose_answer_was_lost_costs_nobody_the_lock(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    locks = Locks(storage, BUCKET, sleep=lambda _: time.sleep(0.01), lease_seconds=0.6)
    replace, lost = storage.replace, []

    def lose_the_second(*arguments: Any, **more: Any) -> int | None:
        generation = replace(*arguments, **more)
        lost.append(generation)
        if len(lost) == 2:
            raise PassingError("the answer was lost.")
        return generation

    monkeypatch.setattr(storage, "replace", lose_the_second)
    with locks.hold("rows/taxi_fare"):
        time.sleep(1.5)
    assert len(lost) > 3
    assert storage.read(BUCKET, "locks/rows/taxi_fare") is None
