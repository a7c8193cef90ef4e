"""The decision log and the desk on a real storage server: nobody's word is lost, and nothing is said twice."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.adapters.storage import Storage
from shared.adapters.warehouse import Account
from shared.errors import PermanentError
from shared.lifecycle.decisions import Decision, Decisions
from shared.lifecycle.desk import AGAIN, JOINED, LAUNCHED, WAITING, Desk
from shared.lifecycle.events import DataPrepared, TrainingRequested
from shared.lifecycle.standing import KEEP, PROMOTE, ROLLBACK, Standing
from tests.emulated.state_fixtures import BUCKET

MODEL = "taxi_fare"
DROP = f"{MODEL}/may.csv"


def promoted(version: int, verdict: str = PROMOTE) -> Decision:
    return Decision(model=MODEL, version=version, champion=version, verdict=verdict, why="of a test")


def account(model: str, drop: str, generation: int) -> Account:
    may = datetime(2012, 5, 1, tzinfo=UTC)
    counts: dict[str, Any] = {"rows": 3, "accepted": 2, "rejected": 1, "duplicate": 0}
    span: dict[str, Any] = {"first_event": may, "last_event": may, "prepared_at": may}
    return Account(model=model, drop=drop, generation=generation, outcome="prepared", **counts, **span)


@pytest.fixture
def decisions(storage: Storage) -> Decisions:
    return Decisions(storage, BUCKET)


@pytest.fixture
def desk(storage: Storage) -> Desk:
    return Desk(storage, BUCKET, account)


def of_drop(request: str, generation: int = 1) -> TrainingRequested:
    return TrainingRequested(model=MODEL, request=request, drop=DROP, generation=generation, story=DROP)


def by_hand(request: str, rows: str = "1k") -> TrainingRequested:
    return TrainingRequested(model=MODEL, request=request, rows=rows, story=request)


def test_a_log_of_years_is_read_in_its_order_by_a_process_that_has_just_begun(
    decisions: Decisions, storage: Storage
) -> None:
    for number in range(40):
        decisions.decide(MODEL, f"cause {number}", lambda standing: promoted(len(standing.history) + 1))
    assert [each.number for each in Decisions(storage, BUCKET).history(MODEL)] == [*range(1, 41)]


def test_a_log_begins_empty_and_its_last_record_is_the_truth(decisions: Decisions) -> None:
    assert decisions.head(MODEL) is None
    assert decisions.champion(MODEL) is None
    decisions.decide(MODEL, "a", lambda _: promoted(1))
    decisions.decide(MODEL, "b", lambda standing: replace(promoted(2, KEEP), champion=standing.champion))
    assert decisions.champion(MODEL) == 1
    assert [(each.number, each.before, each.champion) for each in decisions.history(MODEL)] == [(1, None, 1), (2, 1, 1)]


def test_a_cause_that_has_been_decided_is_not_decided_again(decisions: Decisions) -> None:
    first = decisions.decide(MODEL, "a", lambda _: promoted(1))
    assert decisions.decide(MODEL, "a", lambda _: promoted(2)) == first
    assert len(decisions.history(MODEL)) == 1


def test_of_two_promoters_at_the_same_moment_one_writes_and_the_other_decides_again(decisions: Decisions) -> None:
    together, asked = threading.Barrier(2), []

    def race(version: int) -> None:
        def judge(standing: Standing) -> Decision:
            asked.append(standing.champion)
            if standing.champion is None:
                together.wait()
            return promoted(version)

        decisions.decide(MODEL, f"cause {version}", judge)

    racers = [threading.Thread(target=race, args=(version,)) for version in (1, 2)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    first, second = decisions.history(MODEL)
    assert second.before == first.champion
    assert sorted(asked, key=str) == sorted([None, None, first.champion], key=str)


def test_previous_is_the_champion_before_the_last_change(decisions: Decisions) -> None:
    decisions.decide(MODEL, "a", lambda _: promoted(1))
    assert decisions.standing(MODEL).before is None
    decisions.decide(MODEL, "b", lambda _: promoted(2))
    decisions.decide(MODEL, "c", lambda standing: replace(promoted(3, KEEP), champion=standing.champion))
    assert decisions.standing(MODEL).before == 1
    decisions.decide(MODEL, "d", lambda _: promoted(1, ROLLBACK))
    assert decisions.standing(MODEL).before is None


def test_a_second_rollback_does_not_put_back_what_the_first_one_took_away(decisions: Decisions) -> None:
    for version in (1, 2, 3):
        decisions.decide(MODEL, f"{version}", lambda _, version=version: promoted(version))  # type: ignore[misc]
    decisions.decide(MODEL, "back", lambda _: promoted(2, ROLLBACK))
    assert decisions.standing(MODEL).before == 1


def test_one_request_is_open_and_a_drop_joins_it_until_it_starts(desk: Desk) -> None:
    assert desk.place(of_drop("one")) == (LAUNCHED, None)
    assert desk.place(of_drop("one")) == (LAUNCHED, None)
    assert desk.place(of_drop("two")) == (JOINED, "one")
    desk.start(MODEL, "one")
    assert desk.place(of_drop("three", generation=7)) == (AGAIN, "one")
    assert desk.place(of_drop("late", generation=3)) == (AGAIN, "one")
    (evaluated_again,) = desk.close(MODEL, "one")
    assert isinstance(evaluated_again, DataPrepared)
    assert (evaluated_again.drop, evaluated_again.generation, evaluated_again.epoch) == (DROP, 7, 1)
    assert evaluated_again.story == DROP


def test_a_request_for_other_rows_waits_in_line_and_comes_in_the_next_epoch(desk: Desk) -> None:
    desk.place(of_drop("one"))
    assert desk.place(by_hand("two")) == (WAITING, "one")
    assert desk.place(by_hand("two")) == (WAITING, "one")
    assert desk.place(by_hand("three", rows="200k")) == (WAITING, "one")
    (followed,) = desk.close(MODEL, "one")
    assert isinstance(followed, TrainingRequested)
    assert (followed.request, followed.rows, followed.epoch, followed.story) == ("two", "1k", 1, "two")
    assert desk.place(followed) == (LAUNCHED, None)
    assert [each["fields"]["request"] for each in desk.read(MODEL).waiting] == ["three"]


def test_closing_twice_says_the_same(desk: Desk) -> None:
    desk.place(of_drop("one"))
    desk.place(by_hand("two"))
    assert desk.close(MODEL, "one") == desk.close(MODEL, "one") != []
    assert desk.close(MODEL, "never placed") == []


def test_a_request_that_was_closed_does_not_start(desk: Desk) -> None:
    desk.place(of_drop("one"))
    desk.close(MODEL, "one")
    with pytest.raises(PermanentError, match="not open any more"):
        desk.start(MODEL, "one")


def test_drops_that_come_during_trainings_set_off_three_more_in_a_row_and_then_rest(desk: Desk) -> None:
    followed = []
    for number in range(5):
        desk.place(of_drop(f"r{number}"))
        desk.start(MODEL, f"r{number}")
        desk.place(of_drop(f"during{number}", generation=number + 2))
        followed.append(len(desk.close(MODEL, f"r{number}")))
    assert followed == [1, 1, 1, 0, 1]
