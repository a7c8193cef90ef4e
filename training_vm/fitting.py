"""Fits a pipeline to rows, and scores it on them: the same rows, params and packages give the same model."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from shared.contract.spec import ModelSpec
from shared.errors import PermanentError
from training_vm.record import Fitted

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

log = logging.getLogger(__name__)


def fit(spec: ModelSpec, params: Mapping[str, Any], rows: pd.DataFrame) -> Fitted:
    """The spec's pipeline, fitted.

    Raises:
        PermanentError: it cannot be fitted to these rows with these params.
    """
    import numpy as np

    from shared.evaluation.scores import baseline_value, score

    # A pipeline should be seeded by itself; for one that is not, the same rows make the same model all the same.
    random.seed(0)
    np.random.seed(0)
    begun = time.monotonic()
    pipeline = fitted(spec, params, rows)
    seconds = time.monotonic() - begun
    trained = score(spec, pipeline, rows)
    log.info("Fitted in %.1f s: %s on its own rows is %.4g", seconds, spec.metric.name, trained)
    baseline = baseline_value(spec, rows[spec.target.name])
    metrics = {"train_rows": len(rows), f"train_{spec.metric.name}": trained, "fit_seconds": seconds}
    metrics["baseline_value"] = baseline
    return Fitted(pipeline=pipeline, keys=rows["_row_key"], baseline=baseline, metrics=metrics)


def fitted(spec: ModelSpec, params: Mapping[str, Any], rows: pd.DataFrame) -> Pipeline:
    """The pipeline alone; what is wrong with it is told as the fault of the model's file."""
    try:
        pipeline = spec.pipeline(params)
        return pipeline.fit(rows[[column.name for column in spec.features]], rows[spec.target.name])
    except PermanentError:
        raise
    except Exception as error:
        # The user's code and the user's params: another attempt would end the same way.
        log.exception("The pipeline cannot be fitted")
        fault = f"the pipeline of {spec.name} cannot be fitted: {type(error).__name__}: {error}"
        raise PermanentError(f"{fault[:1000].rstrip('.')}.", _what_to_look_at(spec, params, rows)) from error


def _what_to_look_at(spec: ModelSpec, params: Mapping[str, Any], rows: pd.DataFrame) -> str:
    look = f"Look at the params {dict(params)} and at shared/models/{spec.name}.py."
    # Many estimators fail at such a column, and none says which it is.
    if empty := [column.name for column in spec.features if rows[column.name].isna().all()]:
        look += f" No row to train on has a value in {', '.join(empty)}: fill it in the pipeline."
    return look
