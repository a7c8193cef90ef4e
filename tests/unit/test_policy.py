"""The policy's verdicts: direction respected, doubt speaks against the challenger, and the sentence has the numbers."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contract.metrics import ACCURACY, AUC, MAE, RMSE, Metric
from shared.contract.spec import FLOAT64, TIMESTAMP, Column, ModelSpec, Policy
from shared.evaluation.policy import Verdict, judge, worth_training

NEW_YEAR = datetime(2013, 1, 1)
ERRORS = st.floats(0.01, 1e6)
SHARES = st.floats(0.01, 0.99)


def asked(**given: Any) -> Verdict:
    calm: dict[str, Any] = {
        "champion": 3,
        "trained_until": NEW_YEAR,
        "last_event_time": NEW_YEAR + timedelta(days=10),
        "skills": [0.62, 0.61, 0.63],
        "skill_at_promotion": 0.62,
        "drifted": {},
    }
    return worth_training(Policy(), **calm | given)


def test_a_young_champion_that_holds_its_skill_is_kept() -> None:
    verdict = asked()
    assert verdict.outcome == "keep" and "skill is 0.63" in verdict.why


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"champion": None, "trained_until": None, "skill_at_promotion": None}, "no champion"),
        ({"skills": [0.62, 0.50, 0.51]}, "0.50, 0.51 on 2 of the last 3 drops"),
        ({"skills": [0.50, 0.62, 0.51]}, "0.50, 0.51 on 2 of the last 3 drops"),
        ({"drifted": {"km": 0.31, "kind": 0.8}}, "kind (PSI 0.80), km (PSI 0.31)"),
        ({"last_event_time": NEW_YEAR + timedelta(days=31)}, "31.0 days"),
        ({"trained_until": None}, "nothing says until when"),
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


def scored(metric: Metric, challenger: float, champion: float, **given: float) -> dict[str, float]:
    name = metric.name
    alike = {f"{whose}_{name}_slice_{key}": champion for whose in ("holdout", "champion_holdout") for key in "ab"}
    rows = {"holdout_rows": 5012.0, "holdout_rows_slice_a": 4000.0, "holdout_rows_slice_b": 150.0}
    return {f"holdout_{name}": challenger, f"champion_holdout_{name}": champion, **alike, **rows} | given


def spec_of(metric: Metric = MAE, **policy: Any) -> ModelSpec:
    columns = [
        Column("at", TIMESTAMP, event_time=True),
        Column("kind", FLOAT64),
        Column("fare", FLOAT64, target=True),
    ]
    slices = {"a": lambda rides: rides["kind"] == 1, "b": lambda rides: rides["kind"] == 2}
    return ModelSpec(
        title="Rides", columns=columns, pipeline=dict, metric=metric, slices=slices, policy=Policy(**policy)
    )


def judged(metric: Metric, challenger: float, champion: float, **given: float) -> Verdict:
    return judge(spec_of(metric), scored(metric, challenger, champion, **given), champion=1)


@given(ERRORS, ERRORS)
def test_a_smaller_error_is_promoted_and_no_other(mine: float, theirs: float) -> None:
    assert (judged(RMSE, mine, theirs).outcome == "promote") == (mine < theirs)


@given(SHARES, SHARES)
def test_a_greater_accuracy_is_promoted_and_no_other(mine: float, theirs: float) -> None:
    assert (judged(ACCURACY, mine, theirs).outcome == "promote") == (mine > theirs)


def test_a_promotion_tells_its_numbers() -> None:
    assert judged(RMSE, 15.83, 16.40).why == (
        "Its RMSE on 5,012 held-out rows is 15.83, the champion's (version 1) 16.40: 3.5 % better; "
        "no slice is worse by more than 10 %."
    )


def test_the_least_gain_must_be_exceeded() -> None:
    picky = spec_of(min_gain_relative=0.10)
    assert judge(picky, scored(MAE, 9.0, 10.0), champion=1).outcome == "keep"
    assert judge(picky, scored(MAE, 8.9, 10.0), champion=1).outcome == "promote"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["holdout_rows", "holdout_mae", "champion_holdout_mae"])
def test_what_is_not_a_number_keeps_the_champion(name: str, value: float) -> None:
    verdict = judged(MAE, 1.0, 2.0, **{name: value})
    assert verdict.outcome == "keep" and f"{name} is {value}" in verdict.why


@pytest.mark.parametrize("name", sorted(scored(MAE, 1.0, 2.0)))
def test_a_missing_metric_keeps_the_champion(name: str) -> None:
    metrics = scored(MAE, 1.0, 2.0)
    del metrics[name]
    assert judge(spec_of(), metrics, champion=1).outcome == "keep"


def test_too_few_rows_are_not_enough_evidence() -> None:
    verdict = judged(MAE, 1.0, 2.0, holdout_rows=99.0)
    assert verdict.outcome == "not enough evidence" and "99 rows" in verdict.why


def test_a_slice_that_got_worse_keeps_the_champion() -> None:
    verdict = judged(MAE, 1.0, 2.0, holdout_mae_slice_b=2.5)
    assert verdict.outcome == "keep" and '25 % worse on the slice "b" (2.50 after 2.00 on 150 rows)' in verdict.why


def test_a_slice_may_get_worse_within_the_margin() -> None:
    assert judged(MAE, 1.0, 2.0, holdout_mae_slice_b=2.19).outcome == "promote"


def test_a_slice_with_few_rows_does_not_decide_and_is_named() -> None:
    verdict = judged(MAE, 1.0, 2.0, holdout_mae_slice_b=9.0, holdout_rows_slice_b=20.0)
    assert verdict.outcome == "promote" and "too few rows to tell: b" in verdict.why


def test_the_margin_of_an_accuracy_is_a_share_of_its_errors() -> None:
    # From 95 to 93 % right is 40 % more errors, though only 2 % less accuracy.
    loser = {"champion_holdout_accuracy_slice_b": 0.95, "holdout_accuracy_slice_b": 0.93}
    assert judged(ACCURACY, 0.9, 0.8, **loser).outcome == "keep"


def first(metric: Metric, mine: float, floor: float) -> Verdict:
    metrics = {"holdout_rows": 500.0, f"holdout_{metric.name}": mine, f"baseline_holdout_{metric.name}": floor}
    return judge(spec_of(metric), metrics, champion=None)


@pytest.mark.parametrize(("metric", "mine", "floor"), [(RMSE, 4.0, 5.0), (AUC, 0.6, 0.5)])
def test_a_first_model_must_beat_its_baseline(metric: Metric, mine: float, floor: float) -> None:
    assert first(metric, mine, floor).outcome == "promote"
    assert first(metric, floor, mine).outcome == "keep"
    assert first(metric, floor, floor).outcome == "keep"
    assert first(metric, mine, math.nan).outcome == "keep"


@given(ERRORS, ERRORS, st.sampled_from([1, None]))
def test_every_verdict_is_one_sentence(mine: float, theirs: float, champion: int | None) -> None:
    metrics = scored(MAE, mine, theirs, baseline_holdout_mae=theirs)
    why = judge(spec_of(), metrics, champion=champion).why
    assert why.endswith(".") and "nan" not in why
