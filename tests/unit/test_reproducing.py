"""A training that is done again: when it is the same to the last digit, and what tells that it is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.ensemble import RandomForestRegressor

from cli.reproduce import _show, report_of
from shared.adapters.registry_files import package_version
from shared.adapters.registry_records import Loaded, OwnColumns, Version
from shared.adapters.warehouse import DataVersion
from shared.errors import PermanentError
from shared.evaluation.scores import baseline_score, score
from shared.lifecycle.services import Services
from tests.unit.rides import JANUARY, frame_of, spec_of
from training_vm.fitting import fit
from training_vm.reproducing import Reproduction, reproduce

MODEL = "rides"
FEATURES = ["km", "seats"]
FARES = np.random.default_rng(0).normal(10, 3, 240)
TRAINED, JUDGED = frame_of(FARES[:200]), frame_of(FARES[200:])
DATA = DataVersion(
    model=MODEL, timestamp="2026-01-02T00:00:00+00:00", window_from=None, window_to=None, selection="all",
    rows=240, train_rows=200, first_event=None, last_event=None, digest="abc", snapshot="rides_at_r",
    drops=((JANUARY, 1),),
)  # fmt: skip


class Clock(BaseEstimator):
    """Predicts something else each time that it is fitted, whatever the seeds are."""

    fits = 0

    def fit(self, X: pd.DataFrame, y: pd.Series) -> Clock:
        Clock.fits += 1
        self.value_ = float(Clock.fits)
        return self

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        return np.full(len(X), self.value_)


@dataclass
class World:
    """The stores, with one version of a model that was trained as the worker does it."""

    version: Version
    loaded: Loaded
    read: pd.DataFrame
    counted: tuple[int, str] = (240, "abc")
    has_snapshot: bool = True
    asked: list[tuple[Any, ...]] | None = None

    def services(self) -> Services:
        registry = SimpleNamespace(
            data_version=lambda _: DATA.to_dict(),
            judged_on=lambda _: {"drops": [JANUARY], "among": None},
            load=lambda *_: self.loaded,
        )
        warehouse = SimpleNamespace(
            has_snapshot=lambda _: self.has_snapshot,
            counted_again=lambda *_: self.counted,
            read_training=self._rows,
        )
        return cast(Services, SimpleNamespace(registry=registry, warehouse=warehouse))

    def _rows(self, data: DataVersion, _: object, *, held_out: bool, drops: list[str] | None = None) -> pd.DataFrame:
        assert drops == ([JANUARY] if held_out else None)
        return JUDGED if held_out else self.read

    def again(self) -> Reproduction:
        return reproduce(self.version, self.services())


def world(make: Callable[[Any], Any]) -> World:
    spec = spec_of()
    columns = [replace(each, feature=each.name in FEATURES) for each in spec.columns]
    spec = replace(spec, name=MODEL, columns=columns, pipeline=make, group=None, slices={})
    fitted = fit(spec, {}, TRAINED)
    metrics = {name: float(value) for name, value in fitted.metrics.items()} | {
        "holdout_rows": float(len(JUDGED)),
        "holdout_mae": score(spec, fitted.pipeline, JUDGED),
        "baseline_holdout_mae": baseline_score(spec, fitted.baseline, JUDGED),
    }
    params = {"code.metric": "mae", "code.baseline": "mean", "code.commit": "before", "alpha": "1"}
    made = datetime(2026, 1, 2, tzinfo=UTC)
    version = Version(
        model=MODEL, version=3, run="r", request="r", status="", created=made, metrics=metrics, params=params
    )
    packages = {name: package_version(name) or "" for name in ("python", "scikit-learn", "numpy")}
    own = OwnColumns(pipeline=fitted.pipeline, names=tuple(FEATURES))
    loaded = Loaded(
        version=3, pipeline=own, columns=tuple(columns), packages=packages, profile={}, run="r", metrics=metrics
    )
    return World(version=version, loaded=loaded, read=TRAINED)


def forest(_: object) -> RandomForestRegressor:
    """Without a seed of its own: the worker's has to do."""
    return RandomForestRegressor(n_estimators=5)


def test_the_same_rows_and_code_give_the_same_scores_and_predictions() -> None:
    found = world(forest).again()
    assert found.agrees
    assert set(found.scores) >= {"train_mae", "train_rows", "holdout_mae", "holdout_rows", "baseline_value"}
    assert all(each.agree and each.difference == 0 for each in found.scores.values())
    assert (found.predictions.rows, found.predictions.different) == (40, 0)
    assert found.packages == {}


def test_chance_without_a_seed_is_told_by_how_much(capsys: pytest.CaptureFixture[str]) -> None:
    found = world(lambda _: Clock()).again()
    assert not found.agrees
    assert (found.predictions.different, found.predictions.most) == (40, 1.0)
    assert found.scores["holdout_mae"].difference > 0
    _show(report_of(found))
    told = capsys.readouterr().out
    assert "train_mae and holdout_mae differ, and 40 of its predictions of 40 rows differ by up to 1.000." in told


def test_a_snapshot_with_other_rows_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    tampered = world(forest)
    tampered.counted = (240, "abd")
    found = tampered.again()
    assert not found.agrees
    _show(report_of(found))
    assert "The snapshot has other rows than then: digest abc then, abd now." in capsys.readouterr().out


def test_one_row_less_is_seen_in_the_scores() -> None:
    shorter = world(forest)
    shorter.read = TRAINED.iloc[1:]
    found = shorter.again()
    assert not found.agrees
    assert (found.scores["train_rows"].then, found.scores["train_rows"].now) == (200.0, 199.0)


def test_other_packages_and_another_commit_are_named_and_change_no_verdict(
    capsys: pytest.CaptureFixture[str],
) -> None:
    older = world(forest)
    older.loaded = replace(older.loaded, packages={**older.loaded.packages, "numpy": "1.0"})
    found = older.again()
    assert found.agrees
    assert (found.packages["numpy"].then, found.packages["numpy"].now) == ("1.0", package_version("numpy"))
    assert found.code["commit"].then == "before"
    _show(report_of(found))
    told = capsys.readouterr().out
    assert f"Packages: numpy 1.0 then, {package_version('numpy')} now." in told
    assert "Code: commit before then, " in told


def test_rows_that_are_gone_are_told_in_a_sentence() -> None:
    gone = world(forest)
    gone.has_snapshot = False
    with pytest.raises(PermanentError, match="there is no table rides_at_r any more"):
        gone.again()


def test_a_metric_that_nobody_knows_any_more_is_told() -> None:
    odd = world(forest)
    odd.version = replace(odd.version, model="taxi_fare", params={**odd.version.params, "code.metric": "regret"})
    with pytest.raises(PermanentError, match='was judged by the metric "regret", which is not known here'):
        odd.again()
