"""What was over with the next drop was no change of the world."""

from __future__ import annotations

import math
from typing import Any

import pytest

from shared.contract.metrics import ACCURACY, MAE, Metric
from shared.contract.spec import FLOAT64, TIMESTAMP, Column, ModelSpec, Policy
from shared.evaluation.comparison import Part
from shared.evaluation.oddity import LATER_DROPS, at_a_loss, collapsed, unconfirmed


def spec_of(metric: Metric = MAE, **policy: Any) -> ModelSpec:
    columns = [Column("at", TIMESTAMP, event_time=True), Column("fare", FLOAT64, target=True)]
    return ModelSpec(title="Rides", columns=columns, pipeline=dict, metric=metric, policy=Policy(**policy))


def skills(*values: float) -> list[tuple[str, float]]:
    return [(f"drop {number}", value) for number, value in enumerate(values, 1)]


def part(challenger: float, rival: float, *, error: float = 0.01, metric: Metric = MAE) -> Part:
    gain = metric.gain(challenger, rival)
    return Part(rows=1_000, groups=30, challenger=challenger, rival=rival, gain=gain, error=error)


@pytest.mark.parametrize(
    ("seen", "odd"),
    [
        ((0.69, -7.9, 0.70), ["drop 2"]),
        ((0.69, 0.08, 0.69), ["drop 2"]),
        ((0.69, 0.10, 0.05, 0.68), ["drop 2", "drop 3"]),
        # The world has changed, and stays as it is.
        ((0.69, 0.30, 0.31, 0.29), []),
        # The last drop may be either.
        ((0.69, 0.70, -3.0), []),
        # Months differ in difficulty.
        ((0.58, 0.72, 0.61, 0.75), []),
        ((), []),
    ],
)
def test_a_version_that_recovers_on_the_next_drop_says_that_the_one_before_was_odd(
    seen: tuple[float, ...], odd: list[str]
) -> None:
    assert list(collapsed(spec_of(), skills(*seen))) == odd


@pytest.mark.parametrize(
    ("days", "skill", "is_odd"), [(20, 0.4, True), (7, 0.4, False), (1, -0.4, False), (1, -0.5, True)]
)
def test_a_drop_of_few_days_has_to_fail_by_more(days: int, skill: float, is_odd: bool) -> None:
    for short in ("drop 2", "drop 3"):
        assert list(collapsed(spec_of(), skills(0.69, skill, 0.69), {short: days})) == (["drop 2"] if is_odd else [])


def test_a_recovery_long_afterwards_says_nothing() -> None:
    assert "drop 1" not in collapsed(spec_of(), skills(0.1, *[0.1] * LATER_DROPS, 0.7))


def test_it_says_where_the_version_failed_and_where_it_recovered() -> None:
    why = collapsed(spec_of(), skills(0.69, -7.9, 0.70))["drop 2"]
    assert "-7.90 there" in why and "0.70 on drop 3" in why


def test_the_limit_is_the_policys() -> None:
    assert collapsed(spec_of(odd_skill=0.1), skills(0.5, 0.7)) and not collapsed(spec_of(), skills(0.5, 0.7))


def test_a_gain_that_later_drops_do_not_confirm_is_odd() -> None:
    found = unconfirmed(spec_of(), {"leaked": part(0.1, 1.5), "plain": part(1.46, 1.5)}, part(1.45, 1.5))
    assert list(found) == ["leaked"] and "93.3 % there, and 3.3 % on drops that came later" in found["leaked"]


def test_a_gain_that_lasts_is_a_change_of_the_world() -> None:
    assert not unconfirmed(spec_of(), {"tariff": part(1.5, 2.6)}, part(1.55, 2.5))


def test_a_gain_of_which_nobody_can_be_sure_is_not_odd() -> None:
    assert not unconfirmed(spec_of(), {"small": part(0.9, 1.5, error=0.3)}, part(1.5, 1.5))
    assert not unconfirmed(spec_of(), {"small": part(0.9, 1.5)}, part(1.5, 1.5, error=0.4))


def test_to_fail_on_later_drops_makes_no_earlier_one_odd() -> None:
    assert not unconfirmed(spec_of(), {"plain": part(1.45, 1.5)}, part(3.0, 1.5))


def test_the_direction_of_the_metric_is_respected() -> None:
    own = {"leaked": part(0.99, 0.80, metric=ACCURACY)}
    assert unconfirmed(spec_of(ACCURACY), own, part(0.80, 0.80, metric=ACCURACY))
    assert not unconfirmed(spec_of(ACCURACY), {"worse": part(0.60, 0.80, metric=ACCURACY)}, part(0.8, 0.8))


@pytest.mark.parametrize("fresh", [{}, {"holdout_skill": math.nan}])
def test_a_winner_of_whose_own_skill_nothing_is_known_has_not_won(fresh: dict[str, float]) -> None:
    assert "how its own skill is there (nan)" in at_a_loss(spec_of(), {"holdout_skill": 0.7}, fresh)
    assert "what it was (nan)" in at_a_loss(spec_of(), {}, {"holdout_skill": 0.7})
    assert not at_a_loss(spec_of(), {"holdout_skill": 0.7}, {"holdout_skill": 0.6})
