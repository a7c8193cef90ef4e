"""The reconciler and Compute Engine's machines: what is missing is started, what nobody needs is deleted, both told."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from functions.launch_training.step import launch
from functions.reconcile import sweep
from functions.reconcile.step import reconcile
from shared.adapters.machines import NoMachineNow
from shared.adapters.storage import Storage
from shared.errors import PassingError
from shared.lifecycle import machines
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


def test_a_machine_without_an_open_request_is_deleted_after_its_goodbye(
    services: Services, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch(REQUEST, services)
    # However long it has trained: only now nobody needs it any more.
    cloud.age("a", "train-one", sweep.GOODBYE_SECONDS + 1)
    services.desk.close("taxi_fare", "one")
    assert told(services) == []
    assert told(services) == []
    monkeypatch.setattr(sweep, "GOODBYE_SECONDS", 0.0)
    assert told(services) == ["deleted train-one, since no request was open for it"]
    assert where(cloud) == []


def test_a_machine_that_says_goodbye_is_left_to_it(
    services: Services, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "GOODBYE_SECONDS", -1.0)
    launch(REQUEST, services)
    services.desk.close("taxi_fare", "one")
    cloud.instances["a", "train-one"]["status"] = "STOPPING"
    assert told(services) == []


@pytest.mark.parametrize(("denied", "away"), [("instances.delete", 0), ("", 1)])
def test_a_machine_that_cannot_be_deleted_holds_up_nobody(
    services: Services, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, denied: str, away: int
) -> None:
    monkeypatch.setattr(sweep, "GOODBYE_SECONDS", -1.0)
    launch(REQUEST, services)
    services.desk.close("taxi_fare", "one")
    services.desk.place(OTHER)
    plain = cloud.delete

    def delete(*asked: str) -> object:
        cloud.faults.denied, cloud.faults.away = denied, away
        try:
            return plain(*asked)
        finally:
            cloud.faults.denied = ""

    monkeypatch.setattr(cloud, "delete", delete)
    *failed, reconciled = reconcile(ASKED, services)
    assert getattr(reconciled, "mended", ()) == ("started train-two",)
    errors = [each.error for each in failed if isinstance(each, StepFailed)]
    assert ["does not allow to delete a machine" in each for each in errors] == ([True] if denied else [])
    monkeypatch.setattr(cloud, "delete", plain)
    assert told(services) == ["deleted train-one, since no request was open for it"]


def test_each_machine_that_nobody_may_delete_is_told_of_once(
    services: Services, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "GOODBYE_SECONDS", -1.0)
    for request in (REQUEST, OTHER):
        launch(request, services)
        services.desk.close(request.model, request.request)
    cloud.faults.denied = "instances.delete"
    failed = reconcile(ASKED, services)
    assert sorted(getattr(each, "about", "") for each in failed) == ["train-one", "train-two"]
    assert len({each.identity for each in failed}) == 2
    assert [each.identity for each in reconcile(ASKED, services)] == [each.identity for each in failed]


def test_a_machine_that_is_launched_while_requests_are_read_is_nobodys_orphan(
    services: Services, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_late(model: str) -> TrainingRequested | None:
        found = read(model)
        if model == "taxi_fare" and not cloud.instances:
            launch(REQUEST, services)
        return found

    read = services.desk.open_request
    monkeypatch.setattr(services.desk, "open_request", read_late, raising=False)
    assert told(services) == []
    assert where(cloud) == [("a", "train-one")]
    assert services.storage.names(services.settings.state_bucket, "machines/train-one/unneeded") == []


def test_launches_at_the_same_moment_keep_to_the_most_at_a_time(services: Services, cloud: Cloud) -> None:
    cloud.faults.slow_seconds = 0.2
    models = ["taxi_fare", "flight_delay"]
    requests = [TrainingRequested(model=models[i % 2], request=f"r{i}", story="s", epoch=i) for i in range(4)]
    with ThreadPoolExecutor(4) as threads:
        outcomes = list(threads.map(lambda request: tried(request, services), requests))
    assert len(cloud.instances) == len(cloud.inserted) == 2
    assert sorted(outcomes) == ["no machine", "no machine", "started", "started"]


def tried(request: TrainingRequested, services: Services) -> str:
    try:
        machines.launch(request, services)
    except NoMachineNow:
        return "no machine"
    return "started"


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
