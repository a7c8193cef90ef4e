"""Is everything at its end? Asked of the stores: the broker's file, the ledger, the desk and the machines."""

from __future__ import annotations

import time

from deploy.local.faults import broker
from deploy.local.faults.flights import MODEL
from deploy.local.faults.lab import Lab
from shared.errors import PassingError
from shared.lifecycle.events import DropReceived

PAUSE_SECONDS = 0.25


def settle(lab: Lab, patience_seconds: float | None = None) -> None:
    """Wait until nothing goes on any more; what still does when the patience is over is stuck, and not waited for."""
    deadline = time.monotonic() + (patience_seconds or lab.patience_seconds)
    while not is_quiet(lab):
        if time.monotonic() > deadline:
            lab.stuck.update(_unsettled(lab))


def is_quiet(lab: Lab) -> bool:
    """Whether nothing goes on but what is stuck, at two moments."""
    for _ in range(2):
        time.sleep(PAUSE_SECONDS)
        if not lab.stuck.issuperset(_unsettled(lab)):
            return False
    return True


def _unsettled(lab: Lab) -> list[str]:
    try:
        return [*_deliveries(lab), *_unseen(lab), *_work(lab), *_requests(lab), *_machines(lab)]
    except PassingError as error:
        return [f"a store does not answer: {error}"]


def _deliveries(lab: Lab) -> list[str]:
    found = broker.waiting(lab.layout.data / "pubsub.sqlite")
    return [f"{count} messages wait in the subscription {name}" for name, count in sorted(found.items())]


def _unseen(lab: Lab) -> list[str]:
    bucket = lab.services.settings.landing_bucket
    drops = [DropReceived(bucket=bucket, name=name, generation=number) for name, number in newest(lab).items()]
    return [f"{each.name} is not prepared" for each in drops if not lab.services.ledger.is_done("preprocess", each)]


def newest(lab: Lab) -> dict[str, int]:
    """The newest generation of each drop that the lab wrote."""
    found: dict[str, int] = {}
    for name, generation in lab.dropped:
        found[name] = max(generation, found.get(name, 0))
    return found


def _work(lab: Lab) -> list[str]:
    names = lab.services.storage.names(lab.services.settings.state_bucket, "ledger/")
    folders = {name.rpartition("/")[0] for name in names}
    return [f"{folder} is not done" for folder in sorted(folders) if f"{folder}/done" not in names]


def _requests(lab: Lab) -> list[str]:
    page = lab.services.desk.read(MODEL)
    left = [f"request {page.request} is open"] if page.request else []
    return left + ([f"{len(page.waiting)} requests wait in line"] if page.waiting else [])


def _machines(lab: Lab) -> list[str]:
    tasks = lab.layout.machines.glob("*.json")
    return [f"machine {task.stem} has not ended" for task in sorted(tasks) if not task.with_suffix(".exit").exists()]
