"""Which drops are odd by the record: those that were learned from, on rows enough, and those that were withdrawn."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from functions.evaluate.asking import regret
from shared.adapters.warehouse import Account
from shared.lifecycle.standing import Standing
from shared.lifecycle.track_record import BEFORE, CHALLENGER, CHAMPION, odd_drops, track_record
from tests.unit.rides import day, spec_of
from tests.unit.test_holdout import account

SPEC = spec_of()


def month(number: int, **given: Any) -> Account:
    return account(f"month {number}", 31 * number + 1, 31 * number + 31, **given)


def scored(number: int, skill: float, *, generation: int = 1, rows: int = 500, role: str = CHAMPION) -> dict[str, Any]:
    """How the first version did on a month."""
    about = {"drop": f"month {number}", "generation": generation, "version": 1, "role": role, "slice": None}
    return {**about, "metric": SPEC.metric.name, "value": 1.0, "rows": rows, "skill": skill}


@pytest.mark.parametrize(
    ("worse", "is_odd"),
    [({}, True), ({"rows": 99}, False), ({"role": CHALLENGER}, False), ({"skill": 0.6}, False)],
)
def test_a_drop_is_odd_on_which_whoever_served_failed_on_rows_enough(worse: dict[str, Any], is_odd: bool) -> None:
    skill = worse.pop("skill", -1.0)
    found = [scored(1, skill, **worse), scored(2, 0.7)]
    odd = odd_drops(SPEC, [month(2), month(1)], [("month 1", 1), ("month 2", 1)], found, Standing())
    assert list(odd) == (["month 1"] if is_odd else [])


def test_a_drop_that_was_mended_is_odd_to_those_alone_that_have_learned_from_what_was_there_before() -> None:
    accounts = [month(2), month(1, generation=2), month(1)]
    found = [scored(1, -1.0), scored(1, 0.7, generation=2), scored(2, 0.7)]
    assert list(odd_drops(SPEC, accounts, [("month 1", 1)], found, Standing())) == ["month 1"]
    assert not odd_drops(SPEC, accounts, [("month 1", 2)], found, Standing())


def test_a_drop_that_was_written_again_is_in_the_record_once() -> None:
    found = [scored(1, -1.0), scored(1, 0.7, generation=2)]
    accounts = [month(1), month(1, generation=2, last_event=day(70))]
    assert [row["skill"] for row in track_record(SPEC, accounts, found)[1].values()] == [0.7]


def test_what_a_person_has_withdrawn_is_odd_to_those_that_have_learned_from_it() -> None:
    accounts = [month(2), month(1, withdrawn=True)]
    assert odd_drops(SPEC, accounts, [("month 1", 1), ("month 2", 1)], [], Standing()) == {
        "month 1": "it was withdrawn since"
    }
    assert not odd_drops(SPEC, accounts, [("month 2", 1)], [], Standing())


@pytest.mark.parametrize(("rows", "regrets"), [(100, True), (99, False)])
def test_a_promotion_is_not_regretted_for_a_few_rows(rows: int, regrets: bool) -> None:
    both = [
        {**scored(number, 0.5, rows=rows), "version": version, "value": value}
        for number in (1, 2)
        for version, value in ((1, 1.0), (2, 2.0))
    ]
    found = track_record(SPEC, [month(2), month(1)], both, until=day(200))
    roles = {role: SimpleNamespace(number=number) for role, number in ((BEFORE, 1), (CHAMPION, 2))}
    case = SimpleNamespace(spec=SPEC)
    assert bool(regret(cast(Any, case), cast(Any, roles), found)) == regrets
