"""The worker on real servers: what is written down of a training, what ends one, and what a killed one leaves."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from cli.flights import monthly_drops
from deploy.local import stack
from shared.adapters.registry import Version
from shared.contract.catalog import model
from shared.errors import PassingError
from shared.lifecycle.decisions import Decision
from shared.lifecycle.events import Event, ModelTrained, StepFailed, TrainingRequested
from shared.lifecycle.holdout import JUDGED_ON, Judged
from shared.lifecycle.messages import to_dict
from shared.lifecycle.services import Services
from tests.emulated.project import Project
from training_vm.patience import DeadlineOver
from training_vm.worker import Worker

pytest_plugins = ["tests.emulated.project_fixtures"]
NAME = "flight_delay"
ROWS = 4_000
# So many rows are the first five days of a month.
DAYS = 10
DROPS = [f"{NAME}/flights_2013-0{month}.csv" for month in (1, 2)]
# As the machine runs it, but for a lease that a test can wait for.
WORKER = """
import sys
from pathlib import Path
from training_vm import worker
sys.exit(worker.main(Path(sys.argv[1]), lease_seconds=3.0))
"""


@pytest.fixture(scope="module")
def project(whole_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    for name, file in zip(DROPS, monthly_drops(tmp_path_factory.mktemp("drops"), range(1, 3)), strict=True):
        file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[: ROWS + 1]))
        whole_project.drop(name, file)
    return whole_project


class Listening(Services):
    """Hears what is published."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[Event] = []

    def publish(self, events: Sequence[Event]) -> None:
        super().publish(events)
        self.heard += events


@pytest.fixture
def services(project: Project) -> Listening:
    return Listening()


def ask(services: Services, **wishes: Any) -> TrainingRequested:
    """An open request."""
    request = f"r-{uuid4().hex[:12]}"
    event = TrainingRequested(
        **{"model": NAME, "reason": "a test asks", "request": request, "story": request, **wishes}
    )
    services.desk.place(event)
    return event


@contextmanager
def asked(services: Services, **wishes: Any) -> Iterator[TrainingRequested]:
    """A request that is closed afterwards, as promote would."""
    event = ask(services, **wishes)
    try:
        yield event
    finally:
        services.desk.close(NAME, event.request)


def trained(services: Listening, **wishes: Any) -> tuple[ModelTrained, Version]:
    with asked(services, **wishes) as event:
        assert Worker(services=services).run(event) == "done"
    announced = services.heard[-1]
    assert isinstance(announced, ModelTrained)
    return announced, services.registry.version(NAME, announced.version)


def refused(services: Listening, worker: Worker | None = None, **wishes: Any) -> StepFailed:
    with asked(services, **wishes) as event:
        (worker or Worker(services=services)).run(event)
        assert services.desk.read(NAME).open is None, "a request that failed for good stays open"
    failed = services.heard[-1]
    assert isinstance(failed, StepFailed)
    return failed


def test_everything_that_a_user_wants_to_know_is_on_the_run(services: Listening) -> None:
    announced, version = trained(services, params={"alpha": 3})
    params, metrics = version.params, version.metrics
    assert (params["alpha"], params["min_frequency"]) == ("3", "20")
    assert params["preprocessing.type"] == model(NAME).preprocessing
    assert params["preprocessing.pipeline"] == "FunctionTransformer > ColumnTransformer > Ridge"
    assert len(params["preprocessing.contract_digest"]) == 16
    assert len(params["code.commit"]) == 40 and params["code.clean"] in ("true", "false")
    assert (params["code.rows"], params["code.params"]) == ("all", '{"alpha": 3}')
    assert params["environment.python"] and params["environment.scikit-learn"]
    assert params["data.digest"] and params["data.snapshot"] and params["data.timestamp"]
    assert int(params["data.train_rows"]) == metrics["train_rows"] > metrics["holdout_rows"] > 0
    assert metrics["holdout_rmse"] < metrics["baseline_holdout_rmse"] and metrics["train_rmse"] > 0
    assert metrics["duration_seconds"] > metrics["fit_seconds"] > 0
    assert announced.data_version == version.data_version and version.data_version["drops"] == len(DROPS)
    assert services.registry.drops([version]) == [dict.fromkeys(DROPS, 1)]
    assert version.tags["tidewheel.reason"] == "a test asks"
    assert version.tags["tidewheel.story"] == announced.request == version.request


def test_packages_and_data_version_are_beside_the_run_whole(services: Listening, tmp_path: Path) -> None:
    announced, version = trained(services)
    client = services.registry.client
    for name in ("environment.json", "data_version.json"):
        client.download_artifacts(announced.run, name, str(tmp_path))
    environment = json.loads((tmp_path / "environment.json").read_text())
    assert {"mlflow", "scikit-learn", "duckdb"} <= set(environment["packages"])
    whole = json.loads((tmp_path / "data_version.json").read_text())
    assert whole == {**version.data_version, "drops": [[drop, 1] for drop in DROPS]}
    assert services.registry.data_version(version) == whole
    inputs = client.get_run(announced.run).inputs
    assert inputs and inputs.dataset_inputs[0].dataset.digest == version.data_version["digest"]


def test_the_same_rows_make_the_same_version_twice(services: Listening) -> None:
    versions = [trained(services)[1] for _ in range(2)]
    assert versions[0].data_version["digest"] == versions[1].data_version["digest"]
    rows = services.warehouse.read_drop(NAME, model(NAME), DROPS[1])
    once, again = (services.registry.load(NAME, each.version).predictions(rows) for each in versions)
    assert np.array_equal(once, again)


def test_the_champion_is_scored_on_the_same_rows(services: Listening) -> None:
    _, champion = trained(services)
    crown(services, champion.version)
    try:
        _, version = trained(services)
    finally:
        crown(services, None)
    about, metrics = Judged.from_tag(version.tags[JUDGED_ON]), version.metrics
    rival = f"vs_{champion.version}"
    assert about.drops == DROPS[::-1] and about.news == {str(champion.version): []} and about.holdout
    assert metrics[f"{rival}/all/rival"] == metrics[f"{rival}/all/challenger"] == metrics["holdout_rmse"]
    assert metrics[f"{rival}/all/gain"] == metrics[f"{rival}/all/error"] == 0 and metrics[f"{rival}/all/groups"] == DAYS
    assert metrics[f"{rival}/slice_late/rows"] > 0 and metrics[f"{rival}/drop_2/rows"] > 0
    assert metrics["vs_baseline/all/gain"] > 0 == metrics["overlap_rows"]


def test_a_report_for_people_and_its_numbers_are_beside_the_run(services: Listening, tmp_path: Path) -> None:
    _, champion = trained(services, params={"alpha": 1_000})
    crown(services, champion.version)
    try:
        announced, version = trained(services)
    finally:
        crown(services, None)
    page, numbers = (
        Path(fetched(services, announced.run, name, tmp_path)) for name in ("report.html", "comparison.json")
    )
    told = json.loads(numbers.read_text())
    assert (told["version"], told["champion"], told["metric"]["name"]) == (version.version, champion.version, "rmse")
    assert [drop["name"] for drop in told["drops"]] == DROPS[::-1]
    against = {str(each["rival"]): each["parts"] for each in told["comparisons"]}
    assert against[str(champion.version)]["all"]["gain"] == version.metrics[f"vs_{champion.version}/all/gain"]
    text = page.read_text()
    assert f"compared with version {champion.version} on" in text and text.count("<svg") == 4
    assert version.data_version["digest"] in text and "tidewheel.report" not in version.tags


def test_a_report_that_fails_costs_no_version_and_the_run_says_so(
    services: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("of a test")

    monkeypatch.setattr(services.registry, "log_text", broken)
    announced, version = trained(services)
    assert version.counts
    assert services.registry.client.get_run(announced.run).data.tags["tidewheel.report"] == (
        "failed: ZeroDivisionError: of a test"
    )


def test_a_deadline_that_ends_in_the_report_is_no_failure_of_the_report(
    services: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*_: Any) -> None:
        raise DeadlineOver("the training was stopped, which is its deadline.")

    monkeypatch.setattr(services.registry, "log_text", slow)
    assert "stopped" in refused(services).error


def fetched(services: Services, run: str, name: str, folder: Path) -> str:
    return str(services.registry.client.download_artifacts(run, name, str(folder)))


def crown(services: Services, version: int | None) -> None:
    decision = Decision(model=NAME, version=version, champion=version, verdict="promote", why="a test")
    services.decisions.decide(NAME, uuid4().hex, lambda standing: decision)


def test_a_window_of_old_rows_is_judged_on_the_newest_drops(services: Listening) -> None:
    _, whole = trained(services)
    _, january = trained(services, window=("2013-01-01", "2013-02-01"))
    assert services.registry.drops([january]) == [{DROPS[0]: 1}]
    assert january.metrics["train_rows"] < whole.metrics["train_rows"]
    assert january.metrics["holdout_rows"] == whole.metrics["holdout_rows"]


def test_a_sample_of_rows_is_trained_on_as_asked(services: Listening) -> None:
    _, version = trained(services, rows="1k")
    assert version.metrics["train_rows"] == 1_000


def test_an_unknown_param_is_refused_and_the_known_ones_named(services: Listening) -> None:
    failed = refused(services, params={"alfa": 1})
    assert (failed.step, failed.model) == ("train", NAME)
    assert failed.error == 'flight_delay has no param "alfa"; known: alpha, min_frequency.'


def test_a_param_that_the_pipeline_does_not_take_is_refused(services: Listening) -> None:
    failed = refused(services, params={"alpha": -1.0})
    assert "cannot be fitted" in failed.error and "alpha" in failed.error


def test_too_few_rows_are_refused(services: Listening) -> None:
    failed = refused(services, window=("1999-01-01", "1999-02-01"))
    assert failed.error == "there are 0 rows to train flight_delay on, and it needs at least 100."


def test_a_training_stops_at_its_deadline(services: Listening) -> None:
    failed = refused(services, Worker(services=services, deadline_seconds=0.05))
    assert "stopped after 0.05 s" in failed.error


def test_what_fails_on_the_last_start_has_failed_for_good(services: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise PassingError("the warehouse is not ready")

    monkeypatch.setattr(services.warehouse, "data_version", away)
    failed = refused(services, Worker(services=services, is_last_start=True))
    assert "the warehouse is not ready" in failed.error


def test_a_request_that_failed_lets_the_next_in_line_go(services: Listening) -> None:
    with asked(services, params={"alfa": 1}) as first:
        second = ask(services, rows="1k")
        assert [each["fields"]["request"] for each in services.desk.read(NAME).waiting] == [second.request]
        Worker(services=services).run(first)
    assert services.heard[1:] == [replace(second, epoch=1)]


def test_a_request_that_is_not_open_is_not_trained(services: Listening) -> None:
    event = replace(ask(services), request="another-one")
    try:
        Worker(services=services).run(event)
    finally:
        services.desk.close(NAME, services.desk.read(NAME).request or "")
    assert isinstance(services.heard[-1], StepFailed) and "not open any more" in services.heard[-1].error


@contextmanager
def machine(project: Project, event: TrainingRequested, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A worker in a process of its own."""
    task = folder / f"{event.request}.json"
    task.write_text(json.dumps({"event": to_dict(event), "story": event.story}))
    process = project.start("-c", WORKER, str(task))
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def read_until(process: subprocess.Popen[str], words: str) -> str:
    assert process.stdout
    lines = []
    for line in process.stdout:
        lines.append(line)
        if words in line:
            break
    assert words in lines[-1], "".join(lines)
    return "".join(lines)


@pytest.mark.parametrize("moment", ["Fitted", "Logged and registered"])
def test_a_machine_that_is_killed_leaves_one_version_that_counts(
    project: Project, services: Listening, tmp_path: Path, moment: str
) -> None:
    with asked(services) as event:
        with machine(project, event, tmp_path) as first:
            read_until(first, moment)
            first.kill()
        with machine(project, event, tmp_path) as second:
            # The kill may come too late for the last moment; where it does not, the lease has to end first.
            read_until(second, f"Request {event.request} is")
            assert second.wait() == 0
    mine = [each for each in services.registry.versions(NAME) if each.request == event.request]
    assert [each.status for each in mine if each.counts] == [""]


def test_a_machine_that_is_told_to_stop_keeps_nobody_waiting(
    project: Project, services: Listening, tmp_path: Path
) -> None:
    with asked(services) as event:
        with machine(project, event, tmp_path) as first:
            read_until(first, "Pinned")
            first.send_signal(signal.SIGTERM)
            assert first.wait() == 128 + signal.SIGTERM
        with machine(project, event, tmp_path) as second:
            assert "Waiting" not in read_until(second, "is done")


def test_mlflow_may_be_away_for_a_while(project: Project, services: Listening, tmp_path: Path) -> None:
    with asked(services) as event, machine(project, event, tmp_path) as process:
        read_until(process, "Pinned")
        server = next(part for part in stack.parts(project.home) if part["name"] == "mlflow")
        subprocess.run(["kill", "-9", str(server["pid"])], check=True)
        read_until(process, "is done")
        assert process.wait() == 0
    again = next(part for part in stack.parts(project.home) if part["name"] == "mlflow")
    assert again["pid"] != server["pid"], "it was never away"
    mine = [each for each in services.registry.versions(NAME) if each.request == event.request]
    assert [each.counts for each in mine].count(True) == 1
