"""What a user reads when a model's own code fails in a training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from shared.contract.metrics import MAE
from shared.contract.spec import FLOAT64, TIMESTAMP, Column, ModelSpec
from shared.errors import PermanentError
from training_vm.fitting import fitted

SPEC = ModelSpec(
    title="Rides",
    columns=[
        Column("at", TIMESTAMP, event_time=True, feature=False),
        Column("km", FLOAT64),
        Column("surcharge", FLOAT64, nullable=True),
        Column("fare", FLOAT64, target=True),
    ],
    pipeline=lambda params: pytest.fail("each test has its own"),
    metric=MAE,
    name="rides",
)


def rows(surcharge: float) -> pd.DataFrame:
    return pd.DataFrame({"km": np.arange(300.0), "surcharge": surcharge, "fare": np.arange(300.0)})


def fail_at(params: object) -> object:
    raise KeyError("kilometers")


def trees(params: object) -> object:
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor()


def test_a_column_without_any_value_is_named() -> None:
    with pytest.raises(PermanentError, match="cannot be fitted: ValueError") as failed:
        fitted(replace(SPEC, pipeline=trees), {}, rows(np.nan))
    assert "No row to train on has a value in surcharge: fill it in the pipeline." in failed.value.remedy


def test_the_log_says_at_which_line_the_users_code_failed(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(PermanentError, match=r"KeyError: 'kilometers'\.") as failed:
        fitted(replace(SPEC, pipeline=fail_at), {"alpha": 1}, rows(2.5))
    assert failed.value.remedy == "Look at the params {'alpha': 1} and at shared/models/rides.py."
    assert "in fail_at" in caplog.text
