"""Versions in MLflow's model registry: made from a run, told about, loaded, and marked as champion."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from shared.adapters import registry_files as files
from shared.adapters.registry_client import identifier, is_missing, passing
from shared.adapters.registry_records import (
    ABANDONED,
    DATA_VERSION,
    KIND,
    REQUEST,
    STATUS,
    TRAINING,
    UNFINISHED,
    VERSION,
    Loaded,
    NoSuchVersion,
    OwnColumns,
    Version,
    columns_from_json,
)
from shared.adapters.registry_runs import Runs
from shared.contract.spec import ModelSpec
from shared.errors import LostLease, PassingError, PermanentError

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.entities import LoggedModel, Run
    from mlflow.entities.model_registry import ModelVersion
    from sklearn.pipeline import Pipeline

ALIAS = "champion"
# Anything else that a version may point to was not put there by `register`.
_SOURCE = re.compile(r"models:/(m-[0-9a-f]{32})")


class Versions(Runs):
    """Registers, tells about and loads versions."""

    @staticmethod
    def warm_up() -> None:
        """Do what registering costs once per process, while others are waited for; it imports."""
        files.warm_up()

    def register(
        self,
        model: str,
        spec: ModelSpec,
        run: str,
        pipeline: Pipeline,
        sample: pd.DataFrame,
        *,
        profile: dict[str, Any],
        tags: Mapping[str, str] | None = None,
    ) -> int:
        """Make a version of a fitted pipeline; it counts once its run is finished.

        Args:
            sample: rows that it must be able to predict from what was stored; a version that cannot is not made.
            profile: what evaluate needs to see drift.

        Raises:
            LostLease: another attempt of the run's request has begun, and the version is abandoned.
        """
        with passing():
            source = self._store(spec, run, pipeline, sample, profile)
            self._ensure_model(model, spec)
            address, named = f"models:/{source.model_id}", dict(tags or {})
            made = self.client.create_model_version(
                model, address, run, tags=named, model_id=source.model_id, await_creation_for=0
            )
            self.client.set_tag(run, VERSION, str(made.version))
        self._check_not_abandoned(model, int(made.version), run)
        return int(made.version)

    def version(self, model: str, number: int) -> Version:
        """What is known of a version.

        Raises:
            PermanentError: there is none; names those that there are.
        """
        found = self._found(model, number)
        with passing():
            return self._described(found, self.client.get_run(found.run_id) if found.run_id else None)

    def versions(self, model: str) -> list[Version]:
        """All versions of a model, also those that do not count, oldest first."""
        with passing():
            runs = {run.info.run_id: run for run in self._runs(model, f"tags.`{KIND}` = '{TRAINING}'")}
            found = [self._described(each, runs.get(each.run_id)) for each in self._all(model)]
        return sorted(found, key=lambda each: each.version)

    def load(self, model: str, number: int) -> Loaded:
        """A version that can predict, whatever has become of its model's file since.

        Raises:
            PermanentError: there is none, it does not count, or its packages are not here.
        """
        known = self.version(model, number)
        name = f"version {number} of {model}"
        if known.status:
            raise NoSuchVersion(f"{name} is {known.status} and does not count.", self._advice(model))
        with passing(), TemporaryDirectory() as folder:
            location = self._location(name, known)
            companion = json.loads(self._download(location, files.COMPANION, folder).read_text())
            files.refuse_other_packages(name, companion["packages"])
            pipeline = files.unpickle(self._download(location, files.PIPELINE, folder), name, companion["packages"])
        columns = columns_from_json(companion["columns"])
        return Loaded(
            version=number,
            pipeline=OwnColumns(pipeline=pipeline, names=tuple(each.name for each in columns if each.is_feature)),
            columns=columns,
            packages=companion["packages"],
            profile=companion["profile"],
            run=known.run,
            metrics=known.metrics,
            on=companion["on"],
        )

    def set_champion(self, model: str, number: int) -> None:
        """Let MLflow's alias `champion` say what the decision log says."""
        from mlflow.exceptions import MlflowException

        self._found(model, number)
        try:
            with passing():
                self.client.set_registered_model_alias(model, ALIAS, str(number))
        except MlflowException as error:
            # Two that make an alias for the first time disturb each other.
            raise PassingError(f"MLflow did not take the alias: {error}") from error

    def champion_alias(self, model: str) -> int | None:
        """The version that MLflow's alias names."""
        from mlflow.exceptions import MlflowException

        try:
            with passing():
                return int(self.client.get_model_version_by_alias(identifier(model), ALIAS).version)
        except MlflowException as error:
            if is_missing(error):
                return None
            raise

    def _store(
        self, spec: ModelSpec, run: str, pipeline: Pipeline, sample: pd.DataFrame, profile: dict[str, Any]
    ) -> LoggedModel:
        """Upload the pipeline and what travels with it. MLflow's own log_model asks once for each metric besides."""
        from mlflow.entities import LoggedModelOutput
        from mlflow.models import Model

        made = self.client.create_logged_model(self.experiment(spec.name), name=spec.name, source_run_id=run)
        entry = Model(made.artifact_location, run, model_uuid=made.model_id, model_id=made.model_id)
        with TemporaryDirectory() as folder:
            stored = Path(folder) / "model"
            files.save(stored, spec, pipeline, profile, entry)
            files.refuse_other_predictions(stored, pipeline, sample)
            self.client.log_model_artifacts(made.model_id, str(stored))
        self.client.log_outputs(run, models=[LoggedModelOutput(made.model_id, step=0)])
        return self.client.finalize_logged_model(made.model_id, "READY")

    def _ensure_model(self, model: str, spec: ModelSpec) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self.client.create_registered_model(model, description=spec.title)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _check_not_abandoned(self, model: str, number: int, run: str) -> None:
        try:
            self.refuse_if_abandoned(run)
        except LostLease:
            with passing():
                self.client.set_model_version_tag(model, str(number), STATUS, ABANDONED)
            raise

    def _all(self, model: str) -> list[ModelVersion]:
        found: list[ModelVersion] = []
        page = None
        while True:
            some = self.client.search_model_versions(f"name = '{identifier(model)}'", page_token=page)
            found, page = [*found, *some], some.token
            if not page:
                return found

    def _found(self, model: str, number: int) -> ModelVersion:
        from mlflow.exceptions import MlflowException

        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise NoSuchVersion(f'"{number}" is not a version of {identifier(model)}.', "A version is 1 or more.")
        try:
            with passing():
                return self.client.get_model_version(identifier(model), str(number))
        except MlflowException as error:
            if is_missing(error):
                raise NoSuchVersion(f"{model} has no version {number}.", self._advice(model)) from error
            raise

    def _advice(self, model: str) -> str:
        known = ", ".join(str(each.version) for each in self.versions(model) if each.counts)
        return f"Known: {known}." if known else f"{model} has no version that counts yet."

    def _described(self, found: ModelVersion, run: Run | None) -> Version:
        tags = {**(run.data.tags if run else {}), **found.tags}
        return Version(
            model=found.name,
            version=int(found.version),
            run=found.run_id or "",
            request=tags.get(REQUEST, ""),
            status=_status(int(found.version), run),
            created=datetime.fromtimestamp(found.creation_timestamp / 1000, UTC),
            metrics=dict(run.data.metrics) if run else {},
            params=dict(run.data.params) if run else {},
            tags=tags,
            data_version=json.loads(found.tags.get(DATA_VERSION, "{}")),
        )

    def _location(self, name: str, known: Version) -> str:
        found = self.client.get_model_version(known.model, str(known.version))
        made_here = _SOURCE.fullmatch(found.source or "")
        if not made_here:
            raise PermanentError(f"{name} was not made by Tidewheel's worker.", self._advice(known.model))
        return str(self.client.get_logged_model(made_here[1]).artifact_location)

    def _download(self, location: str, name: str, folder: str) -> Path:
        from mlflow.artifacts import download_artifacts

        return Path(download_artifacts(artifact_uri=f"{location}/{name}", dst_path=folder, tracking_uri=self._uri))


def _status(number: int, run: Run | None) -> str:
    """What its run says of a version: the run is where attempts of one request see each other."""
    if run and run.data.tags.get(STATUS) == ABANDONED:
        return ABANDONED
    counts = run and run.data.tags.get(VERSION) == str(number) and run.info.status == "FINISHED"
    return "" if counts else UNFINISHED
