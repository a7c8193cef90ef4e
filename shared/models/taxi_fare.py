"""What a New York taxi ride will cost, in dollars, told when the passenger names the destination."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from shared.contract.metrics import MAE
from shared.contract.spec import FLOAT64, INT64, STRING, TIMESTAMP, Column, ModelSpec, Policy

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

NEW_YORK = "America/New_York"
AIRPORTS = {"jfk": (40.6413, -73.7781), "laguardia": (40.7769, -73.8740), "newark": (40.6895, -74.1745)}
AIRPORT_KM = 2.0
EARTH_KM = 6371.0
# Manhattan's avenues run 29 degrees east of north: a taxi drives along them and across, not as the crow flies.
AVENUES_DEGREES = 29.0


def haversine_km(latitude: Any, longitude: Any, other_latitude: Any, other_longitude: Any) -> Any:
    """Great-circle distance of two points given in degrees (Sinnott 1984), in kilometres; arrays or numbers."""
    import numpy as np

    phi, lam, other_phi, other_lam = map(np.radians, (latitude, longitude, other_latitude, other_longitude))
    half = np.sin((other_phi - phi) / 2) ** 2
    half += np.cos(phi) * np.cos(other_phi) * np.sin((other_lam - lam) / 2) ** 2
    return 2 * EARTH_KM * np.arcsin(np.sqrt(half))


def grid_km(rides: pd.DataFrame) -> dict[str, pd.Series]:
    """The ride's legs along the avenues and across the streets, in kilometres."""
    import numpy as np

    km_per_degree, angle = EARTH_KM * np.pi / 180, np.radians(AVENUES_DEGREES)
    north = (rides["dropoff_latitude"] - rides["pickup_latitude"]) * km_per_degree
    east = (rides["dropoff_longitude"] - rides["pickup_longitude"]) * km_per_degree * np.cos(np.radians(40.75))
    return {
        "along_avenues": abs(north * np.cos(angle) + east * np.sin(angle)),
        "across_streets": abs(east * np.cos(angle) - north * np.sin(angle)),
    }


def airport_km(rides: pd.DataFrame, airport: str) -> pd.Series:
    """How near either end of the ride is to an airport: flat fares and surcharges begin there."""
    latitude, longitude = AIRPORTS[airport]
    pickup = haversine_km(rides["pickup_latitude"], rides["pickup_longitude"], latitude, longitude)
    dropoff = haversine_km(rides["dropoff_latitude"], rides["dropoff_longitude"], latitude, longitude)
    return pickup.where(pickup < dropoff, dropoff)


def features(rides: pd.DataFrame) -> pd.DataFrame:
    """What the model sees: where, how far, and when by New York's clocks; the month, as tariffs change."""
    local = rides["pickup_datetime"].dt.tz_convert(NEW_YORK)
    ends = ("pickup_latitude", "pickup_longitude", "dropoff_latitude", "dropoff_longitude")
    return rides[[*ends, "passenger_count"]].assign(
        km=haversine_km(*(rides[end] for end in ends)),
        **grid_km(rides),
        **{airport: airport_km(rides, airport) for airport in AIRPORTS},
        hour=local.dt.hour + local.dt.minute / 60,
        day_of_week=local.dt.day_of_week,
        month=local.dt.year * 12 + local.dt.month,
    )


def build_pipeline(params: Mapping[str, Any]) -> Pipeline:
    """Boosted trees that minimise the absolute error, which is what they are judged by."""
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    # No early stopping: its validation rows would be drawn from neighbours of the training rows.
    trees = HistGradientBoostingRegressor(loss="absolute_error", early_stopping=False, random_state=0, **params)
    return make_pipeline(FunctionTransformer(features), trees)


def is_airport(rides: pd.DataFrame) -> pd.Series:
    """Whether the ride begins or ends within two kilometres of an airport."""
    near = [airport_km(rides, airport) < AIRPORT_KM for airport in AIRPORTS]
    return near[0] | near[1] | near[2]


def is_night(rides: pd.DataFrame) -> pd.Series:
    """Whether the night surcharge applies: from 20:00 to 06:00 in New York."""
    return ~rides["pickup_datetime"].dt.tz_convert(NEW_YORK).dt.hour.between(6, 19)


taxi_fare = ModelSpec(
    title="New York taxi fare",
    columns=[
        Column("key", STRING, row_key=True, feature=False),
        Column(
            "pickup_datetime",
            TIMESTAMP,
            event_time=True,
            # The files say UTC and mean New York's clocks: fewest rides start at 05:00 by them.
            format="%Y-%m-%d %H:%M:%S UTC",
            zone=NEW_YORK,
            min="2009-01-01",
            max="2037-12-31",
        ),
        Column("pickup_longitude", FLOAT64, min=-74.3, max=-72.9),
        Column("pickup_latitude", FLOAT64, min=40.5, max=41.8),
        Column("dropoff_longitude", FLOAT64, min=-74.3, max=-72.9),
        Column("dropoff_latitude", FLOAT64, min=40.5, max=41.8),
        Column("passenger_count", INT64, min=0, max=8),
        Column("fare_amount", FLOAT64, target=True, min=0.01, max=500),
    ],
    pipeline=build_pipeline,
    params={"learning_rate": 0.1, "max_iter": 200, "max_leaf_nodes": 31},
    metric=MAE,
    baseline="median",
    preprocessing="distances, airports and local time, computed in the pipeline",
    slices={"airport": is_airport, "night": is_night},
    policy=Policy(slice_margin_relative=0.10),
)
