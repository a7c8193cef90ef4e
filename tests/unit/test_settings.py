"""What the environment may say, and what is said about what it may not."""

from __future__ import annotations

import pytest

from shared.errors import PermanentError
from shared.settings import Settings

HOME = {"GOOGLE_CLOUD_PROJECT": "p"}


def test_buckets_are_named_after_the_project_and_times_are_the_usual_ones() -> None:
    settings = Settings.from_env(HOME)
    assert (settings.landing_bucket, settings.state_bucket) == ("p-landing", "p-state")
    assert (settings.lease_seconds, settings.lock_seconds) == (None, None)


def test_the_fault_lab_may_ask_for_shorter_leases() -> None:
    settings = Settings.from_env({**HOME, "TIDEWHEEL_LEASE_SECONDS": "4", "TIDEWHEEL_LOCK_SECONDS": "12.5"})
    assert (settings.lease_seconds, settings.lock_seconds) == (4.0, 12.5)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({}, "GOOGLE_CLOUD_PROJECT is not set."),
        ({**HOME, "TIDEWHEEL_DATASET": "My-Data"}, 'TIDEWHEEL_DATASET is "My-Data", which is not a BigQuery name.'),
        ({**HOME, "TIDEWHEEL_MOST_MACHINES": "-1"}, 'TIDEWHEEL_MOST_MACHINES is "-1", which is no whole number.'),
        ({**HOME, "TIDEWHEEL_LEASE_SECONDS": "soon"}, 'TIDEWHEEL_LEASE_SECONDS is "soon", which is no number'),
    ],
)
def test_what_cannot_be_meant_is_told_in_a_sentence(wrong: dict[str, str], sentence: str) -> None:
    with pytest.raises(PermanentError) as caught:
        Settings.from_env(wrong)
    assert sentence in str(caught.value)


def test_machines_have_zones_in_order_and_numbers_of_their_own() -> None:
    settings = Settings.from_env({**HOME, "TIDEWHEEL_ZONES": "a-1, b-1,", "TIDEWHEEL_MOST_MACHINES": "1"})
    assert (settings.zones, settings.most_machines, settings.spot_starts) == (("a-1", "b-1"), 1, 2)
    assert settings.training_deadline_seconds == 3600.0
