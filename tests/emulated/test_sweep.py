"""The reconciler and Compute Engine's machines: what is missing is started, what nobody needs is deleted, both told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from functions.launch_training.step import launch
from functions.reconcile import sweep
from functions.reconcile.step import reconcile
from shared.adapters.storage import Storage
from shared.errors import PassingError
from shared.lifecycle.events import Event, ReconcileRequested, StepFailed, TrainingRequested, TrainingScheduled
from shared.lifecycle.services import Services
from shared.settings import Settings
from tests.emulated.compute_server import Cloud

pytest_plugins = ["tests.emulated.compute_fixtures"]
ASKED = ReconcileRequested(request="1")
REQUEST = TrainingRequested(model="taxi_fare", request="one", story="one")
OTHER = TrainingRequested(model="flight_delay", request="two", story="two")


@pytest.fixture
def services(settings: Settings, storage: Storage) -> Services:
    return Services(settings)


def told(services: Services) -> list[str]:
    """What a tick of the clock has mended, in sentences."""
    events = reconcile(ASKED, services)
    return list(getattr(events[-1], "mended", ())) if events else []


def where(cloud: Cloud) -> list[tuple[str, str]]:
    return sorted(cloud.instances)


def began(services: Services, request: TrainingRequested = REQUEST) -> None:
    """The training has claimed its work, and died."""

    def die() -> Sequence[Event]:
        raise PassingError("the machine is gone")

    with pytest.raises(PassingError):
        services.ledger.run("train", request, die, lambda _: None)


def test_a_request_waits_for_a_machine_and_is_started_when_there_is_one(services: Services, cloud: Cloud) -> None:
    cloud.faults.stockout = {"a", "b"}
    (scheduled,) = launch(REQUEST, services)
    assert isinstance(scheduled, TrainingScheduled) and scheduled.outcome == "postponed"
    assert scheduled.why.startswith("no zone has a machine to spare at the moment (a, b).")
    assert told(services) == []
    assert services.desk.read("taxi_fare").request == "one"
    cloud.faults.stockout = set()
    assert told(services) == ["started train-one"]
    assert (where(cloud), told(services)) == ([("a", "train-one")], [])


def test_beyond_the_most_at_a_time_a_request_waits(services: Services, cloud: Cloud, settings: Settings) -> None:
    services = Services(replace(settings, most_machines=1))
    launch(REQUEST, services)
    (scheduled,) = launch(OTHER, services)
    assert "1 machines train, which is the most at a time" in getattr(scheduled, "why", "")
    assert told(services) == []
    cloud.remove(("a", "train-one"))
    assert told(services) in (["started train-one"], ["started train-two"])


def test_what_was_preempted_starts_again_until_it_has_failed_for_good(services: Services, cloud: Cloud) -> None:
    launch(REQUEST, services)
    for _ in range(2):
        cloud.remove(("a", "train-one"))
        assert told(services) == ["started train-one"]
    cloud.remove(("a", "train-one"))
    failed, reconciled = reconcile(ASKED, services)
    assert isinstance(failed, StepFailed)
    assert (failed.step, failed.about, failed.error) == ("train", "one", "the machine ended, and its training had not.")
    assert getattr(reconciled, "mended", ()) == ("StepFailed of one",)
    assert services.desk.read("taxi_fare").request is None
    assert told(services) == []


def test_what_google_does_not_allow_closes_the_request_with_what_to_grant(services: Services, cloud: Cloud) -> None:
    cloud.faults.denied = "instances.create"
    (failed,) = launch(REQUEST, services)
    assert isinstance(failed, StepFailed)
    assert "Required 'compute.instances.create' permission" in failed.error and "Grant" in failed.remedy
    assert services.desk.read("taxi_fare").request is None


def test_a_machine_without_an_open_request_is_deleted_after_its_goodbye(services: Services, cloud: Cloud) -> None:
    launch(REQUEST, services)
    services.desk.close("taxi_fare", "one")
    assert told(services) == []
    cloud.age("a", "train-one", sweep.GOODBYE_SECONDS + 1)
    assert told(services) == ["deleted train-one, since no request was open for it"]
    assert where(cloud) == []


def test_a_machine_older_than_its_deadline_is_deleted_and_started_again(services: Services, cloud: Cloud) -> None:
    launch(REQUEST, services)
    cloud.age("a", "train-one", 600 + sweep.START_SECONDS + 1)
    assert told(services) == ["deleted train-one, since it was older than its deadline, 1500 s", "started train-one"]
    assert len(cloud.inserted) == 2


def test_a_machine_that_gives_no_sign_of_life_is_deleted_and_started_again(
    services: Services, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch(REQUEST, services)
    cloud.age("a", "train-one", sweep.START_SECONDS + 1)
    began(services)
    assert told(services) == []
    monkeypatch.setattr(sweep, "QUIET_SECONDS", -1.0)
    deleted, started = told(services)
    assert deleted.startswith("deleted train-one, since its training had given no sign of life for ")
    assert started == "started train-one"


def test_a_machine_that_never_came_to_its_training_is_deleted(services: Services, cloud: Cloud) -> None:
    launch(REQUEST, services)
    cloud.age("a", "train-one", sweep.START_SECONDS - 1)
    assert told(services) == []
    cloud.age("a", "train-one", sweep.START_SECONDS + 1)
    assert len(told(services)) == 2


def test_of_two_machines_for_one_request_the_older_stays(services: Services, cloud: Cloud) -> None:
    launch(REQUEST, services)
    twin = dict(cloud.instances["a", "train-one"], zone="projects/p/zones/b")
    cloud.instances["b", "train-one"] = twin
    cloud.age("a", "train-one", 10)
    assert told(services) == ["deleted train-one, since it was there twice"]
    assert where(cloud) == [("a", "train-one")]


def test_one_model_that_cannot_go_on_does_not_hold_up_the_others(services: Services, cloud: Cloud) -> None:
    for request in (OTHER, REQUEST):
        services.desk.place(request)
    cloud.faults.stockout = {"a"}
    # Of what is asked for the first of them, the insertion.
    asked = iter([False, True])
    plain = cloud.insert

    def sometimes_away(*wanted: object) -> object:
        cloud.faults.away = 1 if not next(asked, True) else 0
        return plain(*wanted)  # type: ignore[arg-type]

    cloud.insert = sometimes_away  # type: ignore[method-assign,assignment]
    assert told(services) == ["started train-one"]
    assert told(services) == ["started train-two"]
