"""Doubt speaks against the challenger, and the sentence that says so has the numbers."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contract.metrics import ACCURACY, AUC, MAE, RMSE, Metric
from shared.evaluation.comparison import ALL, Part
from shared.evaluation.policy import Verdict
from shared.evaluation.verdicts import judge
from tests.unit.rides import DECEMBER, JANUARY, evidence, part, spec_of

ERRORS = st.floats(0.01, 1e6)
SHARES = st.floats(0.01, 0.99)
GOOD = part(1.90, 2.00, error=0.02)
NUMBERS = ("rows", "groups", "challenger", "rival", "gain", "error")


def judged(whole: Part | None, *, policy: dict[str, Any] | None = None, **given: Any) -> Verdict:
    return judge(spec_of(policy=policy), evidence(whole, **given))


def of(metric: Metric, mine: float, theirs: float, *, rival: int | None = 1) -> Verdict:
    """Both scores, without any doubt about their difference."""
    same = {f"part_slice_{name}": part(theirs, theirs, gain=0.0) for name in "ab"}
    whole = part(mine, theirs, gain=metric.gain(mine, theirs), error=0.0)
    return judge(spec_of(metric=metric), evidence(whole, rival=rival, **same))


def test_a_promotion_tells_its_numbers() -> None:
    assert judge(spec_of(metric=RMSE), evidence(part(15.83, 16.40, error=0.10))).why == (
        "Its RMSE on 5,012 held-out rows is 15.83, version 1's 16.40: 3.5 % better (90 % interval of the gain 0.4029 "
        "to 0.7371, 60 event days); no slice is worse."
    )


@given(ERRORS, ERRORS, st.sampled_from([MAE, RMSE]), st.sampled_from([1, None]))
def test_a_smaller_error_is_promoted_and_no_other(
    mine: float, theirs: float, metric: Metric, rival: int | None
) -> None:
    assert (of(metric, mine, theirs, rival=rival).outcome == "promote") == (mine < theirs)


@given(SHARES, SHARES, st.sampled_from([ACCURACY, AUC]), st.sampled_from([1, None]))
def test_a_greater_share_is_promoted_and_no_other(
    mine: float, theirs: float, metric: Metric, rival: int | None
) -> None:
    assert (of(metric, mine, theirs, rival=rival).outcome == "promote") == (mine > theirs)


@given(ERRORS, ERRORS, st.floats(0, 10), st.sampled_from([1, None]))
def test_every_verdict_is_one_line_that_ends(mine: float, theirs: float, error: float, rival: int | None) -> None:
    why = judged(part(mine, theirs, error=error), rival=rival).why
    assert why.endswith(".") and "\n" not in why and "nan" not in why


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("rival", [1, None])
def test_what_is_no_number_keeps_the_champion(name: str, value: float, rival: int | None) -> None:
    assert judged(replace(GOOD, **{name: value}), rival=rival).outcome == "keep"


def test_no_scores_on_the_same_rows_keep_the_champion_and_say_why() -> None:
    verdict = judged(None, fault="version 1 cannot be loaded: it was made with scikit-learn 0.1.")
    assert verdict.outcome == "keep" and verdict.why == (
        "There are no scores of the challenger and version 1 on the same rows: version 1 cannot be loaded: it was made "
        "with scikit-learn 0.1."
    )


@pytest.mark.parametrize("rows", [1.0, 400.0, math.inf])
def test_rows_that_the_challenger_was_trained_on_keep_the_champion(rows: float) -> None:
    verdict = judged(GOOD, overlap_rows=rows)
    assert verdict.outcome == "keep" and f"was trained on {rows:,.0f} of the rows" in verdict.why


@pytest.mark.parametrize("unknown", [None, math.nan])
def test_not_to_know_whether_it_was_trained_on_them_keeps_the_champion(unknown: float | None) -> None:
    verdict = judged(GOOD, overlap_rows=unknown)
    assert verdict.outcome == "keep" and "Nothing says whether the challenger was trained" in verdict.why


def test_thirty_rows_are_not_enough_evidence() -> None:
    verdict = judged(part(1.0, 2.0, rows=30.0))
    assert verdict.outcome == "not enough evidence" and "at least 100 rows" in verdict.why


def test_a_fortnight_is_not_enough_evidence_however_many_rows_it_has() -> None:
    verdict = judged(part(1.0, 2.0, rows=1e6, groups=14.0))
    assert verdict.outcome == "not enough evidence" and "at least 20 event days" in verdict.why


def test_one_day_alone_is_not_enough_evidence_and_no_fault() -> None:
    verdict = judged(part(1.0, 2.0, groups=1.0, error=math.nan))
    assert verdict.outcome == "not enough evidence" and "no interval: 1 event days" in verdict.why


def test_groups_are_called_as_the_model_calls_them() -> None:
    assert "20 values of seats" in judge(spec_of(group="seats"), evidence(part(1.0, 2.0, groups=14.0))).why


def test_a_gain_within_the_noise_is_not_enough_evidence() -> None:
    verdict = judged(part(1.90, 2.00, error=0.07))
    assert verdict.outcome == "not enough evidence"
    assert "that may be chance" in verdict.why and "-0.01698 to 0.217" in verdict.why


def test_a_stricter_level_makes_chance_of_the_same_gain() -> None:
    shaky = part(1.90, 2.00, error=0.05)
    assert judged(shaky, level=0.05).outcome == "promote"
    assert judged(shaky, level=0.05 / 4).outcome == "not enough evidence"


def test_no_gain_is_no_doubt_but_a_no() -> None:
    verdict = judged(part(2.00, 2.00, error=0.07))
    assert verdict.outcome == "keep" and verdict.why.endswith("it is not better.")


def test_the_gain_has_to_be_as_large_as_the_policy_wants_beyond_chance() -> None:
    picky = {"min_gain_relative": 0.10}
    assert judged(part(1.85, 2.00, error=0.001), policy=picky).outcome == "not enough evidence"
    assert "it has to be 10 % better" in judged(part(1.79, 2.00, error=0.02), policy=picky).why
    assert judged(part(1.79, 2.00, error=0.001), policy=picky).outcome == "promote"


@pytest.mark.parametrize(("metric", "mine", "floor"), [(MAE, 4.0, 5.0), (RMSE, 4.0, 5.0), (AUC, 0.6, 0.5)])
def test_a_first_model_must_beat_its_baseline(metric: Metric, mine: float, floor: float) -> None:
    assert of(metric, mine, floor, rival=None).outcome == "promote"
    assert of(metric, floor, mine, rival=None).outcome == of(metric, floor, floor, rival=None).outcome == "keep"
    assert "the baseline's" in of(metric, mine, floor, rival=None).why


def test_a_first_model_that_beats_its_baseline_by_chance_is_not_enough_evidence() -> None:
    assert judged(part(1.9, 2.0, error=0.1), rival=None).outcome == "not enough evidence"


def test_a_worse_slice_keeps_the_champion_and_the_sentence_has_its_size_difference_and_interval() -> None:
    verdict = judged(GOOD, part_slice_b=part(2.50, 2.00, rows=150.0, groups=30.0, error=0.10))
    assert verdict.outcome == "keep"
    assert verdict.why.endswith(
        'but it is worse on the slice "b" (2.50 after 2.00 on 150 rows, 25 % worse (90 % interval of the gain -0.6699 '
        "to -0.3301, 30 event days); margin 0.2)."
    )


def test_every_slice_that_got_worse_is_named() -> None:
    verdict = judged(GOOD, part_slice_a=part(9.0, 2.0), part_slice_b=part(9.0, 2.0))
    assert verdict.outcome == "keep" and 'the slice "a"' in verdict.why and 'the slice "b"' in verdict.why


def test_a_slice_may_get_worse_within_its_margin() -> None:
    assert judged(GOOD, part_slice_b=part(2.15, 2.00, error=0.01)).outcome == "promote"


def test_a_slice_that_may_be_worse_than_its_margin_waits() -> None:
    verdict = judged(GOOD, part_slice_b=part(2.05, 2.00, error=0.20))
    assert verdict.outcome == "not enough evidence" and 'it may be worse on the slice "b"' in verdict.why
    assert verdict.why.endswith("It waits for the next drop.")


@pytest.mark.parametrize("small", [{"rows": 99.0}, {"groups": 19.0}])
def test_a_small_slice_does_not_decide_and_is_named(small: dict[str, float]) -> None:
    verdict = judged(GOOD, part_slice_b=part(9.0, 2.0, **small))
    assert verdict.outcome == "promote" and "too few rows to tell: b" in verdict.why


def test_slices_that_are_all_small_are_not_said_to_hold() -> None:
    verdict = judged(GOOD, part_slice_a=part(9.0, 2.0, rows=9.0), part_slice_b=part(9.0, 2.0, rows=9.0))
    assert verdict.outcome == "promote" and "no slice is worse" not in verdict.why and "a, b" in verdict.why


@pytest.mark.parametrize("name", ["challenger", "rival", "gain", "error"])
def test_a_slice_without_its_scores_keeps_the_champion(name: str) -> None:
    verdict = judged(GOOD, part_slice_b=replace(part(2.0, 2.0), **{name: math.nan}))
    assert verdict.outcome == "keep" and 'the slice "b" has no scores to compare' in verdict.why


def test_an_absolute_margin_goes_before_the_relative_one() -> None:
    worse = part(2.10, 2.00, error=0.001)
    assert judged(GOOD, part_slice_b=worse).outcome == "promote"
    assert judged(GOOD, part_slice_b=worse, policy={"slice_margin_absolute": 0.05}).outcome == "keep"
    far = part(2.50, 2.00, error=0.001)
    assert judged(GOOD, part_slice_b=far, policy={"slice_margin_absolute": 0.60}).outcome == "promote"


def test_the_margin_of_an_accuracy_is_a_share_of_its_errors() -> None:
    # From 95 to 93 % right is 40 % more errors, though only 2 % less accuracy.
    worse = part(0.93, 0.95, gain=-0.02)
    verdict = judge(spec_of(metric=ACCURACY), evidence(part(0.9, 0.8, gain=0.1), part_slice_b=worse))
    assert verdict.outcome == "keep" and "40 % worse" in verdict.why


def test_a_gain_only_on_its_own_drops_waits_and_the_drops_are_named() -> None:
    alike = part(2.02, 2.00, error=0.02)
    verdict = judged(GOOD, part_alike=alike, drops=[JANUARY, DECEMBER], news=[JANUARY])
    assert verdict.outcome == "not enough evidence"
    assert f"the gain shows only on {JANUARY}, which it was trained on and version 1 was not" in verdict.why
    assert "on the other drops it is 2.02 after 2.00" in verdict.why


def test_a_gain_on_the_other_drops_that_may_be_chance_waits_too() -> None:
    verdict = judged(GOOD, part_alike=part(1.95, 2.00, error=0.05), drops=[JANUARY, DECEMBER], news=[JANUARY])
    assert verdict.outcome == "not enough evidence" and "2.5 % better" in verdict.why


@pytest.mark.parametrize("alike", [None, part(1.0, 2.0, groups=19.0), part(math.nan, 2.0)])
def test_without_enough_other_drops_a_gain_waits(alike: Part | None) -> None:
    given: dict[str, Any] = {} if alike is None else {"part_alike": alike}
    assert judged(GOOD, drops=[JANUARY], news=[JANUARY], **given).outcome == "not enough evidence"


def test_a_gain_that_the_other_drops_show_too_is_promoted() -> None:
    assert judged(GOOD, part_alike=GOOD, drops=[JANUARY, DECEMBER], news=[JANUARY]).outcome == "promote"


@pytest.mark.parametrize("own", ["part_news", "part_drop_1"])
def test_a_gain_that_is_larger_on_its_own_drops_than_the_others_explain_waits(own: str) -> None:
    given: dict[str, Any] = {"part_alike": GOOD, "drops": [JANUARY, DECEMBER], "news": [JANUARY]}
    verdict = judged(GOOD, **(given | {own: part(1.2, 2.0, error=0.02)}))
    assert verdict.outcome == "not enough evidence"
    assert f"its gain is larger on {JANUARY}, which only it was trained on, than the other drops explain" in verdict.why
    assert judged(GOOD, **(given | {own: part(1.88, 2.0, error=0.02)})).outcome == "promote"


def test_own_days_that_are_few_are_larger_only_if_they_agree() -> None:
    given: dict[str, Any] = {"part_alike": GOOD, "drops": [JANUARY, DECEMBER], "news": [JANUARY]}
    few = {"rows": 60.0, "groups": 5.0}
    assert judged(GOOD, **given, part_news=part(1.2, 2.0, error=0.05, **few)).outcome == "not enough evidence"
    assert judged(GOOD, **given, part_news=part(1.2, 2.0, error=0.60, **few)).outcome == "promote"
    assert judged(GOOD, **given, part_news=part(math.nan, 2.0)).outcome == "not enough evidence"


def test_on_fresh_drops_there_are_no_news_and_the_gain_decides() -> None:
    assert judged(GOOD, drops=[JANUARY], news=[]).outcome == "promote"


@pytest.mark.parametrize(
    ("odd_drops", "how"), [("propose", "withdraw that, or promote it"), ("withdraw", "promote it by hand if")]
)
def test_what_is_told_of_an_odd_drop_is_what_a_person_has_to_do(odd_drops: str, how: str) -> None:
    verdict = judged(GOOD, odd={DECEMBER: "it collapsed"}, policy={"odd_drops": odd_drops})
    assert verdict.outcome == "keep" and f"{DECEMBER} (it collapsed); {how}" in verdict.why


def test_what_has_learned_from_an_odd_drop_serves_only_by_a_persons_will() -> None:
    verdict = judged(GOOD, odd={DECEMBER: "a version's skill was 0.10 there, and 0.70 on the next"})
    assert verdict.outcome == "keep"
    assert f"{DECEMBER} (a version's skill was 0.10 there" in verdict.why and "promote it by hand" in verdict.why


def test_one_of_the_drops_on_which_it_may_be_worse_makes_it_wait() -> None:
    verdict = judged(GOOD, part_drop_1=part(1.5, 2.0), part_drop_2=part(2.3, 2.0), drops=[JANUARY, DECEMBER])
    assert verdict.outcome == "not enough evidence" and f"it may be worse on {DECEMBER}" in verdict.why


def test_a_drop_has_a_margin_of_its_own() -> None:
    given: dict[str, Any] = {"part_drop_1": part(2.3, 2.0, error=0.001), "drops": [JANUARY]}
    assert judged(GOOD, **given, policy={"drop_margin_relative": 0.20}).outcome == "promote"
    assert judged(GOOD, **given, policy={"drop_margin_absolute": 0.10}).outcome == "not enough evidence"


def test_a_loss_on_older_drops_waits_and_a_doubt_about_them_does_not() -> None:
    verdict = judged(GOOD, part_older=part(2.5, 2.0))
    assert verdict.outcome == "not enough evidence" and "it is worse on older drops" in verdict.why
    assert judged(GOOD, part_older=part(2.1, 2.0, error=5.0)).outcome == "promote"
    assert judged(GOOD, part_older=part(2.5, 2.0, rows=99.0)).outcome == "promote"


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=6, max_size=6), st.sampled_from([1, None]))
def test_nothing_is_promoted_but_a_known_gain_beyond_chance(numbers: list[float], rival: int | None) -> None:
    whole = Part(**dict(zip(NUMBERS, numbers, strict=True)))
    if judged(whole, rival=rival).outcome == "promote":
        assert whole.is_known and whole.bounds(0.05)[0] > 0 and whole.rows >= 100 and whole.groups >= 20


def test_the_worst_reason_is_told_first_and_an_unknown_overlap_before_all() -> None:
    poor = part(9.0, 2.0)
    assert "Nothing says" in judged(poor, overlap_rows=None, part_slice_b=poor).why
    assert "it is not better" in judged(poor, part_slice_b=poor).why
    assert ALL in evidence(GOOD).parts
