"""The taxi's features: New York's clocks, distances on the ground, airports."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from shared.models.taxi_fare import features, haversine_km, is_airport, is_night

MIDTOWN, DOWNTOWN, JFK = (40.7549, -73.9840), (40.7074, -74.0113), (40.6450, -73.7800)


def ride(at: str, pickup: tuple[float, float] = MIDTOWN, dropoff: tuple[float, float] = DOWNTOWN) -> pd.DataFrame:
    known: dict[str, Any] = {"pickup_datetime": pd.to_datetime([at], utc=True), "passenger_count": 1}
    known |= {"pickup_latitude": pickup[0], "pickup_longitude": pickup[1]}
    return pd.DataFrame(known | {"dropoff_latitude": dropoff[0], "dropoff_longitude": dropoff[1]})


@pytest.mark.parametrize(
    ("at", "hour"), [("2012-07-01T00:30:00Z", 20.5), ("2012-12-01T00:30:00Z", 19.5), ("2012-07-01T16:15:00Z", 12.25)]
)
def test_hours_are_those_of_new_yorks_clocks(at: str, hour: float) -> None:
    assert features(ride(at))["hour"].tolist() == [hour]


@pytest.mark.parametrize(
    ("at", "night"),
    [("23:59:59Z", False), ("00:00:00Z", True), ("09:59:59Z", True), ("10:00:00Z", False)],
)
def test_the_night_is_from_eight_to_six(at: str, night: bool) -> None:
    assert is_night(ride(f"2012-07-01T{at}")).tolist() == [night]


def test_an_airport_ride_begins_or_ends_at_one() -> None:
    noon = "2012-07-01T16:00:00Z"
    assert is_airport(ride(noon, MIDTOWN, JFK)).all() and is_airport(ride(noon, JFK, MIDTOWN)).all()
    assert not is_airport(ride(noon)).any()


def test_a_degree_of_latitude_is_sixty_nautical_miles() -> None:
    assert haversine_km(40.0, -74.0, 41.0, -74.0) == pytest.approx(60 * 1.852, rel=0.002)


def test_a_ride_down_an_avenue_crosses_hardly_a_street() -> None:
    seen = features(ride("2012-07-01T16:00:00Z", (40.7536, -73.9787), (40.7288, -73.9968))).iloc[0]
    assert seen["across_streets"] < 0.1 * seen["along_avenues"]
    assert seen["along_avenues"] == pytest.approx(seen["km"], rel=0.02)
