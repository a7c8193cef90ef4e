"""Trains a version again from its record, and holds the new model against the stored one; nothing is registered.

Its rows come from its table snapshot, its code from the version itself: what its model's file says by now is not asked.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from shared.contract import catalog
from shared.contract.catalog import MODELS
from shared.contract.metrics import ACCURACY, AUC, MAE, RMSE, Metric
from shared.contract.spec import ModelSpec
from shared.errors import PermanentError
from shared.lifecycle.services import Services
from training_vm import environment
from training_vm.fitting import fit
from training_vm.record import Fitted

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

    from shared.adapters.registry import Loaded, Version
    from shared.adapters.warehouse import DataVersion

SAMPLE_ROWS = 1_000
KNOWN = {each.name: each for each in (ACCURACY, AUC, MAE, RMSE)}
Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Then:
    """What is on record of a version."""

    version: Version
    loaded: Loaded
    data: DataVersion
    judged_on: Mapping[str, Any]
    spec: ModelSpec


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A number or a name on record, and as it is now."""

    then: Any
    now: Any

    @property
    def agree(self) -> bool:
        """To the last digit; what is not a number is the same as what is none either."""
        return self.then == self.now or all(
            isinstance(each, float) and math.isnan(each) for each in (self.then, self.now)
        )

    @property
    def difference(self) -> float:
        """By how much a number is another one now."""
        return abs(float(self.now) - float(self.then)) if self.then is not None else math.nan


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Of so many rows: for how many the new model predicts something else, and by how much at most."""

    rows: int
    different: int
    most: float


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """The same training twice: rows, scores, predictions, and what was another one around it."""

    model: str
    version: int
    data: Mapping[str, Pair]
    scores: Mapping[str, Pair]
    predictions: Predictions
    packages: Mapping[str, Pair]
    code: Mapping[str, Pair]
    seconds: float

    @property
    def agrees(self) -> bool:
        """Whether rows, scores and predictions are the same ones."""
        same = all(each.agree for each in (*self.data.values(), *self.scores.values()))
        return same and not self.predictions.different


def reproduce(version: Version, services: Services, tell: Progress = lambda _: None) -> Reproduction:
    """Train a version again.

    Raises:
        PermanentError: its snapshot is gone, its packages are not here, or its record is not complete.
    """
    begun, then = time.monotonic(), _then(version, services)
    tell(f"Reading its {then.data.train_rows:,} rows from {then.data.snapshot}.")
    data = _counted_again(then, services)
    rows = services.warehouse.read_training(then.data, then.spec, held_out=False)
    tell(f"Training with the version's own code and params: {_own_params(version)}.")
    fitted = fit(then.spec, _own_params(version), rows)
    tell("Scoring it on the rows that it was judged on.")
    judged = _judged_rows(then, services)
    return Reproduction(
        model=version.model,
        version=version.version,
        data=data,
        scores=_scores(then, fitted, judged),
        predictions=_predictions(then, fitted.pipeline, rows if judged.empty else judged),
        packages=_packages(then.loaded),
        code=_code(version),
        seconds=time.monotonic() - begun,
    )


def _then(version: Version, services: Services) -> Then:
    from shared.adapters.warehouse import DataVersion

    name, raw = f"version {version.version} of {version.model}", services.registry.data_version(version)
    if not raw:
        raise PermanentError(f"{name} does not say which rows it was trained on.", "It cannot be trained again.")
    data, judged_on = DataVersion.from_dict(raw), services.registry.judged_on(version)
    loaded = services.registry.load(version.model, version.version)
    if not services.warehouse.has_snapshot(data):
        fault = f"the rows of {name} are gone: there is no table {data.snapshot} any more."
        raise PermanentError(fault, "It still predicts, but it cannot be trained again.")
    return Then(version=version, loaded=loaded, data=data, judged_on=judged_on, spec=_spec(version, loaded))


def _spec(version: Version, loaded: Loaded) -> ModelSpec:
    """The model as the version has it: its own contract, metric, baseline and pipeline."""
    return ModelSpec(
        title=version.model,
        name=version.model,
        columns=loaded.columns,
        pipeline=lambda _: _unfitted(loaded),
        metric=_metric(version),
        baseline=version.params.get("code.baseline", "mean"),  # type: ignore[arg-type]  # As the spec had it.
    )


def _unfitted(loaded: Loaded) -> Pipeline:
    from sklearn.base import clone

    pipeline: Pipeline = clone(loaded.pipeline.pipeline)
    return pipeline


def _metric(version: Version) -> Metric:
    name = version.params.get("code.metric", "")
    metric = KNOWN.get(name) or catalog.model(version.model).metric
    if metric.name == name:
        return metric
    fault = f'version {version.version} of {version.model} was judged by the metric "{name}", which is not known here.'
    raise PermanentError(fault, f"Known: {', '.join(KNOWN)}, and {metric.name} of the model's file.")


def _own_params(version: Version) -> dict[str, str]:
    """For people; the pipeline has them inside. What belongs to another part has that part's name before it."""
    return {name: value for name, value in version.params.items() if "." not in name}


def _counted_again(then: Then, services: Services) -> dict[str, Pair]:
    """Whether the snapshot still holds the rows that it held."""
    rows, digest = services.warehouse.counted_again(then.data, then.spec)
    return {"rows": Pair(then=then.data.rows, now=rows), "digest": Pair(then=then.data.digest, now=digest)}


def _judged_rows(then: Then, services: Services) -> pd.DataFrame:
    on = then.judged_on
    data = then.data if on["among"] is None else replace(then.data, drops=tuple((name, 0) for name in on["among"]))
    return services.warehouse.read_training(data, then.spec, held_out=True, drops=on["drops"])


def _scores(then: Then, fitted: Fitted, judged: pd.DataFrame) -> dict[str, Pair]:
    from shared.evaluation.scores import baseline_score, score

    metric = then.spec.metric.name
    now = {name: float(value) for name, value in fitted.metrics.items() if name != "fit_seconds"}
    now["holdout_rows"] = float(len(judged))
    if len(judged):
        now[f"holdout_{metric}"] = score(then.spec, fitted.pipeline, judged)
        now[f"baseline_holdout_{metric}"] = baseline_score(then.spec, fitted.baseline, judged)
    return {name: Pair(then=then.version.metrics.get(name), now=value) for name, value in now.items()}


def _predictions(then: Then, pipeline: Pipeline, rows: pd.DataFrame) -> Predictions:
    import numpy as np

    from shared.evaluation.scores import predictions

    sample = rows.head(SAMPLE_ROWS)
    old, new = (predictions(then.spec, each, sample).astype(float) for each in (then.loaded.pipeline, pipeline))
    differences = np.abs(np.where((old == new) | (np.isnan(old) & np.isnan(new)), 0.0, new - old))
    return Predictions(
        rows=len(sample), different=int((differences != 0).sum()), most=float(differences.max(initial=0.0))
    )


def _packages(loaded: Loaded) -> dict[str, Pair]:
    """Those that the version needs, with another version here."""
    from shared.adapters.registry_files import package_version

    found = {name: Pair(then=then, now=package_version(name)) for name, then in loaded.packages.items()}
    return {name: each for name, each in found.items() if not each.agree}


def _code(version: Version) -> dict[str, Pair]:
    """Commit, clean or not, and the model's file: those that are others now."""
    now, file = environment.code_version(), MODELS / f"{version.model}.py"
    found = {
        "commit": now.commit,
        "clean": now.clean,
        "model_file_digest": environment.file_digest(file) if file.exists() else None,
    }
    both = {name: Pair(then=version.params.get(f"code.{name}"), now=value) for name, value in found.items()}
    return {name: each for name, each in both.items() if not each.agree}
