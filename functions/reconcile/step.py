"""Compares what should go on with what does: open requests with machines, outboxes with what was published.

Pub/Sub brings back every message that nobody has acknowledged. What dies between two messages it cannot know of: a
machine that was never started, one that gave up, and an attempt that had decided what to announce and got no further.
"""

from __future__ import annotations

from shared.adapters.machines import ABSENT, ENDED
from shared.contract import catalog
from shared.errors import PassingError, PermanentError
from shared.lifecycle.events import Event, Reconciled, ReconcileRequested, TrainingRequested
from shared.lifecycle.ledger import failure
from shared.lifecycle.messages import to_dict
from shared.lifecycle.services import Services

GAVE_UP = PermanentError(
    "the machine ended, and its training had not.", 'See its log with "tidewheel logs", and ask for it again.'
)


def reconcile(event: ReconcileRequested, services: Services) -> list[Event]:
    """Mend what has got stuck, and say what that was."""
    found: list[Event] = []
    for model in catalog.known_models():
        found += _of_model(model, services)
    published = _adopt_outboxes(services)
    done = [*(_told(each) for each in found), *(f"published what {folder} had decided" for folder in published)]
    return [*found, Reconciled(request=event.request, mended=tuple(done))] if done else []


def _of_model(model: str, services: Services) -> list[Event]:
    """The events that bring a model's open request on, if it has got stuck."""
    request = services.desk.open_request(model)
    if request is None or services.ledger.is_done("train", request):
        return []
    state = services.machines.state(request.machine)
    if state == ENDED:
        return [failure("train", request, GAVE_UP), *services.desk.close(model, request.request)]
    if state == ABSENT:
        return _launch(request, services)
    return []


def _launch(request: TrainingRequested, services: Services) -> list[Event]:
    """Whoever opened the request died before the machine was asked for; asking twice starts one."""
    services.machines.launch(request.machine, {"event": to_dict(request), "story": request.story})
    return []


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
