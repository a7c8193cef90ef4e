"""When a challenger is worth training, and when the champion before should be put back; each reason has its numbers."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contract.metrics import ACCURACY, MAE
from shared.contract.spec import Policy
from shared.errors import PermanentError
from shared.evaluation.policy import Verdict, regretted, worth_training
from tests.unit.rides import spec_of

NEW_YEAR = datetime(2013, 1, 1)


def asked(policy: Policy | None = None, **given: Any) -> Verdict:
    calm: dict[str, Any] = {
        "champion": 3,
        "newest": 3,
        "trained_until": NEW_YEAR,
        "last_event_time": NEW_YEAR + timedelta(days=10),
        "skills": [0.62, 0.61, 0.63],
        "skill_at_promotion": 0.62,
        "drifted": {},
    }
    return worth_training(policy or Policy(), **calm | given)


def test_a_young_champion_that_holds_its_skill_is_kept() -> None:
    verdict = asked()
    assert verdict.outcome == "keep" and "skill is 0.63" in verdict.why


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"champion": None, "newest": None, "trained_until": None, "skill_at_promotion": None}, "no champion"),
        ({"skills": [0.62, 0.50, 0.51]}, "0.50, 0.51 on 2 of the last 3 drops, more than 0.05 under the 0.62"),
        ({"skills": [0.50, 0.62, 0.51]}, "0.50, 0.51 on 2 of the last 3 drops"),
        ({"drifted": {"km": 0.31, "kind": 0.8}}, "kind (PSI 0.80), km (PSI 0.31)"),
        ({"last_event_time": NEW_YEAR + timedelta(days=31)}, "31.0 days"),
        ({"trained_until": None}, "nothing says until when"),
        (
            {"latest": 4, "withdrawn": ["m/a", "m/b"]},
            "the latest training (version 4) has learned from m/a and 1 more, withdrawn since",
        ),
        ({"skills": [], "fault": "version 3 cannot be loaded: why."}, "Version 3: version 3 cannot be loaded: why."),
    ],
)
def test_it_says_why_a_challenger_is_worth_training(given: dict[str, Any], why: str) -> None:
    verdict = asked(**given)
    assert verdict.outcome == "train" and why in verdict.why


@pytest.mark.parametrize(
    "given",
    [
        {"skills": [0.62, 0.63, 0.40]},
        {"skills": [0.40, 0.41, 0.62, 0.61, 0.63]},
        {"skills": [0.58, 0.58, 0.58]},
        {"skills": [0.10, 0.10, 0.10], "skill_at_promotion": None},
        {"skills": [math.nan, math.nan, math.nan]},
        {"skills": []},
        {"last_event_time": NEW_YEAR - timedelta(days=90)},
    ],
)
def test_one_bad_drop_and_old_drops_and_unknown_skill_are_no_reason(given: dict[str, Any]) -> None:
    assert asked(**given).outcome == "keep"


def test_a_challenger_that_was_kept_makes_the_next_drop_train_no_other() -> None:
    # The champion is two months old, and version 4, which was not better, ends three days before the drop does.
    drop = NEW_YEAR + timedelta(days=62)
    verdict = asked(newest=4, trained_until=drop - timedelta(days=3), last_event_time=drop, skills=[])
    assert verdict.outcome == "keep" and "no skill on rows that are new to all" in verdict.why


def test_who_could_replace_a_champion_that_cannot_be_scored_is_named() -> None:
    verdict = asked(newest=4, skills=[], fault="version 3 cannot be loaded: why.", successor=4)
    assert verdict.outcome == "keep"
    assert verdict.why.startswith("Version 3 cannot be scored: version 3 cannot be loaded: why. Version 4 was trained")


def test_a_kept_challenger_that_has_aged_is_no_excuse_either() -> None:
    drop = NEW_YEAR + timedelta(days=90)
    verdict = asked(newest=4, trained_until=drop - timedelta(days=40), last_event_time=drop)
    assert verdict.outcome == "train" and "the newest training (version 4) end 40.0 days" in verdict.why


@given(st.floats(0, 400), st.floats(1, 365))
def test_age_is_counted_in_the_datas_time_and_reaches_its_limit_exactly(age: float, limit: float) -> None:
    verdict = asked(Policy(max_age_days=limit), last_event_time=NEW_YEAR + timedelta(days=age))
    assert (verdict.outcome == "train") == (timedelta(days=age) >= timedelta(days=limit))


def test_a_predecessor_that_wins_by_the_margin_twice_in_a_row_is_regretted() -> None:
    assert regretted(spec_of(), [(2.0, 1.5), (2.0, 1.8)]) == (
        "its MAE is better by more than 5 % on the last 2 drops (1.50 after 2.00, 1.80 after 2.00)"
    )


@pytest.mark.parametrize(
    "pairs",
    [
        [],
        [(2.0, 1.0)],
        [(2.0, 1.0), (2.0, 1.95)],
        [(2.0, 1.0), (2.0, 2.5)],
        [(2.0, 1.0), (2.0, 1.0), (1.0, 2.0)],
        [(0.0, 0.0), (0.0, 0.0)],
        [(2.0, math.nan), (2.0, 1.0)],
        [(math.nan, 1.0), (2.0, 1.0)],
    ],
)
def test_one_drop_and_a_narrow_win_and_an_old_one_and_an_unknown_one_are_not_regretted(
    pairs: list[tuple[float, float]],
) -> None:
    assert regretted(spec_of(), pairs) == ""


def test_only_the_latest_drops_count_for_regret() -> None:
    assert regretted(spec_of(), [(1.0, 9.0), (2.0, 1.0), (2.0, 1.0)])


def test_how_many_drops_and_which_margin_are_the_policys() -> None:
    pairs = [(2.0, 1.7), (2.0, 1.7), (2.0, 1.7)]
    assert regretted(spec_of(policy={"regret_drops": 3, "regret_margin_relative": 0.1}), pairs)
    assert not regretted(spec_of(policy={"regret_drops": 3, "regret_margin_relative": 0.2}), pairs)
    assert not regretted(spec_of(policy={"regret_drops": 4}), pairs)


def test_a_greater_accuracy_is_regretted_by_its_share_of_the_errors() -> None:
    # From 90 to 92 % right is a fifth of the errors less.
    worse, better = [(0.90, 0.92)] * 2, [(0.92, 0.90)] * 2
    assert "ACCURACY" in regretted(spec_of(metric=ACCURACY), worse) and not regretted(spec_of(metric=ACCURACY), better)
    assert not regretted(spec_of(metric=MAE), worse)


@pytest.mark.parametrize(
    "rule", [{"level": 0.0}, {"level": 0.6}, {"min_groups": 1}, {"judge_drops": 0}, {"regret_drops": 0}]
)
def test_a_policy_that_cannot_be_meant_is_refused(rule: dict[str, Any]) -> None:
    with pytest.raises(PermanentError, match="a policy"):
        Policy(**rule)
