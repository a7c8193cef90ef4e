"""A training machine's whole life: asked for, started, trained, perhaps taken back or hanging, and gone in the end.

Compute Engine and its metadata server are the tests' own; the start script, the packed worker and the stores are real.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from cli.flights import monthly_drops
from deploy.gcp.packaging.archive import zipped
from deploy.gcp.packaging.stage import of_worker
from deploy.local.environment import ARTIFACTS
from deploy.local.layout import ROOT
from functions.launch_training.step import launch
from functions.reconcile import sweep
from functions.reconcile.step import reconcile
from shared.adapters import machines_gcp
from shared.lifecycle.events import Event, ReconcileRequested, StepFailed, TrainingRequested
from shared.lifecycle.services import Services
from tests.emulated.compute_server import Cloud, compute
from tests.emulated.laptop import wait_for
from tests.emulated.project import Project

pytest_plugins = ["tests.emulated.project_fixtures"]
NAME, DROP, ZONE = "flight_delay", "flight_delay/life.csv", "europe-west1-b"
WORKER = of_worker(ROOT)


@pytest.fixture(scope="module")
def project(whole_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("life")
    (file,) = monthly_drops(folder, range(3, 4))
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:4_001]))
    whole_project.drop(DROP, file)
    (folder / "worker.zip").write_bytes(zipped(WORKER.files))
    whole_project.services.storage.put(ARTIFACTS, "code/worker.zip", folder / "worker.zip")
    return whole_project


@pytest.fixture
def cloud(project: Project, tmp_path: Path) -> Iterator[Cloud]:
    with compute(tmp_path / "machines") as cloud:
        environment = {
            **project.env,
            # An image that has the packages.
            "TIDEWHEEL_PYTHON": sys.executable,
            "TIDEWHEEL_COMPUTE_URL": cloud.url,
            "TIDEWHEEL_LEASE_SECONDS": "4",
            "TIDEWHEEL_FAULTS": str(tmp_path / "faults"),
        }
        items = {
            "startup-script": (ROOT / "deploy/gcp/worker/startup.sh").read_text(),
            "tidewheel-worker": f"gs://{ARTIFACTS}/code/worker.zip",
            "tidewheel-environment": "\n".join(f"{name}={value}" for name, value in environment.items()),
        }
        (tmp_path / "faults").mkdir()
        listed = [{"key": key, "value": value} for key, value in items.items()]
        cloud.templates["training"] = {"properties": {"metadata": {"items": listed}}}
        yield cloud


@pytest.fixture
def services(project: Project, cloud: Cloud) -> Services:
    own: dict[str, Any] = {"machines_dir": None, "machine_template": "training", "zones": (ZONE,)}
    return Services(replace(project.services.settings, compute_url=cloud.url, **own))


@pytest.fixture
def event(services: Services) -> Iterator[TrainingRequested]:
    """An open request, as its message brings it; closed in the end, as promote would."""
    request = f"l-{uuid4().hex[:8]}"
    event = TrainingRequested(model=NAME, reason="a test asks", request=request, story=request)
    (scheduled,) = launch(event, services)
    assert getattr(scheduled, "outcome", "") == "launched"
    yield event
    services.desk.close(NAME, request)


def tick(services: Services) -> tuple[str, ...]:
    """What the reconciler tells."""
    events: list[Event] = reconcile(ReconcileRequested(request=uuid4().hex), services)
    return getattr(events[-1], "mended", ()) if events else ()


def until_gone(cloud: Cloud) -> None:
    wait_for(lambda: not cloud.instances)


def serial(cloud: Cloud, number: int) -> str:
    """What the machine that was started as the so-manyth has said on its console."""
    assert cloud.folder
    consoles = sorted(cloud.folder.glob(f"{number}-*/serial.log"))
    return consoles[0].read_text() if consoles else ""


def log_of(services: Services, event: TrainingRequested) -> str:
    """The log as it is in the state bucket."""
    found = services.storage.content(services.settings.state_bucket, f"logs/{event.machine}.log")
    assert found
    return found[0].decode()


def versions(services: Services, event: TrainingRequested) -> list[Any]:
    return [each for each in services.registry.versions(NAME) if each.request == event.request and each.counts]


def test_a_machine_trains_its_request_and_deletes_itself(
    services: Services, cloud: Cloud, event: TrainingRequested
) -> None:
    until_gone(cloud)
    said = log_of(services, event)
    assert f"{event.machine} has started in {ZONE}." in said and f"Request {event.request} is done" in said
    assert f"{event.machine} ends with code 0, and is deleted." in said
    (version,) = versions(services, event)
    assert f'"digest": "{version.params["code.digest"]}"'.encode() in WORKER.files["code_version.json"]
    assert (tick(services), len(cloud.inserted)) == ((), 1)


def test_a_machine_that_is_taken_back_hands_over_and_the_same_request_goes_on(
    services: Services, cloud: Cloud, event: TrainingRequested
) -> None:
    wait_for(lambda: "Pinned" in serial(cloud, 1))
    cloud.preempt(ZONE, event.machine)
    until_gone(cloud)
    assert "its training is handed back" in serial(cloud, 1) and not services.ledger.is_done("train", event)
    assert tick(services) == (f"started {event.machine}",)
    until_gone(cloud)
    said = log_of(services, event)
    # Both starts are in it, and the second had not to wait for the end of the first one's lease.
    assert said.count("has started in") == 2 and "Waiting" not in said
    assert len(versions(services, event)) == 1 and tick(services) == ()


def test_a_machine_that_hangs_is_deleted_at_its_deadline_and_begun_again(
    services: Services,
    cloud: Cloud,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "faults/train.fitted").write_text("freeze")
    monkeypatch.setattr(machines_gcp, "MARGIN_SECONDS", 30)
    vars(services)["settings"] = replace(services.settings, training_deadline_seconds=0.0)
    event = request.getfixturevalue("event")
    wait_for((tmp_path / "faults/train.fitted.claimed").exists)
    until_gone(cloud)
    assert "is deleted" not in serial(cloud, 1)
    monkeypatch.setattr(machines_gcp, "MARGIN_SECONDS", 900)
    assert tick(services) == (f"started {event.machine}",)
    until_gone(cloud)
    assert len(versions(services, event)) == 1


def test_a_machine_that_cannot_even_begin_says_why_and_deletes_itself(
    services: Services, cloud: Cloud, request: pytest.FixtureRequest
) -> None:
    items = cloud.templates["training"]["properties"]["metadata"]["items"]
    items[1]["value"] = f"gs://{ARTIFACTS}/no-such.zip"
    event = request.getfixturevalue("event")
    until_gone(cloud)
    assert "error: 404" in log_of(services, event) and cloud.inserted
    for _ in range(2):
        assert tick(services) == (f"started {event.machine}",)
        until_gone(cloud)
    failed = reconcile(ReconcileRequested(request=uuid4().hex), services)[0]
    assert isinstance(failed, StepFailed) and failed.about == event.request
    assert [each["scheduling"]["provisioningModel"] for each in cloud.inserted] == ["SPOT", "SPOT", "STANDARD"]


def test_a_machine_that_may_not_delete_itself_is_deleted_by_the_reconciler(
    services: Services, cloud: Cloud, event: TrainingRequested, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.faults.denied = "instances.delete"
    machine = cloud.machines[ZONE, event.machine]
    wait_for(lambda: not machine.is_up())
    assert cloud.instances
    cloud.faults.denied = ""
    services.desk.close(NAME, event.request)
    tick(services)
    assert cloud.instances
    monkeypatch.setattr(sweep, "GOODBYE_SECONDS", 0.0)
    assert f"deleted {event.machine}, since no request was open for it" in tick(services)
    assert not cloud.instances
