"""Google Cloud's machines: one instance for each start of a request, from a template, in the first zone that has one.

The first starts are Spot: most are never preempted, and cost a third. Whatever ended them, the last one is on demand.
Compute Engine deletes a machine at its deadline, so that what hangs costs no more than that.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from shared.adapters.compute import LABEL, Compute, Exists, NoTemplate, NotOffered, OutOfStock, age_seconds
from shared.adapters.machines import ABSENT, ENDED, RUNNING, Machine, NoMachineNow
from shared.adapters.storage import Storage
from shared.errors import PermanentError
from shared.settings import Settings

if TYPE_CHECKING:
    from google.cloud import compute_v1

log = logging.getLogger(__name__)
TASK = "tidewheel-task"
# Of what each machine is called; permissions are for such names alone.
PREFIX = "train-"
# For its start, its packages and its goodbye, besides the training.
MARGIN_SECONDS = 900
# One that is being provisioned may find no place.
STARTED = {"STAGING", "RUNNING", "REPAIRING"}
ALIVE = {"PENDING", "PROVISIONING", *STARTED}
GOING = {"STOPPING", "DEPROVISIONING"}
STOPPED = {"STOPPED", "SUSPENDED", "TERMINATED"}
LEAST_STARTS = 3


class ComputeMachines:
    """Instances, and in the state bucket a note of each start: what is gone has left no other trace."""

    def __init__(self, settings: Settings, storage: Storage) -> None:
        self._settings, self._storage = settings, storage
        self._compute = Compute(settings)

    def launch(self, name: str, task: dict[str, Any]) -> None:
        there = self._compute.instances()
        mine = [each for each in there if each.name == name]
        started = self._note(name, mine)
        if any(each.status in ALIVE for each in mine) or started >= self._most_starts:
            return
        self._clear(mine)
        if len([each for each in there if each.status in ALIVE]) >= self._settings.most_machines:
            most = self._settings.most_machines
            raise NoMachineNow(f"{most} machines train, which is the most at a time (TIDEWHEEL_MOST_MACHINES).")
        is_spot = started < self._settings.spot_starts
        try:
            zone = self._insert(name, {**task, "starts_left": self._most_starts - started - 1}, is_spot=is_spot)
        except NoTemplate as error:
            raise NoMachineNow(str(error)) from error
        log.info("%s starts in %s, %s (start %d)", name, zone, "Spot" if is_spot else "on demand", started + 1)

    def state(self, name: str) -> str:
        mine = [each for each in self._compute.instances() if each.name == name]
        started = self._note(name, mine)
        if any(each.status not in STOPPED for each in mine):
            return RUNNING
        return ENDED if started >= self._most_starts else ABSENT

    def there(self) -> list[Machine]:
        ours = [each for each in self._compute.instances() if each.name.startswith(PREFIX)]
        found = [each for each in ours if each.status not in GOING]
        return [Machine(name=each.name, place=_zone(each), age_seconds=age_seconds(each)) for each in found]

    def delete(self, machine: Machine) -> None:
        self._compute.delete(machine.place, machine.name)

    @property
    def _most_starts(self) -> int:
        return max(LEAST_STARTS, self._settings.spot_starts + 1)

    def _note(self, name: str, mine: list[compute_v1.Instance]) -> int:
        """How often it has started; a start that nobody noted, since its answer was lost or late, is noted now."""
        prefix = f"machines/{name}/start-"
        noted = {each.removeprefix(prefix) for each in self._storage.names(self._settings.state_bucket, prefix)}
        new = {str(each.id): each for each in mine if each.status in STARTED and str(each.id) not in noted}
        for each in new.values():
            self._note_start(name, each.id, _zone(each), each)
        return len(noted | {*new})

    def _note_start(self, name: str, instance_id: int, zone: str, instance: compute_v1.Instance) -> None:
        note = {"zone": zone, "spot": instance.scheduling.provisioning_model == "SPOT"}
        self._storage.create(self._settings.state_bucket, f"machines/{name}/start-{instance_id}", note)

    def _clear(self, mine: list[compute_v1.Instance]) -> None:
        """Take away what has stopped, so that its name is free again."""
        for each in mine:
            if each.status not in STOPPED:
                raise NoMachineNow(f"{each.name} is about to end; it is started again after that.")
            self._compute.delete(_zone(each), each.name)

    def _insert(self, name: str, task: dict[str, Any], *, is_spot: bool) -> str:
        """The zone in which the machine starts: the first that has one."""
        if not self._settings.zones:
            raise PermanentError("TIDEWHEEL_ZONES is not set: there is nowhere to train.", "Terraform sets it.")
        instance = self._instance(name, task, is_spot=is_spot)
        without = dict[str, OutOfStock]()
        for zone in self._settings.zones:
            try:
                self._start(name, zone, instance)
                return zone
            except OutOfStock as error:
                log.warning("%s has no machine for %s: %s", zone, name, error)
                without[zone] = error
        if all(isinstance(each, NotOffered) for each in without.values()):
            raise PermanentError(f"no zone can have it: {without.popitem()[1].error}", "See machine_type and zones.")
        raise NoMachineNow(f"no zone has a machine to spare at the moment ({', '.join(without)}).")

    def _start(self, name: str, zone: str, instance: compute_v1.Instance) -> None:
        try:
            instance_id = self._compute.insert(zone, _path(self._settings), instance)
        except Exists as error:
            # By a request of ours whose answer was lost; or somebody else has taken the name.
            mine = [each for each in self._compute.instances() if (each.name, _zone(each)) == (name, zone)]
            if not mine:
                raise NotOffered(f"an instance of somebody else's is called {name} in {zone}.") from error
            self._note(name, mine)
            return
        if instance_id is None:
            raise NoMachineNow(f"{zone} takes long to make {name}, and may still have no machine for it.")
        self._note_start(name, instance_id, zone, instance)

    def _instance(self, name: str, task: dict[str, Any], *, is_spot: bool) -> compute_v1.Instance:
        """What this machine has of its own; the template says the rest."""
        from google.cloud.compute_v1 import Duration, Instance, Items, Metadata, Scheduling

        # A list in the request takes the place of the template's: what stands there has to be repeated.
        kept = [each for each in self._compute.template().properties.metadata.items if each.key != TASK]
        seconds = int(self._settings.training_deadline_seconds) + MARGIN_SECONDS
        scheduling = Scheduling(
            provisioning_model="SPOT" if is_spot else "STANDARD",
            preemptible=is_spot,
            # Whoever is interrupted is begun again by the reconciler, as a machine that is counted.
            automatic_restart=False,
            on_host_maintenance="TERMINATE",
            instance_termination_action="DELETE",
            max_run_duration=Duration(seconds=seconds),
        )
        metadata = Metadata(items=[*kept, Items(key=TASK, value=json.dumps(task))])
        return Instance(name=name, labels=dict([LABEL]), metadata=metadata, scheduling=scheduling)


def _path(settings: Settings) -> str:
    name = settings.machine_template.rpartition("/")[2]
    return f"projects/{settings.project}/global/instanceTemplates/{name}"


def _zone(instance: compute_v1.Instance) -> str:
    return instance.zone.rpartition("/")[2]
