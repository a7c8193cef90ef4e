"""Both mistakes of the gate, on a few seeds of `benchmarks/decisions.py`: enough to see a gate that is wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import decisions
from benchmarks.decisions_cases import NO_BETTER, TWINS, UNKIND, changed, has_learned, poison_harmed, settled, tariff
from benchmarks.decisions_level import promoted
from benchmarks.decisions_rows import MONTHS, POISONS, Kind, month
from shared.contract.metrics import AUC, MAE, Metric
from shared.evaluation.comparison import compare
from shared.models.taxi_fare import taxi_fare

GATE, ALWAYS_KEEP, BIGGER = "", "always_keep", "bigger"
SEEDS = (1, 2)


@pytest.mark.parametrize("when", ["middle", "start"])
def test_a_rise_of_the_tariff_is_learned_within_two_drops(when: str) -> None:
    assert [tariff(when, 2)(seed, GATE) for seed in SEEDS] == [(1, 0)] * len(SEEDS)
    assert tariff(when, 2)(SEEDS[0], ALWAYS_KEEP) == (1, 1)


def test_a_version_is_told_from_those_that_were_before_the_tariff() -> None:
    life, champions = changed(SEEDS[0], GATE, "middle")
    assert not has_learned(life, champions[0]) and has_learned(life, champions[-1])


def test_poison_in_one_drop_puts_no_worse_version_into_production() -> None:
    leaked = poison_harmed(POISONS["leaked_target_finely"])
    assert [leaked(seed, GATE) for seed in SEEDS] == [(1, 0)] * len(SEEDS)
    assert sum(leaked(seed, BIGGER)[1] for seed in SEEDS) > 0


def test_of_twenty_twins_tried_on_the_same_rows_none_is_promoted() -> None:
    assert NO_BETTER["twins_20_tries"](SEEDS[0], GATE) == (1, 0)
    assert NO_BETTER["twins_20_tries"](SEEDS[0], BIGGER) == (1, 1)


def test_however_many_are_tried_on_the_same_rows_their_levels_are_together_no_more_than_the_policys() -> None:
    life = settled(TWINS, UNKIND, 1, GATE, drops=3)
    for number in range(6):
        life.train(params={"seed": 2 + number})
    levels = [decision.level or 0.0 for decision in life.history[1:]]
    assert len(levels) == 6 and levels == sorted(levels, reverse=True)
    assert sum(levels) <= TWINS.policy.level < 6 * levels[0]


@pytest.mark.parametrize("metric", [MAE, AUC], ids=lambda metric: metric.name)
def test_on_twenty_days_a_twin_is_seldom_promoted(metric: Metric) -> None:
    could, did = map(sum, zip(*(promoted(metric, 20, seed) for seed in range(10)), strict=True))
    assert did <= 2 * could * TWINS.policy.level


def test_an_auc_is_as_uncertain_by_its_influences_as_by_ranking_each_resample() -> None:
    rng, rides = np.random.default_rng(1), month(Kind(), 0, 1)
    spec = replace(taxi_fare, metric=AUC)
    moods = rng.normal(0, 1, 31)[rides["pickup_datetime"].dt.day - 1]
    rides["fare_amount"] = (rng.normal(0, 1, len(rides)) + moods > 0.5) * 1.0
    told = [np.asarray(rides["fare_amount"] + rng.normal(0, size, len(rides)) + 0.5 * moods) for size in (1.0, 1.1)]
    fast = compare(spec, rides, told[0], told[1])["all"]
    slow = compare(replace(spec, metric=replace(AUC, influences=None)), rides, told[0], told[1])["all"]
    assert fast.gain == slow.gain
    assert fast.error == pytest.approx(slow.error, rel=0.15)


def test_the_rides_of_a_month_are_the_same_each_time_and_keep_the_contract() -> None:
    rides = month(UNKIND, 3, 5)
    assert rides.equals(month(UNKIND, 3, 5)) and not rides.equals(month(UNKIND, 3, 6))
    assert rides["pickup_datetime"].dt.tz_convert("America/New_York").dt.month.eq(MONTHS[3].month).mean() > 0.99
    for kind in POISONS.values():
        poisoned = kind(rides, np.random.default_rng(1))
        assert poisoned["key"].is_unique and poisoned["fare_amount"].between(0.01, 500).all()


def test_a_share_that_is_promised_is_told_with_the_upper_end_of_its_interval() -> None:
    name, other = "decisions_poison_harmed_x", "decisions_bigger_poison_harmed_x"
    counts = decisions.Counts({f"{name}_count": 100, f"{other}_count": 10, f"{other}_wrong": 9})
    assert decisions.figures(counts, 100) == {
        "decisions_seeds_count": 100,
        f"{name}_share": 0.0,
        f"{name}_at_most_share": pytest.approx(0.0362, abs=1e-4),
        f"{other}_share": 0.9,
    }
