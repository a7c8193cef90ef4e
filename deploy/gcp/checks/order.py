"""In which order things are made: nothing before its service is on, and nothing that waits for itself."""

from __future__ import annotations

import re
from collections.abc import Iterator

from deploy.gcp.checks.findings import Finding
from deploy.gcp.checks.plan import Instance, Plan

CHECK = "order"
APIS = "google_project_service.apis"
# The script switches on what this is asked of.
EARLY = (APIS, "data.google_project.this")
# A resource without its key and its attributes: Terraform waits for all of its instances together.
_FAMILY = re.compile(r"(?:(?:data|ephemeral)\.)?\w+\.\w+")


class Order:
    """What each resource waits for, directly and by way of others."""

    def __init__(self, plan: Plan) -> None:
        self._needs: dict[str, set[str]] = {}
        for each in plan.instances.values():
            self._needs.setdefault(family(each.address), set()).update(family(path) for path in each.needs)
        self._before: dict[str, set[str]] = {}

    def before(self, address: str) -> set[str]:
        """Everything that is made before it; itself, too, where it waits for itself."""
        name = family(address)
        if name not in self._before:
            found, waiting = set[str](), [name]
            while waiting:
                fresh = self._needs.get(waiting.pop(), set()) - found
                found |= fresh
                waiting += fresh
            self._before[name] = found
        return self._before[name]


def family(path: str) -> str:
    """Of a reference such as `google_pubsub_topic.events["reconciled"].id`: `google_pubsub_topic.events`."""
    found = _FAMILY.match(path)
    return found[0] if found else path


def check(plan: Plan) -> Iterator[Finding]:
    """What may be made too early, or never."""
    order, seen = Order(plan), set[str]()
    for each in plan.instances.values():
        name = family(each.address)
        if name not in seen:
            seen.add(name)
            yield from _check_one(each, name, order)


def _check_one(instance: Instance, name: str, order: Order) -> Iterator[Finding]:
    before = order.before(name)
    if name in before:
        circle = sorted(each for each in before if name in order.before(each))
        what = f"{instance.address} waits for itself, by way of {', '.join(circle)}"
        yield Finding(check=CHECK, where=instance.where, what=what)
    elif APIS not in before and name not in EARLY and _asks_google(instance):
        what = f"{instance.address} may be made before its service is on: depends_on = [{APIS}]"
        yield Finding(check=CHECK, where=instance.where, what=what)


def _asks_google(instance: Instance) -> bool:
    return instance.mode != "ephemeral" and instance.type.startswith("google_")
