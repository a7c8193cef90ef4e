"""Each function and the worker as they are deployed, installed alone: a file goes through all of them to a prediction.

What is not in a slice is missing here. The servers are the laptop's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from deploy.gcp.package import package
from deploy.gcp.packaging.alone import Slice, install
from deploy.gcp.packaging.stage import WORKER
from deploy.local import probe, stack
from deploy.local.layout import ROOT
from shared.lifecycle.services import Services
from tests.e2e.laptop import Laptop
from tests.emulated.laptop import free_port, wait_for

DROP = "flight_delay/january.csv"
FLIGHT: dict[str, Any] = {"time_hour": "2013-04-01T12:00:00Z", "carrier": "UA", "origin": "EWR", "dest": "IAH"}
FLIGHT |= {"distance": 1400, "dep_delay": 30.0}


class Deployed(Laptop):
    """The functions' ports are ours, and machines are started by hand."""

    ports: dict[str, int]
    machines: Path
    worker: Slice
    env: dict[str, str]

    def port(self, part: str) -> int:
        return self.ports[part]

    def train(self) -> str:
        """Do what the machine does that has been asked for: its log."""
        (task,) = self.machines.glob("*.json")
        said = self.worker.run("-m", "training_vm", str(task), env=self.env)
        task.unlink()
        return said


@pytest.fixture(scope="module")
def slices(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Slice]:
    """All of them, installed."""
    folder = tmp_path_factory.mktemp("slices")
    manifest = package(folder / "out")
    names = [*manifest["functions"], WORKER]
    found = {name: Slice(name, folder / "out" / name, folder / f"venv-{name}") for name in names}
    install(list(found.values()), folder / "pool")
    return found


@pytest.fixture(scope="module")
def deployed(slices: dict[str, Slice], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """The laptop's servers with the slices as their functions."""
    folder = tmp_path_factory.mktemp("deployed")
    home = folder / ".tidewheel"
    stack.up(home, detach=True, functions=folder / "none", on_progress=lambda _: None)
    with ExitStack() as until_end, pytest.MonkeyPatch.context() as patch:
        until_end.callback(stack.down, home)
        env = stack.stack_env(home) | {"TIDEWHEEL_MACHINES_DIR": str(folder / "machines")}
        functions = [each for name, each in slices.items() if name != WORKER]
        ports = {each.name: free_port() for each in functions}
        for each in functions:
            log = folder / f"{each.name}.log"
            _until_up(ports[each.name], until_end.enter_context(each.serving(ports[each.name], env, log)), log)
        endpoints = [f"{name}=http://127.0.0.1:{port}" for name, port in ports.items()]
        provision = [sys.executable, "-m", "deploy.local.provision", "topics", *endpoints]
        subprocess.run(provision, cwd=ROOT, env={**os.environ, **env}, check=True)
        for name, value in env.items():
            patch.setenv(name, value)
        laptop = Deployed(home=home, services=Services())
        vars(laptop).update(ports=ports, machines=folder / "machines", worker=slices[WORKER], env=env)
        yield laptop


def _until_up(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    def is_up() -> bool:
        assert process.poll() is None, log.read_text()
        return probe.answers(port, None)

    wait_for(is_up)


@pytest.fixture(scope="module")
def story(deployed: Deployed, drops: list[Path]) -> list[dict[str, Any]]:
    """What became of a month of flights."""
    deployed.drop(drops[0], DROP)
    deployed.story(DROP, "TrainingScheduled", "StepFailed")
    deployed.train()
    return deployed.story(DROP, "ModelPromoted", "ModelKept", "StepFailed")


def test_a_file_goes_through_all_of_them_to_a_prediction(deployed: Deployed, story: list[dict[str, Any]]) -> None:
    assert [event["kind"] for event in story][-2:] == ["ModelTrained", "ModelPromoted"]
    status, answer = deployed.predict("/models/flight_delay/predict", FLIGHT)
    assert (status, answer["version"]) == (200, 1)


def test_a_champion_is_loaded_to_be_scored(deployed: Deployed, story: Any, drops: list[Path]) -> None:
    deployed.drop(drops[1], "flight_delay/february.csv")
    told = deployed.story("flight_delay/february.csv", "ModelEvaluated", "StepFailed")
    (evaluated,) = (event for event in told if event["kind"] == "ModelEvaluated")
    assert evaluated["champion"] == 1 and evaluated["scores"]["champion"] > 0


def test_the_version_says_which_code_it_is_of(deployed: Deployed, slices: dict[str, Slice], story: Any) -> None:
    embedded = json.loads((slices[WORKER].folder / "code_version.json").read_text())
    params = deployed.services.registry.version("flight_delay", 1).params
    assert {name: params[f"code.{name}"] for name in embedded} == embedded


@pytest.mark.parametrize(
    ("part", "topic"),
    [
        ("preprocess", "withdrawal-requested"),
        ("evaluate", "data-prepared"),
        ("launch_training", "training-requested"),
        ("promote", "rollback-requested"),
        ("reconcile", "training-requested"),
    ],
)
def test_each_refuses_what_it_cannot_read_in_a_sentence(deployed: Deployed, part: str, topic: str) -> None:
    body = {"message": {"data": "e30=", "messageId": f"of-{part}"}, "subscription": "projects/p/subscriptions/s"}
    assert deployed.post(part, f"/projects/p/topics/{topic}", body)[0] == 200
    (failed,) = deployed.story(f"of-{part}", "StepFailed")
    assert failed["step"] == part and ("lacks the field" in failed["error"] or "has come to" in failed["error"])


def test_the_calendar_asks_for_every_model_that_has_rows(deployed: Deployed, story: Any) -> None:
    deployed.services.bus.publish([("retraining-requested", b'{"month": "2013-02"}', {})])
    from shared.lifecycle.events import request_id

    request = request_id("monthly", "flight_delay", "2013-02")
    scheduled = deployed.story(request, "TrainingScheduled", "StepFailed")[-1]
    assert (scheduled["kind"], scheduled["model"]) == ("TrainingScheduled", "flight_delay")
    other = request_id("monthly", "taxi_fare", "2013-02")
    assert list(deployed.services.warehouse.log(story=other)) == []


def test_the_clock_finds_nothing_to_mend(deployed: Deployed, story: Any) -> None:
    body = {"message": {"data": "e30=", "messageId": "tick"}, "subscription": "projects/p/subscriptions/s"}
    assert deployed.post("reconcile", "/projects/p/topics/reconcile-requested", body)[0] == 200


@pytest.mark.parametrize(
    ("path", "status"), [("/models/taxi_fair/predict", 404), ("/models/flight_delay/predict", 400)]
)
def test_predict_says_what_is_wrong_with_a_request(deployed: Deployed, story: Any, path: str, status: int) -> None:
    answer = deployed.predict(path, {"no": "flight"})
    assert answer[0] == status and answer[1]["error"]
