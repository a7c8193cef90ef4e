"""A version that was trained and never judged: its message is a dead letter, and its request would stay open."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from shared.lifecycle.events import ModelTrained, TrainingRequested
from shared.lifecycle.services import Services

# Longer than a message comes back by itself (deploy/gcp/subscriptions.tf): of each version one is on its way at a time.
QUIET = timedelta(hours=2)


def ask_again(trained: Iterable[TrainingRequested], services: Services) -> list[ModelTrained]:
    """The announcements to make once more: of open requests that are trained, and at which nobody is any more."""
    quiet = []
    for request in trained:
        for event in services.ledger.announced("train", request):
            if isinstance(event, ModelTrained) and _is_quiet(request, event, services):
                services.ledger.ask_again("promote", event)
                quiet.append(event)
    return quiet


def _is_quiet(request: TrainingRequested, event: ModelTrained, services: Services) -> bool:
    """Whether nobody was at the verdict for long; of one that was never begun, since the training has ended."""
    sign = services.ledger.last_sign("promote", event) or services.ledger.last_sign("train", request)
    return sign is not None and datetime.now(UTC) - sign > QUIET
