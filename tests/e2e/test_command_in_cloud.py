"""The command against a deployed project: the environment alone says where everything is, and there is no stack.

The project is the laptop's servers under another name; its trainings run on machines of a Compute Engine of the tests'
own, with the real start script.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from benchmarks import running
from deploy.gcp.packaging.archive import zipped
from deploy.gcp.packaging.stage import of_worker
from deploy.local import stack
from deploy.local.environment import ARTIFACTS, LANDING
from deploy.local.layout import ROOT
from deploy.local.parts import HTTP_FUNCTIONS, MANNERS
from shared.lifecycle.services import Services
from shared.settings import Settings
from tests.emulated.compute_server import Cloud, compute
from tests.emulated.laptop import free_port, wait_for

PATIENCE_SECONDS = 120.0
PROJECT, DROP = "waves-2013", "flight_delay/january.csv"
FUNCTIONS = ("preprocess", "evaluate", "launch_training", "promote", "predict", "reconcile")


class Deployed:
    """A project, and the command in an environment that names it."""

    def __init__(self, env: dict[str, str], empty: Path) -> None:
        self.env, self._empty = env, empty

    def run(self, *words: str, code: int = 0) -> str:
        """What the command says to programs."""
        # A place without a stack, and no variable but the project's.
        env = {"PATH": os.environ["PATH"], "HOME": str(self._empty), **MANNERS, **self.env}
        command = [sys.executable, "-m", "cli.main", *words]
        ended = subprocess.run(command, cwd=self._empty, env=env, capture_output=True, text=True, check=False)
        assert ended.returncode == code, ended.stdout + ended.stderr
        return ended.stdout if code == 0 else ended.stderr

    def until(self, story: str, end: str) -> None:
        """Wait for the end of a story."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while end not in (told := self.run("timeline", "--story", story)):
            assert time.monotonic() < deadline, told
            time.sleep(1.0)

    def json(self, *words: str) -> Any:
        return json.loads(self.run(*words, "--json"))


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with compute(tmp_path_factory.mktemp("machines")) as cloud:
        yield cloud


@pytest.fixture(scope="module")
def deployed(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("cloud")
    home = folder / ".tidewheel"
    stack.up(home, detach=True, functions=folder / "none", on_progress=lambda _: None)
    with ExitStack() as until_end:
        until_end.callback(stack.down, home)
        ports = {name: free_port() for name in FUNCTIONS}
        env = {name: value for name, value in stack.stack_env(home).items() if name != "TIDEWHEEL_MACHINES_DIR"}
        env |= {
            "GOOGLE_CLOUD_PROJECT": PROJECT,
            "TIDEWHEEL_PREDICT_URL": f"http://127.0.0.1:{ports['predict']}",
            "TIDEWHEEL_MACHINE_TEMPLATE": "training",
            "TIDEWHEEL_ZONES": "europe-west1-b",
            "TIDEWHEEL_COMPUTE_URL": cloud.url,
        }
        _start(env, ports, until_end)
        _prepare_machines(cloud, env, folder)
        (folder / "empty").mkdir()
        yield Deployed(env, folder / "empty")


def _start(env: dict[str, str], ports: dict[str, int], until_end: ExitStack) -> None:
    """What Terraform makes, and the functions."""
    endpoints = [f"{name}=http://127.0.0.1:{port}" for name, port in ports.items()]
    for what in (["dataset"], ["topics", *endpoints]):
        provision = [sys.executable, "-m", "deploy.local.provision", *what]
        subprocess.run(provision, cwd=ROOT, env={**os.environ, **env}, check=True)
    until_end.enter_context(running.process("-m", "deploy.local.lifecycle_log", env=env))
    for name, port in ports.items():
        kind = "http" if name in HTTP_FUNCTIONS else "cloudevent"
        command = running.function_command(ROOT / "functions" / name / "main.py", name, kind, port)
        until_end.enter_context(running.process(*command, env={**env, "WORKERS": "1", "THREADS": "4"}))
    for port in ports.values():
        running.wait_until(lambda port=port: running.answers(port))  # type: ignore[misc]


def _prepare_machines(cloud: Cloud, env: dict[str, str], folder: Path) -> None:
    (folder / "worker.zip").write_bytes(zipped(of_worker(ROOT).files))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", env["STORAGE_EMULATOR_HOST"])
        Services(Settings.from_env(env)).storage.put(ARTIFACTS, "worker.zip", folder / "worker.zip")
    environment = "\n".join(f"{name}={value}" for name, value in {**env, "TIDEWHEEL_PYTHON": sys.executable}.items())
    items = {
        "startup-script": (ROOT / "deploy/gcp/worker/startup.sh").read_text(),
        "tidewheel-worker": f"gs://{ARTIFACTS}/worker.zip",
        "tidewheel-environment": environment,
    }
    listed = [{"key": key, "value": value} for key, value in items.items()]
    cloud.templates["training"] = {"properties": {"metadata": {"items": listed}}}


@pytest.fixture(scope="module")
def dropped(deployed: Deployed, drops: list[Path]) -> dict[str, Any]:
    """A month of flights; the laptop's bucket announces to the laptop's project, so that is done by hand here."""
    said = deployed.json("drop", str(drops[0]), "--model", "flight_delay", "--name", "january.csv")
    body = {"bucket": LANDING, "name": DROP, "generation": int(said["generation"])}
    deployed.run("publish", "drop-received", json.dumps(body))
    deployed.until(DROP, "ModelPromoted")
    return dict(said)


def test_a_drop_is_trained_on_by_a_machine_and_its_story_told(deployed: Deployed, dropped: Any, cloud: Cloud) -> None:
    told = deployed.run("timeline", "flight_delay")
    assert "DataPrepared" in told and "ModelTrained" in told
    wait_for(lambda: not cloud.instances)
    assert len(cloud.inserted) == 1


def test_status_tells_of_models_and_of_the_parts_that_can_be_asked(deployed: Deployed, dropped: Any) -> None:
    report = deployed.json("status")
    assert (report["stack"], report["notes"]) == ("Google Cloud", [])
    assert report["models"]["flight_delay"]["champion"] == 1
    assert [(each["name"], each["state"]) for each in report["parts"]] == [("predict", "up"), ("mlflow", "up")]
    assert "On Google Cloud" in deployed.run("status")


def test_a_trainings_log_is_there_after_its_machine_is_gone(deployed: Deployed, cloud: Cloud, dropped: Any) -> None:
    report = deployed.json("train", "flight_delay", "--rows", "1k", "--wait")
    assert report["outcome"] in ("promoted", "kept") and report["version"] == 2
    wait_for(lambda: not cloud.instances)
    log = deployed.json("logs", report["request"])
    assert log["path"].startswith("gs://") and "and is deleted." in log["lines"][-1]
    assert any("Version 2 of flight_delay is registered" in line for line in log["lines"])
    assert "Known: " in deployed.run("logs", "no-such-request", code=2)


@pytest.mark.parametrize(
    "words",
    [
        ("why", "flight_delay", "1"),
        ("why", "--drop", DROP),
        ("rejects", DROP),
        ("dead-letters",),
        ("replay", DROP),
        ("train", "flight_delay", "--dry-run"),
        ("promote", "flight_delay", "2", "--reason", "a test"),
        ("rollback", "flight_delay", "--reason", "a test"),
        ("withdraw", DROP, "--reason", "a test"),
    ],
    ids=lambda words: words[0],
)
def test_the_same_commands_work(deployed: Deployed, dropped: Any, words: tuple[str, ...]) -> None:
    deployed.run(*words)


def test_what_is_for_the_laptop_says_so(deployed: Deployed) -> None:
    assert f"the project {PROJECT}" in deployed.run("up", code=1)
    assert "Cloud Logging" in deployed.run("logs", "evaluate", code=1)
