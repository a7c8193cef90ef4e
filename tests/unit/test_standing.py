"""What a model's decisions add up to, told by small histories."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.lifecycle.decisions import Decision
from shared.lifecycle.standing import (
    APPROVED,
    AWAITING,
    BY_HAND,
    JUDGED,
    KEEP,
    NOT_ENOUGH,
    PAUSE,
    PROMOTE,
    RESUME,
    ROLLBACK,
    Standing,
)

SERVES = (PROMOTE, BY_HAND, APPROVED, ROLLBACK)
Said = tuple[str, int | None]
HISTORIES = st.lists(
    st.tuples(st.sampled_from([*SERVES, KEEP, NOT_ENOUGH, AWAITING, PAUSE, RESUME]), st.integers(1, 4)), max_size=12
)


def standing(*said: Said, **given: Any) -> Standing:
    """After these verdicts on these versions, oldest first."""
    history: list[Decision] = []
    for verdict, version in said:
        before = history[-1].champion if history else None
        champion = version if verdict in SERVES else before
        here: dict[str, Any] = {"version": version, "champion": champion, "before": before, "verdict": verdict}
        history.append(Decision(model="rides", why="a test says so", number=len(history) + 1, **here, **given))
    return Standing(history)


def test_before_the_first_decision_nothing_stands() -> None:
    nobody = Standing()
    assert (nobody.champion, nobody.before, nobody.pending, nobody.awaiting, nobody.pause) == (None,) * 5
    assert nobody.rolled_back == set() and len(nobody.looks(1)) == nobody.tries(1, "") == 0


@pytest.mark.parametrize(
    ("said", "pending"),
    [
        ([(NOT_ENOUGH, 2)], 2),
        ([(NOT_ENOUGH, 2), (NOT_ENOUGH, 3)], 3),
        ([(NOT_ENOUGH, 2), (NOT_ENOUGH, 2)], 2),
        # Another one that is not better takes nobody's place.
        ([(NOT_ENOUGH, 2), (KEEP, 3)], 2),
        ([(NOT_ENOUGH, 2), (KEEP, 2)], None),
        ([(NOT_ENOUGH, 2), (PROMOTE, 2)], None),
        ([(NOT_ENOUGH, 2), (PROMOTE, 3)], None),
        ([(NOT_ENOUGH, 2), (AWAITING, 2)], None),
        ([(NOT_ENOUGH, 2), (BY_HAND, 2)], None),
        ([(NOT_ENOUGH, 2), (PAUSE, 1), (RESUME, 1)], 2),
        ([(PROMOTE, 1), (PROMOTE, 2), (NOT_ENOUGH, 3), (ROLLBACK, 1)], 3),
    ],
)
def test_who_waits_for_the_next_drop(said: Sequence[Said], pending: int | None) -> None:
    assert standing(*said).pending == pending


@pytest.mark.parametrize(
    ("said", "waits"),
    [
        ([(PROMOTE, 1), (AWAITING, 2)], True),
        ([(AWAITING, 2)], True),
        ([(PROMOTE, 1), (AWAITING, 2), (PAUSE, 1)], True),
        ([(PROMOTE, 1), (AWAITING, 2), (APPROVED, 2)], False),
        # Another one that is not better, or not surely so, says nothing about it.
        ([(PROMOTE, 1), (AWAITING, 2), (KEEP, 3)], True),
        ([(PROMOTE, 1), (AWAITING, 2), (NOT_ENOUGH, 3)], True),
        ([(PROMOTE, 1), (AWAITING, 2), (KEEP, 2)], False),
        ([(PROMOTE, 1), (AWAITING, 2), (BY_HAND, 3)], False),
        ([(PROMOTE, 1), (PROMOTE, 2), (AWAITING, 3), (ROLLBACK, 1)], False),
        # Back and forth: the champion is the same again, and the verdict is void all the same.
        ([(PROMOTE, 1), (PROMOTE, 2), (AWAITING, 3), (ROLLBACK, 1), (BY_HAND, 2)], False),
    ],
)
def test_what_waits_for_a_person(said: Sequence[Said], waits: bool) -> None:
    assert (standing(*said).awaiting is not None) == waits


def test_a_later_verdict_that_waits_takes_the_place_of_the_earlier() -> None:
    waits = standing((PROMOTE, 1), (AWAITING, 2), (AWAITING, 3)).awaiting
    assert waits and waits.version == 3


@pytest.mark.parametrize(
    ("said", "is_paused"),
    [
        ([(PAUSE, 1)], True),
        ([(PAUSE, 1), (AWAITING, 2)], True),
        ([(PAUSE, 1), (RESUME, 1)], False),
        ([(PAUSE, 1), (RESUME, 1), (PAUSE, 1)], True),
        ([(PROMOTE, 1)], False),
    ],
)
def test_who_has_stopped_what_goes_on_by_itself(said: Sequence[Said], is_paused: bool) -> None:
    assert (standing(*said).pause is not None) == is_paused


@pytest.mark.parametrize(
    ("said", "champion", "before", "rolled_back"),
    [
        ([(PROMOTE, 1)], 1, None, set()),
        ([(PROMOTE, 1), (PROMOTE, 2)], 2, 1, set()),
        ([(PROMOTE, 1), (KEEP, 2)], 1, None, set()),
        ([(PROMOTE, 1), (PROMOTE, 2), (ROLLBACK, 1)], 1, None, {2}),
        # Back over two at once: neither comes back by itself.
        ([(PROMOTE, 1), (PROMOTE, 2), (PROMOTE, 3), (ROLLBACK, 1)], 1, None, {2, 3}),
        ([(PROMOTE, 1), (PROMOTE, 2), (PROMOTE, 3), (ROLLBACK, 2), (ROLLBACK, 1)], 1, None, {2, 3}),
        # A person has put it back since.
        ([(PROMOTE, 1), (PROMOTE, 2), (ROLLBACK, 1), (BY_HAND, 2)], 2, 1, set()),
        ([(PROMOTE, 1), (PROMOTE, 2), (ROLLBACK, 1), (PROMOTE, 3)], 3, 1, {2}),
        # What has served twice, and was taken out, is nothing to go back to.
        ([(PROMOTE, 1), (PROMOTE, 2), (PROMOTE, 1), (ROLLBACK, 2)], 2, None, {1}),
        # To one that has never served: only the champion is taken out.
        ([(PROMOTE, 1), (PROMOTE, 2), (ROLLBACK, 4)], 4, 1, {2}),
    ],
)
def test_who_served_before_and_who_was_taken_out(
    said: Sequence[Said], champion: int, before: int | None, rolled_back: set[int]
) -> None:
    found = standing(*said)
    assert (found.champion, found.before, found.rolled_back) == (champion, before, rolled_back)


def test_looks_are_the_verdicts_on_one_version_and_nothing_that_a_person_did() -> None:
    found = standing((NOT_ENOUGH, 2), (NOT_ENOUGH, 2), (KEEP, 3), (PAUSE, 2), (BY_HAND, 2), (AWAITING, 2))
    assert [len(found.looks(version)) for version in (2, 3, 9)] == [3, 1, 0]


def test_what_too_few_rows_or_groups_could_not_decide_is_neither_a_look_nor_a_try() -> None:
    policy = {"min_holdout_rows": 100, "min_groups": 20}
    for rows, groups, looks in ((99.0, 20.0, 0), (100.0, 19.0, 0), (100.0, 20.0, 1)):
        evidence = {"all": {"rows": rows, "groups": groups}}
        found = standing((NOT_ENOUGH, 2), policy=policy, evidence=evidence, holdout="march")
        assert (len(found.looks(2)), found.tries(3, "march")) == (looks, looks)
    assert standing((NOT_ENOUGH, 2), policy=policy).looks(2) == []


def test_tries_are_the_other_versions_on_the_same_rows() -> None:
    found = standing((KEEP, 2), (KEEP, 3), (NOT_ENOUGH, 3), (BY_HAND, 4), holdout="march")
    assert (found.tries(5, "march"), found.tries(3, "march"), found.tries(5, "april")) == (2, 1, 0)


@given(HISTORIES)
def test_whoever_waits_or_was_taken_out_does_not_serve(said: list[Said]) -> None:
    found = standing(*said)
    assert found.champion not in found.rolled_back | {found.before if found.before else 0}
    assert found.before not in found.rolled_back
    assert found.awaiting is None or found.awaiting.champion == found.champion
    assert sum(len(found.looks(version)) for version in range(1, 5)) == sum(verdict in JUDGED for verdict, _ in said)


@given(HISTORIES)
def test_a_rollback_leads_to_who_served_before(said: list[Said]) -> None:
    found = standing(*said)
    if found.before is not None:
        back = standing(*said, (ROLLBACK, found.before))
        assert back.champion == found.before and found.champion in back.rolled_back
