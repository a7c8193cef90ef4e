"""The laptop's clock, and what the calendar's message may say."""

from __future__ import annotations

import pytest

from deploy.local.schedule import due
from functions.launch_training.monthly import _request
from shared.errors import PermanentError
from shared.lifecycle.events import RetrainingRequested


def test_every_tick_asks_what_is_stuck_and_the_first_of_a_month_for_challengers() -> None:
    assert due("2026-11", "2026-11") == ["reconcile-requested"]
    assert due("2026-11", "2026-12") == ["reconcile-requested", "retraining-requested"]


def test_a_model_is_asked_for_once_a_month() -> None:
    november, december = (_request("taxi_fare", month) for month in ("2026-11", "2026-12"))
    assert november.identity == _request("taxi_fare", "2026-11").identity != december.identity
    assert november.story == november.request and november.reason == "monthly, 2026-11"
    assert _request("flight_delay", "2026-11").request != november.request


@pytest.mark.parametrize("month", ["2026-13", "2026-1", "November", "2026-11-01"])
def test_what_is_no_month_is_refused(month: str) -> None:
    with pytest.raises(PermanentError, match="Write it as 2026-11"):
        RetrainingRequested(month=month)
