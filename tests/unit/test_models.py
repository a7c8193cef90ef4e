"""The contract that every file in `shared/models/` keeps; a new model is discovered and tested without a line here."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import cloudpickle
import numpy as np
import pandas as pd
import pytest

from shared.contract.catalog import known_models, model
from shared.contract.spec import BOOL, FLOAT64, INT64, TIMESTAMP, Column, ModelSpec
from shared.evaluation.judging import Rows, judged_metrics
from shared.evaluation.scores import predictions

ROOT = Path(__file__).parents[2]
HEAVY = {"pandas", "sklearn", "scipy", "pyarrow", "duckdb", "mlflow", "google.api_core"}
ROWS = 300

pytestmark = pytest.mark.parametrize("name", known_models())


def rows(spec: ModelSpec, count: int = ROWS, seed: int = 0) -> pd.DataFrame:
    """Rows that obey the contract, at random within it; of a nullable column one value in ten is null."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame({column.name: values(column, count, rng) for column in spec.columns})


def values(column: Column, count: int, rng: np.random.Generator) -> pd.Series:
    drawn = pd.Series(rng.choice(column.allowed, count) if column.allowed else any_values(column, count, rng))
    return drawn.mask(rng.random(count) < 0.1) if column.nullable else drawn


def any_values(column: Column, count: int, rng: np.random.Generator) -> Any:
    if column.type == TIMESTAMP:
        first, last = (pd.Timestamp(day, tz="UTC") for day in (column.min or "2020-01-01", column.max or "2020-12-31"))
        return first + pd.to_timedelta(rng.integers(0, int((last - first).total_seconds()), count), unit="s")
    if column.type == BOOL:
        return rng.random(count) < 0.5
    low, high = float(column.min or 0), float(column.max or 100)
    if column.type == FLOAT64:
        return rng.uniform(low, high, count)
    if column.type == INT64:
        return rng.integers(int(low), int(high) + 1, count)
    return [f"{column.name} {number}" for number in rng.integers(0, 9, count)]


def fitted(spec: ModelSpec, frame: pd.DataFrame) -> Any:
    features = frame[[column.name for column in spec.features]]
    return spec.pipeline(dict(spec.params)).fit(features, frame[spec.target.name])


def test_importing_a_model_is_cheap(name: str) -> None:
    code = f"import sys, shared.contract.catalog as catalog; catalog.model({name!r}); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not HEAVY & set(loaded.split())


def test_a_model_can_be_told_apart_and_has_something_to_learn_from(name: str) -> None:
    spec = model(name)
    assert spec.title and spec.features
    assert not any(column.nullable for column in spec.row_key)


def test_what_a_column_allows_fits_its_type(name: str) -> None:
    for column in model(name).columns:
        if column.min is not None and column.max is not None:
            assert column.min < column.max, column.name  # type: ignore[operator]  # two numbers or two ISO dates
        bounded = column.min is not None or column.max is not None
        assert not bounded or column.type in (INT64, FLOAT64, TIMESTAMP), column.name
        assert column.type == TIMESTAMP or (column.format is None and column.zone == "UTC"), column.name
        assert ZoneInfo(column.zone)


def test_slices_have_names_that_mlflow_takes_and_give_a_mask(name: str) -> None:
    spec = model(name)
    frame = rows(spec)
    for slice_, select in spec.slices.items():
        assert re.fullmatch(r"[a-z][a-z0-9_]*", slice_)
        mask = select(frame)
        assert mask.dtype == bool and mask.index.equals(frame.index), slice_


def test_parameters_are_json_and_build_an_unfitted_pipeline(name: str) -> None:
    params = dict(model(name).params)
    assert json.loads(json.dumps(params)) == params
    assert hasattr(model(name).pipeline(params), "predict")


def test_it_learns_from_rows_that_obey_its_contract(name: str) -> None:
    spec = model(name)
    held_out = Rows(judged=rows(spec, seed=1).assign(_drop="a month"), drops=["a month"])
    metrics = judged_metrics(spec, held_out, fitted(spec, rows(spec)), 0.0, {})
    assert metrics["holdout_rows"] == ROWS and np.isfinite(metrics[f"holdout_{spec.metric.name}"])


def test_a_nullable_column_may_be_null_in_every_training_row(name: str) -> None:
    spec = model(name)
    nothing_yet = {column.name: None for column in spec.columns if column.nullable}
    pipeline = fitted(spec, rows(spec).assign(**nothing_yet))
    assert np.isfinite(predictions(spec, pipeline, rows(spec, seed=1))).all()


def test_it_predicts_one_row_that_came_as_json(name: str) -> None:
    spec = model(name)
    frame = rows(spec)
    pipeline = fitted(spec, frame)
    instance = pd.DataFrame(json.loads(frame.head(1).to_json(orient="records", date_format="iso", double_precision=15)))
    for column in spec.features:
        if column.type == TIMESTAMP:
            instance[column.name] = pd.to_datetime(instance[column.name], utc=True)
    assert predictions(spec, pipeline, instance) == pytest.approx(predictions(spec, pipeline, frame.head(1)))


def test_it_ignores_columns_that_are_no_features(name: str) -> None:
    spec = model(name)
    frame = rows(spec)
    pipeline = fitted(spec, frame)
    assert (pipeline.predict(frame) == predictions(spec, pipeline, frame)).all()


def test_the_same_rows_make_the_same_model(name: str) -> None:
    spec = model(name)
    frame = rows(spec)
    once, again = (predictions(spec, fitted(spec, frame), rows(spec, seed=1)) for _ in range(2))
    assert (once == again).all()


def test_a_version_predicts_the_same_after_its_file_was_edited(name: str, tmp_path: Path) -> None:
    spec = model(name)
    pipeline = fitted(spec, rows(spec))
    module = importlib.import_module(f"shared.models.{name}")
    cloudpickle.register_pickle_by_value(module)
    try:
        (tmp_path / "version.pkl").write_bytes(cloudpickle.dumps(pipeline))
    finally:
        cloudpickle.unregister_pickle_by_value(module)
    features = rows(spec, seed=1)[[column.name for column in spec.features]]
    features.to_pickle(tmp_path / "features.pkl")
    shutil.copytree(ROOT / "shared", tmp_path / "shared", ignore=shutil.ignore_patterns("__pycache__"))
    # Harsher than any edit: a version that asks its module for anything at all does not load.
    (tmp_path / "shared" / "models" / f"{name}.py").write_text('raise RuntimeError("edited")\n')
    assert predicted_elsewhere(tmp_path) == pipeline.predict(features).tolist()


def predicted_elsewhere(folder: Path) -> list[float]:
    """What the pickled version predicts in a process whose `shared` is the one in `folder`."""
    code = (
        "import json, pickle, pandas\n"
        "with open('version.pkl', 'rb') as file: version = pickle.load(file)\n"
        "print(json.dumps(version.predict(pandas.read_pickle('features.pkl')).tolist()))"
    )
    run = subprocess.run([sys.executable, "-c", code], check=False, cwd=folder, capture_output=True, text=True, env={})
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)
