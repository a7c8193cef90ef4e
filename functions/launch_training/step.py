"""A request for a challenger becomes a machine that trains it, or joins the training that is open, or waits in line."""

from __future__ import annotations

from shared.adapters.machines import NoMachineNow
from shared.contract import catalog
from shared.contract.params import with_defaults
from shared.errors import PermanentError
from shared.lifecycle import crash, machines
from shared.lifecycle.desk import AGAIN, JOINED, LAUNCHED, WAITING
from shared.lifecycle.events import Event, TrainingRequested, TrainingScheduled
from shared.lifecycle.ledger import failure
from shared.lifecycle.services import Services

PLANNED, POSTPONED = "planned", "postponed"
WHY = {
    JOINED: "Request {other} has not begun to train yet, and will learn from this drop, too.",
    AGAIN: "Request {other} is in training; when it has ended, this drop is evaluated once more.",
    WAITING: "Request {other} is open; this one is in line behind it.",
}


def launch(event: TrainingRequested, services: Services) -> list[Event]:
    """Have the request trained, once.

    Raises:
        PermanentError: the model or one of the params is unknown.
    """
    spec = catalog.model(event.model)
    with_defaults(spec, event.params)
    if event.dry_run:
        return [_scheduled(event, PLANNED, _plan(event, services))]
    outcome, other = services.desk.place(event)
    crash.point("launch_training.placed")
    if outcome == LAUNCHED:
        try:
            machines.launch(event, services)
        except PermanentError as error:
            # There is nowhere to train: the request must not stay open for ever.
            return [failure("launch_training", event, error), *services.desk.close(event.model, event.request)]
        except NoMachineNow as error:
            # The request stays open, and the reconciler asks again: waiting would end among the dead letters.
            return [_scheduled(event, POSTPONED, f"{error} It is started as soon as there is one.")]
        crash.point("launch_training.launched")
    why = f"{event.machine} trains it: {event.reason}" if outcome == LAUNCHED else WHY[outcome].format(other=other)
    return [_scheduled(event, outcome, why, other)]


def _plan(event: TrainingRequested, services: Services) -> str:
    """What would happen now; nothing does."""
    services.warehouse.prepare_common()
    drops = [each for each in services.warehouse.accounts(event.model) if each.accepted and not each.withdrawn]
    known = sum(drop.accepted for drop in drops)
    page = services.desk.read(event.model)
    wait = f" Request {page.request} is open, so it would join that or wait." if page.request else ""
    champion = services.decisions.champion(event.model)
    rival = f"version {champion}" if champion else "its baseline"
    rows = f"{event.rows} of the {known:,} rows of {len(drops)} drops"
    return f"It would train on {rows} with params {event.params or 'as usual'}, and be compared with {rival}.{wait}"


def _scheduled(event: TrainingRequested, outcome: str, why: str, joined: str | None = None) -> TrainingScheduled:
    return TrainingScheduled(model=event.model, request=event.request, outcome=outcome, why=why, joined=joined)
