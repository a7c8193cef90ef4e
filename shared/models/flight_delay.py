"""How late a flight will arrive, in minutes, told at the moment it is pushed back from its gate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from shared.contract.metrics import RMSE
from shared.contract.spec import FLOAT64, INT64, STRING, TIMESTAMP, Column, ModelSpec

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

NUMBERS = ["dep_delay", "distance"]
NAMES = ["carrier", "origin", "dest", "route", "hour"]


def features(flights: pd.DataFrame) -> pd.DataFrame:
    """What the model sees: the airline, its route, the hour by New York's clocks, and how late the flight left."""
    local = flights["time_hour"].dt.tz_convert("America/New_York")
    return flights[["dep_delay", "distance", "carrier", "origin", "dest"]].assign(
        # A carrier has its own padding on each route; the route alone or the carrier alone know less.
        route=flights["carrier"] + " " + flights["origin"] + "-" + flights["dest"],
        hour=local.dt.hour.astype(str),
    )


def build_pipeline(params: Mapping[str, Any]) -> Pipeline:
    """A ridge regression: from one month to the next it beats boosted trees here, and it fits in a second."""
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

    one_hot = OneHotEncoder(min_frequency=params["min_frequency"], handle_unknown="infrequent_if_exist")
    return make_pipeline(
        FunctionTransformer(features),
        make_column_transformer((StandardScaler(), NUMBERS), (one_hot, NAMES)),
        Ridge(alpha=params["alpha"]),
    )


def is_late_departure(flights: pd.DataFrame) -> pd.Series:
    """Late by the definition of the US Department of Transportation: 15 minutes or more."""
    return flights["dep_delay"] >= 15


def is_on_time_departure(flights: pd.DataFrame) -> pd.Series:
    """Whether it left within those 15 minutes."""
    return flights["dep_delay"] < 15


def is_from_newark(flights: pd.DataFrame) -> pd.Series:
    """Whether it leaves from Newark, the one airport that is not in New York."""
    return flights["origin"] == "EWR"


flight_delay = ModelSpec(
    title="Arrival delay of flights from New York",
    # What is known only after the landing (arr_time, air_time) is no column: it would give the answer away.
    columns=[
        Column("time_hour", TIMESTAMP, event_time=True, row_key=True, min="1987-10-01", max="2037-12-31"),
        Column("carrier", STRING, row_key=True),
        Column("flight", INT64, row_key=True, feature=False, min=1, max=9_999),
        Column("origin", STRING, row_key=True),
        Column("dest", STRING),
        Column("distance", INT64, min=1, max=10_000),
        Column("dep_delay", FLOAT64, min=-180, max=2_880),
        Column("arr_delay", FLOAT64, target=True, min=-240, max=2_880),
    ],
    nulls=("NA",),
    pipeline=build_pipeline,
    params={"alpha": 10.0, "min_frequency": 20},
    # Squared, since one missed connection costs more than ten landings that are five minutes late.
    metric=RMSE,
    preprocessing="route and local hour, one-hot encoded; numbers standardised; all in the pipeline",
    slices={"late": is_late_departure, "on_time": is_on_time_departure, "newark": is_from_newark},
    # Every monthly drop makes the champion due for a challenger, February's 28 days included.
)
