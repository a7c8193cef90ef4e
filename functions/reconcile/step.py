"""Compares what should go on with what does: outboxes with what was published, open requests with leases and machines.

Pub/Sub brings back every message that nobody has acknowledged. What dies between two messages it cannot know of: an
attempt that had decided what to announce and got no further, a machine that was never started, was preempted or gave
up, and one that nobody needs any more. And a dead letter waits for a person, which an open request must not.
"""

from __future__ import annotations

import logging

from functions.reconcile.aliases import put_back
from functions.reconcile.snapshots import prune
from functions.reconcile.sweep import sweep
from functions.reconcile.verdicts import ask_again
from shared.adapters.machines import ABSENT, ENDED
from shared.contract import catalog
from shared.errors import PassingError, PermanentError
from shared.lifecycle import machines
from shared.lifecycle.events import Event, Reconciled, ReconcileRequested, TrainingRequested
from shared.lifecycle.ledger import failure
from shared.lifecycle.services import Services

log = logging.getLogger(__name__)


def reconcile(event: ReconcileRequested, services: Services) -> list[Event]:
    """Mend what has got stuck, and say what that was."""
    # First: a training that has only not said so yet has ended.
    found: list[Event] = []
    done = [f"published what {folder} had decided" for folder in _adopt_outboxes(services)]
    there = services.machines.there() if services.settings.has_machines else []
    requests = [*filter(None, map(services.desk.open_request, catalog.known_models()))]
    trained = [each for each in requests if services.ledger.is_done("train", each)]
    needed = [each for each in requests if each not in trained]
    swept, kept = sweep(there, {request.machine: request for request in needed}, services)
    done += swept
    # Somebody has to see to it, and the others need not wait for that.
    found += kept
    asked = ask_again(trained, services)
    found += asked
    done += [f"asked once more for the verdict of {_told(each)}" for each in asked]
    for request in needed:
        events, started = _go_on(request, services)
        found += events
        done += [*(_told(each) for each in events), *started]
    done += put_back(services)
    if event.snapshot_days is not None:
        done += prune(event.snapshot_days, services)
    return [*found, Reconciled(request=event.request, mended=tuple(done))] if done else found


def _go_on(request: TrainingRequested, services: Services) -> tuple[list[Event], list[str]]:
    """The events that bring a request on if it has got stuck, and the machine that was started for it."""
    try:
        state = services.machines.state(request.machine)
        if state == ENDED:
            remedy = 'See its log with "tidewheel logs", and ask for it again.'
            raise PermanentError("the machine ended, and its training had not.", remedy)
        if state == ABSENT:
            machines.launch(request, services)
            return [], [f"started {request.machine}"]
    except PermanentError as error:
        return [failure("train", request, error), *services.desk.close(request.model, request.request)], []
    except PassingError as error:
        # The others need not wait for it; the next tick asks again.
        log.warning("%s waits: %s", request.machine, error, extra={"step": "reconcile", "story": request.story})
    return [], []


def _adopt_outboxes(services: Services) -> list[str]:
    """The pieces of work whose announcements were written, never confirmed, and are now."""
    adopted = []
    for folder in services.ledger.decided():
        try:
            if services.ledger.finish(folder, services.publish):
                adopted.append(folder)
        except PassingError:
            # Its owner lives, and will finish it.
            continue
    return adopted


def _told(event: Event) -> str:
    return f"{type(event).__name__} of {event.subject}"
