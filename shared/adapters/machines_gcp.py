"""Google Cloud's machines: one instance for each start of a request, from a template, in the first zone that has one.

The first starts are Spot: most are never preempted, and cost a third. Whatever ended them, the last one is on demand.
Compute Engine deletes a machine at its deadline, so that what hangs costs no more than that.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from shared.adapters.compute import LABEL, Compute, Exists, NoTemplate, OutOfStock, age_seconds
from shared.adapters.machines import ABSENT, ENDED, RUNNING, Machine, NoMachineNow
from shared.adapters.storage import Storage
from shared.errors import PermanentError
from shared.settings import Settings

if TYPE_CHECKING:
    from google.cloud import compute_v1

log = logging.getLogger(__name__)
TASK = "tidewheel-task"
# For its start, its packages and its goodbye, besides the training.
MARGIN_SECONDS = 900
# A machine that is none of these is going, or has stopped.
ALIVE = {"PENDING", "PROVISIONING", "STAGING", "RUNNING", "REPAIRING"}
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
        started = self._starts(name)
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
        note = {"zone": zone, "spot": is_spot}
        self._storage.create(self._settings.state_bucket, f"machines/{name}/start-{started + 1}", note)
        log.info("%s starts in %s, %s (start %d)", name, zone, "Spot" if is_spot else "on demand", started + 1)

    def state(self, name: str) -> str:
        if any(each.name == name and each.status not in STOPPED for each in self._compute.instances()):
            return RUNNING
        return ENDED if self._starts(name) >= self._most_starts else ABSENT

    def there(self) -> list[Machine]:
        found = self._compute.instances()
        return [Machine(name=each.name, place=_zone(each), age_seconds=age_seconds(each)) for each in found]

    def delete(self, machine: Machine) -> None:
        self._compute.delete(machine.place, machine.name)

    @property
    def _most_starts(self) -> int:
        return max(LEAST_STARTS, self._settings.spot_starts + 1)

    def _starts(self, name: str) -> int:
        return len(self._storage.names(self._settings.state_bucket, f"machines/{name}/start-"))

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
        said = []
        for zone in self._settings.zones:
            try:
                self._compute.insert(zone, _path(self._settings), instance)
            except Exists:
                log.info("%s is in %s already", name, zone)
            except OutOfStock as error:
                log.warning("%s has no machine for %s: %s", zone, name, error)
                said.append(zone)
                continue
            return zone
        raise NoMachineNow(f"no zone has a machine to spare at the moment ({', '.join(said)}).")

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
