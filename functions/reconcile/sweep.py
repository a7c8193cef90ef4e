"""Machines that nobody needs any more, or that only seem to train: deleted, so that no orphan costs money."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from shared.adapters.machines import Machine
from shared.errors import PassingError, PermanentError
from shared.lifecycle.events import StepFailed, TrainingRequested
from shared.lifecycle.services import Services

log = logging.getLogger(__name__)
STEP = "reconcile"
# A machine whose training has ended says goodbye, and deletes itself: for so long nobody minds it.
GOODBYE_SECONDS = 600.0
# It starts and gets its packages, and trains until its deadline; Compute Engine ends it by then, too.
START_SECONDS = 900.0
# A worker that lives moves its claim on every ten seconds.
QUIET_SECONDS = 600.0


def sweep(
    there: Sequence[Machine], needed: Mapping[str, TrainingRequested], services: Services
) -> tuple[list[str], list[StepFailed]]:
    """Delete what is orphaned.

    Args:
        there: the machines, as they were before the requests were read: what is launched in between is none's orphan.
        needed: the open requests, by the names of their machines.

    Returns:
        What was deleted, and why; and for each that nobody may delete what people are told.
    """
    swept, kept, seen = list[str](), list[StepFailed](), set[str]()
    for machine in sorted(there, key=lambda each: -each.age_seconds):
        why = "it was there twice" if machine.name in seen else _why_deleted(machine, needed, services)
        if why:
            log.warning("Deleting %s %s: %s", machine.name, machine.place, why)
            try:
                services.machines.delete(machine)
                swept.append(f"deleted {machine.name}, since {why}")
            except PermanentError as error:
                kept.append(StepFailed(step=STEP, about=machine.name, error=error.error, remedy=error.remedy))
            except PassingError as error:
                log.warning("%s stays until the next look: %s", machine.name, error)
        else:
            seen.add(machine.name)
    return swept, kept


def _why_deleted(machine: Machine, needed: Mapping[str, TrainingRequested], services: Services) -> str:
    """What is wrong with it; nothing, mostly."""
    deadline = services.settings.training_deadline_seconds + START_SECONDS
    if machine.age_seconds > deadline:
        return f"it was older than its deadline, {deadline:.0f} s"
    if machine.name not in needed:
        return "no request was open for it" if _unneeded_seconds(machine, services) > GOODBYE_SECONDS else ""
    quiet = min(machine.age_seconds, _quiet_seconds(needed[machine.name], services))
    if machine.age_seconds > START_SECONDS and quiet > QUIET_SECONDS:
        return f"its training had given no sign of life for {quiet:.0f} s"
    return ""


def _unneeded_seconds(machine: Machine, services: Services) -> float:
    """Since when it was seen that nobody needs it; first that is noted, for a training may just have ended."""
    storage, bucket, note = services.storage, services.settings.state_bucket, f"machines/{machine.name}/unneeded"
    storage.create(bucket, note, {})
    return max((_since(noted) for _, _, noted in storage.objects(bucket, note)), default=0.0)


def _quiet_seconds(request: TrainingRequested, services: Services) -> float:
    """Since when the ledger has not heard of its training."""
    sign = services.ledger.last_sign("train", request)
    return _since(sign) if sign else float("inf")


def _since(moment: datetime) -> float:
    return (datetime.now(UTC) - moment).total_seconds()
