"""The calendar's one message becomes a request for each model that has rows to learn from."""

from __future__ import annotations

from datetime import UTC, datetime

from shared.contract import catalog
from shared.lifecycle.events import RetrainingRequested, TrainingRequested, request_id
from shared.lifecycle.services import Services


def retrain(event: RetrainingRequested, services: Services) -> list[TrainingRequested]:
    """A request for each model and month; the calendar names no model, so that a new one changes nothing there."""
    month = event.month or datetime.now(UTC).strftime("%Y-%m")
    services.warehouse.prepare_common()
    return [_request(model, month) for model in catalog.known_models() if _has_rows(model, services)]


def _has_rows(model: str, services: Services) -> bool:
    """A model that nobody has dropped a file for would only fail, once a month."""
    return any(each.accepted and not each.withdrawn for each in services.warehouse.accounts(model))


def _request(model: str, month: str) -> TrainingRequested:
    request = request_id("monthly", model, month)
    return TrainingRequested(model=model, reason=f"monthly, {month}", request=request, story=request)
