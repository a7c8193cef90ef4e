"""Machines on Compute Engine, by its official client: one for each start of a request, and what may go wrong."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from shared.adapters import compute as adapter
from shared.adapters.machines import ABSENT, ENDED, RUNNING, Machine, NoMachineNow
from shared.adapters.machines_gcp import ComputeMachines
from shared.adapters.storage import Storage
from shared.errors import PassingError, PermanentError
from shared.settings import Settings
from tests.emulated.compute_server import Cloud
from tests.emulated.laptop import wait_for

pytest_plugins = ["tests.emulated.compute_fixtures"]
NAME, TASK = "train-one", {"event": {"model": "taxi_fare"}}


@pytest.fixture
def machines(settings: Settings, storage: Storage) -> ComputeMachines:
    return ComputeMachines(settings, storage)


def where(cloud: Cloud) -> list[tuple[str, str]]:
    return sorted(cloud.instances)


def test_a_machine_has_its_request_beside_all_that_the_template_says(machines: ComputeMachines, cloud: Cloud) -> None:
    machines.launch(NAME, TASK)
    ((place, instance),) = cloud.instances.items()
    assert place == ("a", NAME)
    items = {each["key"]: each["value"] for each in instance["metadata"]["items"]}
    assert json.loads(items.pop("tidewheel-task")) == {**TASK, "starts_left": 2}
    assert items == {"startup-script": "true"}
    assert instance["labels"] == {"team": "waves", "tidewheel": "training"}
    assert instance["machineType"] == "e2-standard-4"


def test_a_machine_is_spot_and_deleted_at_its_deadline(machines: ComputeMachines, cloud: Cloud) -> None:
    machines.launch(NAME, TASK)
    assert cloud.instances["a", NAME]["scheduling"] == {
        "provisioningModel": "SPOT",
        "preemptible": True,
        "automaticRestart": False,
        "onHostMaintenance": "TERMINATE",
        "instanceTerminationAction": "DELETE",
        "maxRunDuration": {"seconds": "1500"},
    }


def test_a_repeated_request_starts_one_machine(machines: ComputeMachines, cloud: Cloud) -> None:
    assert machines.state(NAME) == ABSENT
    machines.launch(NAME, TASK)
    machines.launch(NAME, TASK)
    assert (where(cloud), len(cloud.inserted), machines.state(NAME)) == ([("a", NAME)], 1, RUNNING)


def test_of_many_that_launch_at_once_one_starts_it(settings: Settings, storage: Storage, cloud: Cloud) -> None:
    cloud.faults.slow_seconds = 0.2
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: ComputeMachines(settings, storage).launch(NAME, TASK), range(4)))
    assert where(cloud) == [("a", NAME)]
    assert len(storage.names(settings.state_bucket, f"machines/{NAME}/")) == 1


def test_a_zone_without_machines_is_passed_by(machines: ComputeMachines, cloud: Cloud) -> None:
    cloud.faults.stockout = {"a"}
    machines.launch(NAME, TASK)
    assert where(cloud) == [("b", NAME)]


def test_without_machines_in_any_zone_it_is_said_and_no_start_is_counted(
    machines: ComputeMachines, cloud: Cloud
) -> None:
    cloud.faults.stockout = {"a", "b"}
    for _ in range(5):
        with pytest.raises(NoMachineNow, match=r"no zone has a machine to spare at the moment \(a, b\)"):
            machines.launch(NAME, TASK)
    assert (where(cloud), machines.state(NAME)) == ([], ABSENT)
    cloud.faults.stockout = set()
    machines.launch(NAME, TASK)
    assert cloud.inserted[-1]["scheduling"]["provisioningModel"] == "SPOT"


def test_no_more_machines_than_allowed_are_there_at_a_time(machines: ComputeMachines, cloud: Cloud) -> None:
    machines.launch("train-1", TASK)
    machines.launch("train-2", TASK)
    with pytest.raises(NoMachineNow, match="2 machines train, which is the most at a time"):
        machines.launch("train-3", TASK)
    machines.launch("train-2", TASK)
    cloud.remove(("a", "train-1"))
    machines.launch("train-3", TASK)
    assert len(cloud.instances) == 2


def test_what_is_taken_back_starts_again_and_at_last_on_demand(machines: ComputeMachines, cloud: Cloud) -> None:
    for _ in range(2):
        machines.launch(NAME, TASK)
        cloud.preempt("a", NAME, notice_seconds=0.0)
        wait_until_gone(cloud)
        assert machines.state(NAME) == ABSENT
    machines.launch(NAME, TASK)
    models = [each["scheduling"]["provisioningModel"] for each in cloud.inserted]
    left = [starts_left(each) for each in cloud.inserted]
    assert (models, left) == (["SPOT", "SPOT", "STANDARD"], [2, 1, 0])
    cloud.remove(("a", NAME))
    assert machines.state(NAME) == ENDED
    machines.launch(NAME, TASK)
    assert where(cloud) == []


def wait_until_gone(cloud: Cloud) -> None:
    wait_for(lambda: not cloud.instances)


def starts_left(instance: dict[str, Any]) -> int:
    (task,) = (each["value"] for each in instance["metadata"]["items"] if each["key"] == "tidewheel-task")
    return int(json.loads(task)["starts_left"])


def test_what_has_stopped_makes_room_for_the_next_start(machines: ComputeMachines, cloud: Cloud) -> None:
    machines.launch(NAME, TASK)
    cloud.instances["a", NAME]["status"] = "TERMINATED"
    assert machines.state(NAME) == ABSENT
    machines.launch(NAME, TASK)
    assert len(cloud.inserted) == 2 and cloud.instances["a", NAME]["status"] == "RUNNING"


def test_what_is_about_to_stop_is_waited_for(machines: ComputeMachines, cloud: Cloud) -> None:
    machines.launch(NAME, TASK)
    cloud.instances["a", NAME]["status"] = "STOPPING"
    assert machines.state(NAME) == RUNNING
    with pytest.raises(NoMachineNow, match="about to end"):
        machines.launch(NAME, TASK)


@pytest.mark.parametrize("permission", ["instances.create", "instances.list", "instanceTemplates.get"])
def test_what_is_not_allowed_is_named(machines: ComputeMachines, cloud: Cloud, permission: str) -> None:
    cloud.faults.denied = permission
    with pytest.raises(PermanentError, match=rf"does not allow to .*Required 'compute.{permission}' permission"):
        machines.launch(NAME, TASK)


def test_a_template_that_a_deployment_is_exchanging_is_waited_for(machines: ComputeMachines, cloud: Cloud) -> None:
    template = cloud.templates.pop("training-1")
    for _ in range(5):
        with pytest.raises(NoMachineNow, match=r"instanceTemplates/training-1' was not found.*TIDEWHEEL_MACHINE_TEMP"):
            machines.launch(NAME, TASK)
    cloud.templates["training-1"] = template
    machines.launch(NAME, TASK)
    assert (len(cloud.inserted), starts_left(cloud.inserted[0])) == (1, 2)


def test_a_template_that_goes_between_reading_and_using_it_is_waited_for(
    machines: ComputeMachines, cloud: Cloud
) -> None:
    cloud.faults.template_gone = True
    with pytest.raises(NoMachineNow, match="instanceTemplates/training-1' was not found"):
        machines.launch(NAME, TASK)


def test_a_zone_that_there_is_not_is_no_matter_of_waiting(machines: ComputeMachines, cloud: Cloud) -> None:
    cloud.faults.no_zone = "a"
    with pytest.raises(PermanentError, match=r"zones/a' was not found.*TIDEWHEEL_ZONES"):
        machines.launch(NAME, TASK)


def test_a_question_is_asked_again_and_an_insertion_is_left_to_the_next_attempt(
    machines: ComputeMachines, cloud: Cloud
) -> None:
    cloud.faults.away = 1
    machines.launch(NAME, TASK)
    cloud.faults.away = 1
    with pytest.raises(PassingError, match="does not delete a machine now"):
        machines.delete(Machine(name=NAME, place="a"))


def test_a_slow_insertion_is_not_waited_for_until_the_message_comes_again(
    machines: ComputeMachines, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "OPERATION_SECONDS", 0.1)
    cloud.faults.slow_seconds = 3.0
    with pytest.raises(NoMachineNow, match="a takes long to make train-one, and may still have no machine for it"):
        machines.launch(NAME, TASK)
    assert cloud.instances["a", NAME]["status"] == "PROVISIONING"
    assert machines.state(NAME) == RUNNING
    assert starts(machines) == 0
    wait_for(lambda: cloud.instances["a", NAME]["status"] == "RUNNING")
    assert machines.state(NAME) == RUNNING
    assert starts(machines) == 1


def starts(machines: ComputeMachines) -> int:
    """How many of them were noted."""
    return len(machines._storage.names(machines._settings.state_bucket, f"machines/{NAME}/start-"))


def test_a_zone_that_is_slow_to_say_that_it_has_none_costs_no_start(
    machines: ComputeMachines, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "OPERATION_SECONDS", 0.1)
    cloud.faults.slow_seconds, cloud.faults.stockout = 1.5, {"a", "b"}
    for _ in range(3):
        with pytest.raises(NoMachineNow, match="takes long"):
            machines.launch(NAME, TASK)
        assert machines.state(NAME) == RUNNING
        wait_until_gone(cloud)
    assert (machines.state(NAME), starts(machines)) == (ABSENT, 0)


def test_starts_whose_answers_are_lost_are_counted_all_the_same(machines: ComputeMachines, cloud: Cloud) -> None:
    for number in range(3):
        cloud.faults.lost = 1
        with pytest.raises(PassingError, match="The answer is lost"):
            machines.launch(NAME, TASK)
        wait_for(lambda: cloud.instances["a", NAME]["status"] == "RUNNING")
        # The message comes again.
        machines.launch(NAME, TASK)
        assert (len(cloud.instances), starts(machines)) == (1, number + 1)
        cloud.remove(("a", NAME))
    assert machines.state(NAME) == ENDED
    assert [each["scheduling"]["provisioningModel"] for each in cloud.inserted] == ["SPOT", "SPOT", "STANDARD"]


def test_a_name_that_somebody_else_has_taken_in_a_zone_is_taken_to_another(
    machines: ComputeMachines, cloud: Cloud
) -> None:
    cloud.instances["a", NAME] = {"name": NAME, "labels": {}, "zone": "projects/p/zones/a", "status": "RUNNING"}
    machines.launch(NAME, TASK)
    assert where(cloud) == [("a", NAME), ("b", NAME)] and starts(machines) == 1
    cloud.instances["b", NAME]["labels"] = {}
    with pytest.raises(PermanentError, match="no zone can have it: an instance of somebody else's is called train-one"):
        machines.launch(NAME, TASK)
    assert starts(machines) == 1


def test_a_zone_that_has_no_such_machines_is_passed_by(machines: ComputeMachines, cloud: Cloud) -> None:
    cloud.faults.no_type = {"a"}
    machines.launch(NAME, TASK)
    assert where(cloud) == [("b", NAME)]


def test_machines_that_no_zone_has_are_no_matter_of_waiting(machines: ComputeMachines, cloud: Cloud) -> None:
    cloud.faults.no_type = {"a", "b"}
    with pytest.raises(PermanentError, match=r"no zone can have it: .* does not exist in zone 'b'.*machine_type"):
        machines.launch(NAME, TASK)
    # One that is out of stock may have them tomorrow.
    cloud.faults.no_type, cloud.faults.stockout = {"b"}, {"a"}
    with pytest.raises(NoMachineNow):
        machines.launch(NAME, TASK)


@pytest.mark.parametrize(
    ("reason", "message", "kind"),
    [
        ("quotaExceeded", "Quota 'N2_CPUS' exceeded.  Limit: 8.0 in region europe-west1.", NoMachineNow),
        ("rateLimitExceeded", "Rate Limit Exceeded", PassingError),
        ("forbidden", "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute'", PassingError),
    ],
)
def test_a_quota_is_no_missing_permission(
    machines: ComputeMachines, cloud: Cloud, reason: str, message: str, kind: type[Exception]
) -> None:
    cloud.faults.refused["POST"] = 403, reason, message
    with pytest.raises(kind):
        machines.launch(NAME, TASK)
    cloud.faults.refused.clear()
    machines.launch(NAME, TASK)
    assert where(cloud) == [("a", NAME)]


def test_a_machine_in_a_zone_that_does_not_answer_is_not_started_twice(machines: ComputeMachines, cloud: Cloud) -> None:
    machines.launch(NAME, TASK)
    cloud.faults.unreachable = "a"
    with pytest.raises(PassingError, match="does not list the machines of zones/a now"):
        machines.launch(NAME, TASK)
    assert len(cloud.inserted) == 1


@pytest.mark.parametrize(("status", "reason"), [(400, "resourceNotReady"), (409, "resourceInUseByAnotherResource")])
def test_what_is_being_changed_is_looked_at_again(
    machines: ComputeMachines, cloud: Cloud, status: int, reason: str
) -> None:
    cloud.faults.refused["DELETE"] = status, reason, f"The resource 'instances/{NAME}' is not ready"
    with pytest.raises(PassingError, match="is not ready"):
        machines.delete(Machine(name=NAME, place="a"))
    cloud.faults.refused["DELETE"] = 404, "notFound", "is gone"
    machines.delete(Machine(name=NAME, place="a"))


def test_what_two_delete_at_once_is_deleted(machines: ComputeMachines, cloud: Cloud) -> None:
    machines.launch(NAME, TASK)
    (there,) = machines.there()
    cloud.faults.slow_seconds = 0.3
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(machines.delete, [there, there]))
    assert where(cloud) == []


def test_what_is_going_or_is_called_otherwise_is_nobodys_to_delete(machines: ComputeMachines, cloud: Cloud) -> None:
    for name, status in (("train-1", "STOPPING"), ("train-2", "TERMINATED"), ("a-trial", "RUNNING")):
        own = {"name": name, "status": status, "labels": {"tidewheel": "training"}, "zone": "projects/p/zones/b"}
        cloud.instances["b", name] = own | {"creationTimestamp": "2026-01-01T00:00:00Z"}
    assert [each.name for each in machines.there()] == ["train-2"]


def test_all_machines_are_told_with_their_zones_and_ages_and_can_be_deleted(
    machines: ComputeMachines, cloud: Cloud
) -> None:
    machines.launch(NAME, TASK)
    cloud.age("a", NAME, 100.0)
    cloud.instances["b", "somebody-elses"] = {"name": "somebody-elses", "labels": {}}
    (there,) = machines.there()
    assert (there.name, there.place) == (NAME, "a") and 100 <= there.age_seconds < 110
    machines.delete(there)
    machines.delete(there)
    assert where(cloud) == [("b", "somebody-elses")]
