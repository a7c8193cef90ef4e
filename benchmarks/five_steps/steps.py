"""Five steps whose work is nothing: what is left of a lifecycle is what the machinery costs."""

from __future__ import annotations

from typing import Any

from shared.lifecycle.events import (
    DataPrepared,
    DropReceived,
    Event,
    ModelPromoted,
    ModelTrained,
    TrainingRequested,
    TrainingScheduled,
)
from shared.lifecycle.services import Services

MODEL = "taxi_fare"


def prepare(event: DropReceived, services: Services) -> list[Event]:
    """A drop is said to be clean."""
    counts: dict[str, Any] = {"accepted": 1, "rejected": 0, "duplicate": 0}
    span: dict[str, Any] = {
        "first_event_time": "2013-01-01T00:00:00+00:00",
        "last_event_time": "2013-02-01T00:00:00+00:00",
    }
    return [DataPrepared(model=MODEL, drop=event.name, generation=event.generation, **counts, **span)]


def evaluate(event: DataPrepared, services: Services) -> list[Event]:
    """A challenger is asked for."""
    return [TrainingRequested(model=MODEL, reason="no champion", request=f"r-{event.generation}", drop=event.drop)]


def launch(event: TrainingRequested, services: Services) -> list[Event]:
    """Nothing is launched: the next function stands for the machine."""
    return [TrainingScheduled(model=MODEL, request=event.request, outcome="launched", why="nothing is open")]


def train(event: TrainingScheduled, services: Services) -> list[Event]:
    """A version is said to be registered."""
    return [ModelTrained(model=MODEL, request=event.request, version=1, run="none")]


def promote(event: ModelTrained, services: Services) -> list[Event]:
    """It is said to be in production; the decision's number tells the lifecycles apart."""
    decision = int(event.request.removeprefix("r-"))
    return [ModelPromoted(model=MODEL, version=1, champion=None, verdict="promote", why="first", decision=decision)]
