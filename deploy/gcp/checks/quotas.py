"""What a new project may take of CPUs and memory, and that what is made by default stays within that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from deploy.gcp.checks.findings import Finding
from deploy.gcp.checks.plan import Instance, Plan

CHECK = "quotas"
# In a region: CpuAllocPerProjectRegion and MemAllocPerProjectRegion, as errors told new projects in 2026.
CLOUD_RUN_CPUS, CLOUD_RUN_GIB = 20.0, 40.0
# Of N2 in a region; other kinds count among the ordinary CPUs, of which there are more.
MACHINE_CPUS = 8
_GIB = {"Mi": 1 / 1024, "Gi": 1.0}


@dataclass(frozen=True)
class Room:
    """What something takes with all of its instances."""

    cpus: float
    gib: float


def check(plan: Plan) -> Iterator[Finding]:
    """What a new project could not have."""
    rooms = []
    for each in plan.instances.values():
        try:
            rooms += [_room(each)] if each.type in _SIZES else []
        except (KeyError, TypeError, ValueError):
            what = f"{each.address} does not say how many there may be, or with how many CPUs and how much memory"
            yield Finding(check=CHECK, where=each.where, what=what)
    cpus, gib = sum(room.cpus for room in rooms), sum(room.gib for room in rooms)
    if cpus > CLOUD_RUN_CPUS or gib > CLOUD_RUN_GIB:
        what = f"Cloud Run would take up to {cpus:g} CPUs and {gib:g} GiB"
        most = f"a new project has {CLOUD_RUN_CPUS:g} and {CLOUD_RUN_GIB:g}"
        yield Finding(check=CHECK, where="deploy/gcp", what=f"{what}, and {most}")
    for each in plan.of_type("google_compute_instance_template"):
        machines, kind = int(plan.scope["var"]["most_machines"]), str(each.get("machine_type"))
        if (wanted := machines * _cpus(kind)) > MACHINE_CPUS:
            what = f"{machines} machines of {kind} take {wanted} CPUs, and a new project may have {MACHINE_CPUS}"
            yield Finding(check=CHECK, where=each.where, what=what)


# Where a kind of resource says how many of it there may be, and what each takes.
_SIZES = {
    "google_cloudfunctions2_function": (
        "service_config.max_instance_count",
        "service_config.available_cpu",
        "service_config.available_memory",
    ),
    "google_cloud_run_v2_service": (
        "template.scaling.max_instance_count",
        "template.containers.resources.limits.cpu",
        "template.containers.resources.limits.memory",
    ),
}


def _room(instance: Instance) -> Room:
    most, cpu, memory = (instance.get(path) for path in _SIZES[instance.type])
    return Room(cpus=int(most) * float(cpu), gib=int(most) * _gib(memory))


def _gib(text: Any) -> float:
    return float(str(text)[:-2]) * _GIB[str(text)[-2:]]


def _cpus(kind: str) -> int:
    """Of a machine type such as n2-standard-4; of others nothing is known."""
    last = kind.rpartition("-")[2]
    return int(last) if last.isdecimal() else 0
