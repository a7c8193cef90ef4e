"""Runs in MLflow: one that counts for each training request, and one for each version that was scored on a drop."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from shared.adapters.registry_client import Client, passing
from shared.adapters.registry_records import (
    ABANDONED,
    ATTEMPT,
    EVALUATION,
    KEY,
    KIND,
    REQUEST,
    STATUS,
    TRAINING,
    Evaluation,
)
from shared.errors import LostLease, PermanentError

if TYPE_CHECKING:
    from mlflow.entities import Run

# MLflow takes no more in one call.
_MOST_AT_ONCE = 100
_PAGE = 1_000


class Runs(Client):
    """Begins, fills and ends runs."""

    def begin(self, model: str, request: str, *, tags: Mapping[str, str], attempt: int = 0) -> str:
        """A new run for a request: from now on it is the one that counts, earlier ones are abandoned.

        The new run is there before the earlier ones are marked, and `register` looks at its mark after it has made a
        version: of two attempts at most one has a version that counts, however they interleave.

        Raises:
            LostLease: a later attempt has begun; it may have ended, and its version be in production.
        """
        key = _key(TRAINING, request)
        named = {**tags, REQUEST: request, KIND: TRAINING, KEY: key, ATTEMPT: str(attempt), "mlflow.runName": request}
        with passing():
            run = self.client.create_run(self.experiment(model), tags=named)
            others = [
                each for each in self._runs(model, f"tags.`{KEY}` = '{key}'") if each.info.run_id != run.info.run_id
            ]
            if any(_attempt(each) > attempt for each in others):
                self._abandon(run)
                raise LostLease(f"a later attempt of request {request} has begun.")
            for earlier in others:
                self._abandon(earlier)
        return str(run.info.run_id)

    def log(
        self,
        run: str,
        *,
        params: Mapping[str, Any] | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Write it all in one call; only more than a hundred parameters or tags need another one."""
        from mlflow.entities import Metric, Param, RunTag

        now = int(time.time() * 1000)
        numbers = [Metric(name, float(value), now, 0) for name, value in (metrics or {}).items()]
        texts = [Param(name, str(value)) for name, value in (params or {}).items()]
        marks = [RunTag(name, str(value)) for name, value in (tags or {}).items()]
        with passing():
            for first in range(0, max(len(texts), len(marks), 1), _MOST_AT_ONCE):
                some = slice(first, first + _MOST_AT_ONCE)
                self.client.log_batch(run, metrics=numbers if not first else [], params=texts[some], tags=marks[some])

    def log_json(self, run: str, name: str, obj: Any) -> None:
        """Keep something as a JSON file beside the run."""
        with passing():
            self.client.log_dict(run, obj, name if name.endswith(".json") else f"{name}.json")

    def log_text(self, run: str, name: str, text: str) -> None:
        """Keep a text as a file beside the run; a page is shown by MLflow's own."""
        with passing():
            self.client.log_text(run, text, name)

    def log_data(self, run: str, version: Mapping[str, Any]) -> None:
        """Say which rows a run learned from: as a JSON file, and as the data set that MLflow's page shows."""
        from mlflow.entities import Dataset, DatasetInput

        self.log_json(run, "data_version", version)
        source = json.dumps({name: version[name] for name in ("snapshot", "timestamp", "selection")})
        profile = json.dumps({name: version[name] for name in ("rows", "train_rows", "first_event", "last_event")})
        rows = Dataset(version["model"], version["digest"], "bigquery", source, profile=profile)
        with passing():
            self.client.log_inputs(run, [DatasetInput(rows)])

    def finish(self, run: str) -> None:
        """Say that the run has ended well.

        Raises:
            LostLease: another attempt of its request has begun meanwhile.
        """
        self.refuse_if_abandoned(run)
        with passing():
            self.client.set_terminated(run, "FINISHED")

    def fail(self, run: str) -> None:
        """Say that the run has not ended well; a version of it does not count."""
        with passing():
            self.client.set_terminated(run, "FAILED")

    def run_metrics(self, run: str) -> dict[str, float]:
        """The latest value of each metric; NaN stays NaN."""
        with passing():
            return dict(self.client.get_run(run).data.metrics)

    def record_evaluation(
        self,
        model: str,
        version: int,
        drop: str,
        generation: int,
        metrics: Mapping[str, float],
        *,
        epoch: int = 0,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """How a version did on a drop, as a run of its own; repeated, the newer numbers stand in the same run.

        An evaluation that somebody has asked for once more is another one: a decision may rest on the first.
        """
        key, again = _evaluation_key(version, drop, generation, epoch), f", evaluation {epoch + 1}" if epoch else ""
        which = f"tags.`{KEY}` = '{key}'"
        named = {KIND: EVALUATION, KEY: key, "mlflow.runName": f"version {version} on {drop}{again}"}
        named |= {"tidewheel.drop": drop, "tidewheel.generation": str(generation), "tidewheel.version": str(version)}
        with passing():
            there = self._runs(model, which)
            if not there:
                self.client.create_run(self.experiment(model), tags={**(tags or {}), **named})
                there = self._runs(model, which)
            # A lost answer or a living duplicate may have made it twice: the first counts for everybody.
            run, *others = sorted(there, key=_age)
            for other in others:
                self.client.delete_run(other.info.run_id)
            self.log(run.info.run_id, metrics=metrics, tags=tags)
            self.client.set_terminated(run.info.run_id, "FINISHED")

    def evaluation(self, model: str, version: int, drop: str, generation: int, epoch: int = 0) -> Evaluation:
        """What `record_evaluation` has written.

        Raises:
            PermanentError: the version was not scored on that drop.
        """
        with passing():
            found = self._runs(model, f"tags.`{KEY}` = '{_evaluation_key(version, drop, generation, epoch)}'")
        # One that goes on has some of the metrics at most.
        there = sorted((each for each in found if each.info.status == "FINISHED"), key=_age)
        if not there:
            error = f"version {version} of {model} was not scored on generation {generation} of {drop[:200]!r}."
            raise PermanentError(error, "Have the drop evaluated again: tidewheel replay.")
        return Evaluation(run=there[0].info.run_id, metrics=dict(there[0].data.metrics), tags=dict(there[0].data.tags))

    def refuse_if_abandoned(self, run: str) -> None:
        """Stop an attempt that another one has overtaken."""
        with passing():
            tags = self.client.get_run(run).data.tags
        if tags.get(STATUS) == ABANDONED:
            raise LostLease(
                f"another attempt of request {tags.get(REQUEST)} has begun, and this one's run is abandoned."
            )

    def _runs(self, model: str, which: str) -> list[Run]:
        """The runs of a model that fit, newest first."""
        found: list[Run] = []
        page = None
        while True:
            some = self.client.search_runs([self.experiment(model)], which, max_results=_PAGE, page_token=page)
            found, page = [*found, *some], some.token
            if not page:
                return found

    def _abandon(self, run: Run) -> None:
        self.client.set_tag(run.info.run_id, STATUS, ABANDONED)
        if run.info.status == "RUNNING":
            self.client.set_terminated(run.info.run_id, "KILLED")


def _attempt(run: Run) -> int:
    return int(run.data.tags.get(ATTEMPT, "0"))


def _evaluation_key(version: int, drop: str, generation: int, epoch: int) -> str:
    return _key(EVALUATION, drop, generation, version, *([epoch] if epoch else []))


def _key(*parts: object) -> str:
    """By which a run is found again: names of drops may hold what a filter cannot."""
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:32]


def _age(run: Run) -> tuple[int, str]:
    """The first one of several comes first, for everybody who asks."""
    return int(run.info.start_time or 0), str(run.info.run_id)
