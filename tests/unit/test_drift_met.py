"""What a training has met is no reason to train again, however little it weighs among years of other rows."""

from __future__ import annotations

from benchmarks.decisions_lifecycle import Lifecycle
from tests.unit.test_daily_drops import daily, rides_of


def trained_at(*farther_km: float) -> list[int]:
    """After which of these months a challenger was trained for drift; each month's rides are so much farther."""
    life, found = Lifecycle(spec=daily(max_age_days=3_650, drift_psi=0.25)), []
    for month, km in enumerate(farther_km):
        rides, known = rides_of(30 * month, 30 * month + 29), len(life.services.registry.versions(""))
        life.drop(f"{month:02}", rides.assign(km=rides["km"] + km, fare=rides["fare"] + 2 * km))
        if len(life.services.registry.versions("")) > known:
            found.append(month)
    return found


def test_a_drift_makes_one_drop_train_and_not_every_later_one() -> None:
    assert trained_at(*[0.0] * 6, *[12.0] * 4) == [0, 6]


def test_a_drift_that_goes_on_makes_a_later_drop_train_again() -> None:
    assert trained_at(*[0.0] * 6, *[12.0] * 3, 24.0, 24.0) == [0, 6, 9]
