"""Versions are judged on the newest drops, on enough days, on no copy twice; what a verdict must know fits in a tag."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.warehouse import Account
from shared.contract.spec import ModelSpec
from shared.errors import PermanentError
from shared.lifecycle import holdout
from shared.lifecycle.holdout import MOST_NAMED, Judged, judged_on, older
from tests.unit.rides import day, spec_of

# MLflow takes no longer tag.
MOST_LETTERS = 8_000
NAME = st.text("abcxyz0123456789/-_. é", min_size=1, max_size=40)


def account(drop: str, first: int, last: int, **given: Any) -> Account:
    """A drop with rows of these days of January."""
    said: dict[str, Any] = {
        "generation": 1, "outcome": "prepared", "rows": 9, "accepted": 9, "rejected": 0, "duplicate": 0,
        "first_event": day(first), "last_event": day(last), "digest": drop, "prepared_at": datetime.now(UTC),
    }  # fmt: skip
    return Account(model="rides", drop=drop, **said | given)


def weeks(count: int) -> list[Account]:
    """Weekly drops, newest first."""
    return [account(f"week {number}", 7 * number + 1, 7 * number + 7) for number in reversed(range(count))]


def every_day(accounts: Sequence[Account]) -> dict[str, set[date]]:
    """A row on each day between a drop's first and last one."""
    return {each.drop: {*_days(each)} for each in accounts}


def _days(each: Account) -> Iterator[date]:
    assert each.first_event and each.last_event
    first = each.first_event.date()
    return (first + timedelta(days=number) for number in range((each.last_event.date() - first).days + 1))


def judged(spec: ModelSpec, accounts: list[Account], groups_of: holdout.GroupsOf = every_day) -> list[Account]:
    return holdout.judged(spec, accounts, groups_of)


def seen(*drops: str) -> set[tuple[str, int]]:
    """What a version has learned from: the first generation of these drops."""
    return {(drop, 1) for drop in drops}


def names(accounts: list[Account]) -> list[str]:
    return [each.drop for each in accounts]


def test_the_newest_drops_are_judged_on_as_many_as_the_policy_says() -> None:
    months = [account(f"month {number}", 31 * number + 1, 31 * number + 31) for number in (3, 2, 1, 0)]
    assert names(judged(spec_of(), months)) == ["month 3", "month 2", "month 1"]
    assert names(judged(spec_of(policy={"judge_drops": 1}), months)) == ["month 3"]


def test_small_drops_are_joined_by_older_ones_until_there_are_days_enough() -> None:
    assert names(judged(spec_of(policy={"judge_drops": 1, "min_groups": 20}), weeks(6))) == [
        "week 5",
        "week 4",
        "week 3",
    ]
    assert len(judged(spec_of(policy={"judge_drops": 1, "min_groups": 22}), weeks(6))) == 4
    assert len(judged(spec_of(policy={"judge_drops": 1, "min_groups": 400}), weeks(6))) == 6


def test_days_that_several_drops_have_count_once() -> None:
    same_week = [account(f"part {number}", 1, 7) for number in range(4)]
    assert len(judged(spec_of(policy={"judge_drops": 1, "min_groups": 8}), same_week)) == 4


def test_days_without_rows_do_not_count() -> None:
    def one_a_week(accounts: Sequence[Account]) -> dict[str, set[date]]:
        return {each.drop: {next(_days(each))} for each in accounts}

    spec = spec_of(policy={"judge_drops": 2, "min_groups": 5})
    assert names(judged(spec, weeks(9), one_a_week)) == [f"week {number}" for number in (8, 7, 6, 5, 4)]


def test_groups_of_a_column_are_counted_and_those_that_several_drops_have_count_once() -> None:
    spec = spec_of(group="seats", policy={"judge_drops": 1, "min_groups": 4})
    seats: dict[str, set[str | None]] = {
        "week 5": {"2", "4"},
        "week 4": {"2", "4"},
        "week 3": {"2", "6"},
        "week 2": {None},
        "week 1": {"8"},
    }
    assert names(judged(spec, weeks(6), lambda _: seats)) == ["week 5", "week 4", "week 3", "week 2"]


def test_it_is_asked_once_for_the_groups_of_many_drops_and_again_only_if_those_were_too_few() -> None:
    asked: list[int] = []

    def counted(accounts: Sequence[Account]) -> dict[str, set[date]]:
        asked.append(len(accounts))
        return every_day(accounts)

    assert len(judged(spec_of(policy={"min_groups": 133}), weeks(60), counted)) == 19 and asked == [20]
    assert len(judged(spec_of(policy={"min_groups": 180}), weeks(60), counted)) == 26 and asked == [20, 20, 20]


def test_of_a_drop_that_was_written_again_only_the_newest_generation_is_judged_on() -> None:
    accounts = [account("week 4", 29, 35, digest="first"), account("week 4", 28, 34, generation=2), *weeks(4)]
    chosen = judged(spec_of(policy={"judge_drops": 2, "min_groups": 2}), accounts)
    assert [(each.drop, each.generation) for each in chosen] == [("week 4", 2), ("week 3", 1)]
    refused = [account("week 3", 22, 28, generation=2, outcome="refused"), *weeks(4)]
    assert names(judged(spec_of(policy={"judge_drops": 1, "min_groups": 2}), refused)) == ["week 3"]


def test_a_copy_takes_no_place_among_the_newest() -> None:
    copies = [account("again", 29, 35, digest="week 4"), *weeks(5)]
    chosen = judged(spec_of(policy={"judge_drops": 2, "min_groups": 2}), copies)
    assert names(chosen) == ["again", "week 3"]
    assert "week 4" not in names(older(spec_of(), copies, chosen))


@pytest.mark.parametrize("gone", [{"withdrawn": True}, {"outcome": "refused", "first_event": None, "last_event": None}])
def test_what_is_withdrawn_or_refused_is_not_judged_on(gone: dict[str, Any]) -> None:
    accounts = [account("gone", 36, 42, **gone), *weeks(5)]
    assert "gone" not in names(judged(spec_of(), accounts)) + names(older(spec_of(), accounts, []))


def test_older_drops_are_those_before_and_no_more_than_the_policy_looks_back_to() -> None:
    accounts, spec = weeks(9), spec_of(policy={"judge_drops": 3, "min_groups": 2, "older_drops": 4})
    assert names(older(spec, accounts, judged(spec, accounts))) == ["week 5", "week 4", "week 3", "week 2"]


@given(st.integers(1, 6), st.integers(2, 60), st.integers(0, 12))
def test_judged_and_older_never_share_a_drop_and_judged_is_never_longer_than_needed(
    drops: int, days: int, count: int
) -> None:
    spec, accounts = spec_of(policy={"judge_drops": drops, "min_groups": days}), weeks(count)
    chosen = judged(spec, accounts)
    assert not {*names(chosen)} & {*names(older(spec, accounts, chosen))}
    assert chosen == accounts[: len(chosen)]
    assert len(chosen) == min(count, max(drops, -(-days // 7)))


def test_news_are_the_drops_that_only_the_challenger_has_learned_from() -> None:
    mine, theirs = seen("week 2", "week 1"), {1: seen("week 1", "week 0"), 4: seen("week 2", "week 1")}
    about = judged_on(weeks(3), mine, theirs, odd={}, faults={7: "gone"})
    assert about.drops == ["week 2", "week 1", "week 0"]
    assert about.news == {"1": ["week 2"], "4": []} and about.faults == {"7": "gone"}


def test_a_drop_that_was_written_again_is_news_to_whoever_has_learned_from_what_was_there_before() -> None:
    again = [account("week 2", 15, 21, generation=2), *weeks(2)]
    about = judged_on(again, {("week 2", 2), ("week 1", 1)}, {1: seen("week 2", "week 1")}, odd={})
    assert about.news == {"1": ["week 2"]}


def test_an_odd_drop_that_every_rival_has_learned_from_is_not_held_against_the_challenger() -> None:
    mine, odd = seen("week 2", "week 1"), {"week 1": "why", "week 2": "why"}
    assert judged_on(weeks(3), mine, {}, odd=odd).odd == odd
    assert judged_on(weeks(3), mine, {1: seen("week 1", "week 0")}, odd=odd).odd == {"week 2": "why"}
    assert judged_on(weeks(3), mine, {1: seen("week 1"), 2: seen("week 0")}, odd=odd).odd == odd
    assert judged_on(weeks(3), mine, {1: {("week 1", 2)}}, odd=odd).odd == odd


def test_the_same_drops_have_the_same_digest_and_another_generation_has_another() -> None:
    three, turned = judged_on(weeks(3), (), {}, odd={}), judged_on(weeks(3)[::-1], (), {}, odd={})
    again = judged_on([account("week 2", 15, 21, generation=2), *weeks(2)], (), {}, odd={})
    assert three.holdout == turned.holdout != again.holdout
    assert three.holdout != judged_on(weeks(4), (), {}, odd={}).holdout


@given(
    st.builds(
        Judged,
        holdout=NAME,
        drops=st.lists(NAME, max_size=5),
        news=st.dictionaries(st.sampled_from("123"), st.lists(NAME, max_size=5)),
        faults=st.dictionaries(st.sampled_from("123"), NAME),
    )
)
def test_a_tag_brings_back_what_was_said(about: Judged) -> None:
    assert Judged.from_tag(about.to_tag()) == about


def test_no_tag_says_nothing() -> None:
    assert Judged.from_tag(None) == Judged() == Judged.from_tag("{}")


@pytest.mark.parametrize("tag", ["{", "[1]", "7", "by hand"])
def test_a_tag_that_somebody_has_written_over_is_named(tag: str) -> None:
    with pytest.raises(PermanentError, match=r"tidewheel\.judged_on of a run"):
        Judged.from_tag(tag)


def test_long_names_and_reasons_fit_in_a_tag() -> None:
    accounts = [account(f"{number}".ljust(300, "x"), 1, 31, generation=1795560699209764) for number in range(50)]
    mine, odd = {(each.drop, each.generation) for each in accounts}, dict.fromkeys(names(accounts), "why " * 500)
    about = judged_on(accounts, mine, {1_000_001: (), 1_000_002: ()}, odd=odd)
    assert len(about.drops) == MOST_NAMED and len(about.to_tag()) < MOST_LETTERS
    assert len(judged_on(accounts, mine, {1: ()}, odd=odd, faults={2: "x" * 5_000}).to_tag()) < MOST_LETTERS


def test_of_the_longest_names_fewer_fit_and_the_newest_stay() -> None:
    accounts = [account(f"{number}".ljust(512, "x"), 1, 31, generation=1795560699209764) for number in range(5)]
    mine, odd = {(each.drop, each.generation) for each in accounts}, dict.fromkeys(names(accounts), "why " * 500)
    tag = judged_on(accounts, mine, {1_000_001: (), 1_000_002: ()}, odd=odd).to_tag()
    kept = Judged.from_tag(tag)
    assert len(tag) <= MOST_LETTERS and 1 <= len(kept.drops) < 5 and kept.drops == names(accounts)[: len(kept.drops)]
    assert all(kept.news.values()) and kept.odd
