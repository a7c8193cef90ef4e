"""From a request to a registered version: read, fit, score beside the champion, write everything down."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from shared.contract import catalog
from shared.contract.params import with_defaults
from shared.contract.spec import ModelSpec
from shared.errors import PermanentError
from shared.lifecycle import crash
from shared.lifecycle.events import Event, ModelTrained, TrainingRequested
from shared.lifecycle.lease import attempt
from shared.lifecycle.services import Services
from training_vm import record
from training_vm.comparing import compare
from training_vm.fitting import fit
from training_vm.patience import patiently
from training_vm.record import Training
from training_vm.reporting import report

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

    from shared.adapters.warehouse import DataVersion

log = logging.getLogger(__name__)
# Rows that what was stored has to predict as what was fitted does.
SAMPLE_ROWS = 100


def train(event: TrainingRequested, services: Services) -> list[Event]:
    """Train a request, and say which version that has become.

    Raises:
        PermanentError: a param is unknown, there are too few rows, or the pipeline cannot be fitted to them.
    """
    begun = time.monotonic()
    spec = catalog.model(event.model)
    params = with_defaults(spec, event.params)
    log.info("Training %s for request %s: %s", event.model, event.request, event.reason)
    services.desk.start(event.model, event.request)
    crash.point("train.started")
    services.warehouse.prepare(event.model, spec)
    data = _pinned_while_importing(event, spec, services)
    rows = _training_rows(spec, data, services)
    fitted = fit(spec, params, rows)
    crash.point("train.fitted")
    compared = compare(spec, event, data, fitted, services)
    metrics = {**fitted.metrics, **compared.metrics, "duration_seconds": time.monotonic() - begun}
    training = Training(event=event, spec=spec, params=params, data=data, compared=compared, metrics=metrics)
    version, run = _keep(training, fitted.pipeline, rows, services)
    log.info("Version %d of %s is registered, %.1f s after the start", version, event.model, time.monotonic() - begun)
    told = record.data(data)
    return [ModelTrained(model=event.model, request=event.request, version=version, run=run, data_version=told)]


def _pinned_while_importing(event: TrainingRequested, spec: ModelSpec, services: Services) -> DataVersion:
    """Wait for the warehouse beside the imports, which stay in one thread: two see half of each other's modules."""
    with ThreadPoolExecutor(1) as beside:
        pinned = beside.submit(_pin, event, spec, services)
        services.registry.warm_up()
        return pinned.result()


def _pin(event: TrainingRequested, spec: ModelSpec, services: Services) -> DataVersion:
    data = services.warehouse.data_version(
        event.model, spec, request=event.request, rows=event.rows, window=event.window
    )
    log.info("Pinned %d rows of %d drops as %s, digest %s", data.rows, len(data.drops), data.snapshot, data.digest)
    return data


def _training_rows(spec: ModelSpec, data: DataVersion, services: Services) -> pd.DataFrame:
    begun = time.monotonic()
    if data.train_rows >= spec.min_rows:
        rows = services.warehouse.read_training(data, spec, held_out=False)
        log.info("Read %d rows to train on (%s) in %.1f s", len(rows), data.selection, time.monotonic() - begun)
        return rows
    raise PermanentError(
        f"there are {data.train_rows} rows to train {spec.name} on, and it needs at least {spec.min_rows}.",
        "Drop more data, or ask for a longer window.",
    )


def _keep(training: Training, pipeline: Pipeline, rows: pd.DataFrame, services: Services) -> tuple[int, str]:
    """Write everything down and register the version: its number, and its run in MLflow."""
    from shared.evaluation.drift import profile, watched

    begun = time.monotonic()
    spec, registry = training.spec, services.registry
    sample = rows[[column.name for column in spec.features]].head(SAMPLE_ROWS)
    kept, tags = profile(rows, watched(spec)), record.tags(training)
    run = patiently(lambda: registry.begin(spec.name, training.event.request, tags=tags, attempt=attempt()))
    patiently(lambda: registry.log(run, params=record.params(training, pipeline), metrics=training.metrics))
    patiently(lambda: registry.log_data(run, training.data.to_dict()))
    patiently(lambda: registry.log_json(run, "judged_on", record.judged_on(training)))
    patiently(lambda: registry.log_json(run, "environment", record.environment()))
    version = patiently(lambda: registry.register(spec.name, spec, run, pipeline, sample, profile=kept, tags=tags))
    crash.point("train.registered")
    report(training, pipeline, version, run, services)
    patiently(lambda: registry.finish(run))
    crash.point("train.finished")
    log.info("Logged and registered in %.2f s", time.monotonic() - begun)
    return version, run
