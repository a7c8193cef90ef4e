"""The interval of a paired gain is as wide as event days are different, and covers the truth as often as it says."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contract.metrics import ACCURACY, AUC, MAE, RMSE, Metric
from shared.contract.spec import BOOL
from shared.evaluation import comparison
from shared.evaluation.comparison import ALL, Part, compare, from_metrics, to_metrics
from tests.unit.rides import frame_of, part, spec_of

NUMBERS = st.floats(-1e9, 1e9)
PARTS = st.builds(Part, rows=NUMBERS, groups=NUMBERS, challenger=NUMBERS, rival=NUMBERS, gain=NUMBERS, error=NUMBERS)


@cache
def noisy_days(seed: int, *, days: int = 30, rows: int = 20, gain: float = 0.0) -> Part:
    """Two versions of which neither is better but by `gain`: on each day one of them happens to be, on all its rows."""
    rng = np.random.default_rng(seed)
    of_day = np.repeat(np.arange(days), rows)
    luck = rng.normal(0, 0.5, days)[of_day] + rng.normal(0, 0.5, days * rows)
    frame = frame_of(np.zeros(days * rows), days=of_day)
    return compare(spec_of(), frame, 10.0 - gain - luck / 2, 10.0 + luck / 2)[ALL]


@pytest.mark.parametrize(
    ("metric", "better", "worse"),
    [
        (MAE, [1.0, 2.0, 3.0, 5.0], [1.0, 2.0, 4.0, 6.0]),
        (RMSE, [1.0, 2.0, 3.0, 5.0], [1.0, 2.0, 4.0, 6.0]),
        (ACCURACY, [1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 0.0, 0.0]),
    ],
)
def test_the_better_one_gains_by_every_metric_and_the_other_way_round_it_loses_as_much(
    metric: Metric, better: list[float], worse: list[float]
) -> None:
    spec, frame = spec_of(metric=metric), frame_of([1.0, 2.0, 3.0, 4.0], days=range(4))
    gained = compare(spec, frame, np.array(better), np.array(worse))[ALL]
    lost = compare(spec, frame, np.array(worse), np.array(better))[ALL]
    assert gained.gain == -lost.gain > 0 and gained.error == pytest.approx(lost.error)
    assert gained.gain == pytest.approx(abs(gained.challenger - gained.rival))
    assert (gained.rows, gained.groups) == (4, 4)


def test_an_area_under_the_curve_is_taken_again_of_every_resample() -> None:
    rng = np.random.default_rng(0)
    true = rng.random(600) < 0.4
    frame = frame_of(true, days=np.arange(600) % 30)
    good, poor = true + rng.normal(0, 0.5, 600), true + rng.normal(0, 2.0, 600)
    found = compare(spec_of(metric=AUC, target=BOOL), frame, good, poor)[ALL]
    assert found.gain > 0.1 and found.bounds(0.05)[0] > 0
    assert 0.005 < found.error < 0.06


def test_the_fast_way_and_the_plain_one_agree() -> None:
    rng = np.random.default_rng(0)
    frame = frame_of(np.zeros(600), days=np.arange(600) % 30)
    mine, theirs = rng.normal(0, 1.0, 600), rng.normal(0, 1.2, 600)
    fast, plain = (
        compare(spec_of(metric=metric), frame, mine, theirs)[ALL] for metric in (RMSE, replace(RMSE, losses=None))
    )
    assert (fast.gain, fast.challenger) == (plain.gain, plain.challenger)
    assert fast.error == pytest.approx(plain.error, rel=0.15)


def test_rows_of_one_day_that_say_the_same_are_no_more_evidence() -> None:
    rng = np.random.default_rng(1)
    luck = rng.normal(0, 1, 30)
    once = compare(spec_of(), frame_of(np.zeros(30), days=np.arange(30)), 5 - luck, 5 + luck)[ALL]
    of_day = np.repeat(np.arange(30), 40)
    often = compare(spec_of(), frame_of(np.zeros(1_200), days=of_day), (5 - luck)[of_day], (5 + luck)[of_day])[ALL]
    assert often.rows == 40 * once.rows and often.groups == once.groups == 30
    assert often.error == pytest.approx(once.error)


def test_months_that_are_hard_for_both_do_not_widen_the_interval() -> None:
    rng = np.random.default_rng(2)
    hard, luck = rng.normal(50, 20, 30), rng.normal(0, 0.1, 30)
    found = compare(spec_of(), frame_of(np.zeros(30), days=np.arange(30)), hard - 1 - luck, hard)[ALL]
    assert found.gain == pytest.approx(1, abs=0.1) and found.error < 0.05


@pytest.mark.parametrize("days", [20, 60])
def test_a_challenger_that_is_no_better_seems_so_as_often_as_the_level_says(days: int) -> None:
    found = [noisy_days(seed, days=days) for seed in range(400)]
    for level in (0.05, 0.20):
        wrong = sum(each.bounds(level)[0] > 0 for each in found) / len(found)
        # Three standard deviations of a share of 400 draws.
        assert wrong == pytest.approx(level, abs=3 * math.sqrt(level * (1 - level) / len(found)))


def test_the_interval_covers_the_truth_on_either_side_alike() -> None:
    found = [noisy_days(seed, gain=0.3).bounds(0.05) for seed in range(400)]
    over, under = (
        sum(side) / len(found) for side in zip(*((low > 0.3, high < 0.3) for low, high in found), strict=True)
    )
    assert over == pytest.approx(0.05, abs=0.033) and under == pytest.approx(0.05, abs=0.033)


def test_counted_row_by_row_the_same_draws_would_seem_better_four_times_too_often() -> None:
    wrong = 0
    for seed in range(200):
        found = noisy_days(seed)
        # 600 rows of variance 0.5, were they independent.
        naive = math.sqrt(0.5 / 600)
        wrong += found.gain > 1.645 * naive
    assert wrong / 200 > 0.20


def test_a_truly_better_challenger_is_seen_in_most_draws() -> None:
    seen = sum(noisy_days(seed, gain=0.35).bounds(0.025)[0] > 0 for seed in range(200)) / 200
    assert seen > 0.9


def test_bounds_are_those_of_student_with_one_degree_of_freedom_less_than_groups() -> None:
    from scipy.stats import t

    found = part(2.0, 3.0, groups=21.0, error=0.4)
    low, high = found.bounds(0.025)
    assert (low, high) == pytest.approx((1 - t.ppf(0.975, 20) * 0.4, 1 + t.ppf(0.975, 20) * 0.4))


@given(st.floats(0.001, 0.4), st.floats(0.001, 0.4), st.integers(2, 5_000))
def test_a_stricter_level_and_fewer_groups_make_wider_bounds(one: float, other: float, groups: int) -> None:
    found = part(2.0, 3.0, groups=float(groups), error=0.4)
    (low, high), (lower, higher) = found.bounds(max(one, other)), found.bounds(min(one, other))
    assert lower <= low <= found.gain <= high <= higher
    assert part(2.0, 3.0, groups=groups + 1.0, error=0.4).bounds(one)[0] >= found.bounds(one)[0]


def test_one_day_alone_says_nothing_of_chance() -> None:
    found = compare(spec_of(), frame_of([1.0, 2.0], days=[0, 0]), np.ones(2), np.zeros(2))[ALL]
    assert found.groups == 1 and found.bounds(0.05) == (-math.inf, math.inf)
    assert math.isnan(found.error) and found.is_known


def test_a_day_is_one_by_the_clocks_of_the_event_time() -> None:
    # 23:00 and 01:00 in New York are one day in UTC.
    frame = frame_of([0.0, 0.0]).assign(at=lambda _: ["2013-01-02T04:00Z", "2013-01-02T06:00Z"])
    frame["at"] = frame["at"].astype("datetime64[us, UTC]")
    assert comparison.groups_of(spec_of(), frame).tolist() == [0, 1]


def test_the_models_own_groups_take_the_place_of_days_and_a_row_without_one_is_of_none() -> None:
    spec, frame = spec_of(group="seats"), frame_of(np.zeros(6), days=[0] * 6)
    frame["seats"] = [1.0, 1.0, 2.0, math.nan, math.nan, 3.0]
    assert compare(spec, frame, np.ones(6), np.zeros(6))[ALL].groups == 4


def test_more_than_two_thousand_groups_are_merged_and_the_error_stays_what_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn, weights = list[int](), comparison._weights

    def heard(groups: int, resamples: int) -> np.ndarray:
        drawn.append(groups)
        return weights(groups, resamples)

    monkeypatch.setattr(comparison, "_weights", heard)
    count = 5_000
    luck = np.random.default_rng(3).normal(0, 1, count)
    frame = frame_of(np.zeros(count)).assign(km=np.arange(count, dtype=float))
    found = compare(spec_of(group="km"), frame, 10 - luck, np.full(count, 10.0))[ALL]
    assert drawn == [comparison.MOST_GROUPS] and found.groups == count
    assert found.error == pytest.approx(luck.std() / math.sqrt(count), rel=0.06)


def test_the_same_rows_have_the_same_interval_whenever_they_are_asked() -> None:
    assert noisy_days(7) == noisy_days(7)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("metric", [MAE, RMSE])
def test_a_prediction_that_is_no_number_leaves_nothing_known(metric: Metric, value: float) -> None:
    spec, frame, fine = spec_of(metric=metric), frame_of(np.zeros(40), days=np.arange(40)), np.ones(40)
    broken = np.where(np.arange(40) == 7, value, fine)
    for pair in ((broken, fine), (fine, broken)):
        assert not compare(spec, frame, *pair)[ALL].is_known


def test_one_class_alone_has_no_area_under_the_curve() -> None:
    frame = frame_of(np.ones(40, dtype=bool), days=np.arange(40))
    assert not compare(spec_of(metric=AUC, target=BOOL), frame, np.linspace(0, 1, 40), np.zeros(40))[ALL].is_known


def test_a_part_is_scored_on_its_own_rows_and_one_without_rows_is_left_out() -> None:
    frame = frame_of([0.0, 0.0, 0.0, 0.0], days=range(4))
    masks = {"first": np.array([True, True, False, False]), "none": np.zeros(4, dtype=bool)}
    found = compare(spec_of(), frame, np.array([1.0, 3.0, 9.0, 9.0]), np.array([2.0, 2.0, 0.0, 0.0]), masks)
    assert list(found) == [ALL, "first"]
    assert (found["first"].challenger, found["first"].rival, found["first"].rows) == (2.0, 2.0, 2)


@given(st.dictionaries(st.sampled_from([ALL, "alike", "older", "slice_a", "drop_1"]), PARTS))
def test_numbers_that_went_through_mlflow_are_the_same_and_anothers_are_not_taken(parts: dict[str, Part]) -> None:
    kept = {**to_metrics("vs_1", parts), **to_metrics("vs_12", {ALL: part(0.0, 9.0)}), "holdout_rows": 7.0}
    assert from_metrics("vs_1", kept) == parts


@pytest.mark.parametrize("name", ["rows", "groups", "challenger", "rival", "gain", "error"])
def test_a_number_that_is_missing_in_mlflow_is_not_known(name: str) -> None:
    kept = to_metrics("vs_1", {ALL: part(1.0, 2.0)})
    del kept[f"vs_1/all/{name}"]
    assert not from_metrics("vs_1", kept)[ALL].is_known


def test_rows_of_one_class_are_no_part_of_an_auc_and_a_prediction_that_is_no_number_still_is() -> None:
    true = np.arange(80) % 2 == 1
    frame, rare = frame_of(true, days=np.arange(80) // 2), true.copy()
    spec, told = spec_of(metric=AUC, target=BOOL), np.linspace(0, 1, 80)
    both = np.arange(80) < 40
    parts = compare(spec, frame, told, told, {"slice_rare": rare, "slice_both": both})
    assert set(parts) == {ALL, "slice_both"}
    of_days = spec_of()
    broken = np.where(both, np.nan, 1.0)
    found = compare(of_days, frame_of(np.zeros(80), days=range(80)), broken, broken, {"slice_both": both})
    assert not found["slice_both"].is_known, "what cannot be scored for its predictions has to speak against them"


def test_a_level_as_small_as_many_tries_make_it_still_gives_bounds() -> None:
    low, high = part(0.9, 1.0).bounds(1e-30)
    assert math.isfinite(low) and math.isfinite(high) and low < part(0.9, 1.0).bounds(1e-6)[0]
