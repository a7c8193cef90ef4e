"""Which version is in production: a challenger's metrics against the champion's, or what a person asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from functions.promote import by_person
from functions.promote.judging import judged
from shared.adapters.registry import Evaluation
from shared.contract import catalog
from shared.contract.spec import ModelSpec
from shared.errors import PermanentError
from shared.lifecycle import crash
from shared.lifecycle.decisions import Decision
from shared.lifecycle.events import (
    ApprovalGiven,
    Event,
    ModelEvaluated,
    ModelTrained,
    PauseRequested,
    PromotionRequested,
    ResumeRequested,
    RollbackRequested,
)
from shared.lifecycle.ledger import failure
from shared.lifecycle.oddities import withdrawals
from shared.lifecycle.production import settle
from shared.lifecycle.services import Services
from shared.lifecycle.standing import Standing


class Superseded(Exception):
    """The challenger is not pending any more."""


def decide(event: ModelTrained, services: Services) -> list[Event]:
    """Judge a challenger by MLflow's metrics; end its request, and let go on what waited for that."""
    try:
        told: list[Event] = _decided(event, services)
    except PermanentError as error:
        # Nobody will ever judge it: what waits behind it must not wait for ever.
        told = [failure("promote", event, error)]
    following = services.desk.close(event.model, event.request)
    crash.point("promote.closed")
    return [*told, *following]


def _decided(event: ModelTrained, services: Services) -> list[Event]:
    spec = catalog.model(event.model)
    version = services.registry.version(event.model, event.version)
    if not version.counts:
        raise PermanentError(f"version {event.version} of {event.model} is {version.status} and cannot be judged.")
    scored = Evaluation(run=version.run, metrics=version.metrics, tags=version.tags)

    def judge(standing: Standing) -> Decision:
        return judged(spec, version, standing, scored)

    return _settled(spec, services.decisions.decide(event.model, by_person.cause(event), judge), services)


def _settled(spec: ModelSpec, decision: Decision, services: Services) -> list[Event]:
    """What follows from a verdict; a drop that it found odd is not to be learned from again."""
    odd = {named.rpartition("#")[0]: why for named, why in decision.odd.items()}
    there = [(drop, int(generation)) for drop, _, generation in (named.rpartition("#") for named in decision.odd)]
    return [*settle(decision, services), *withdrawals(spec, there, odd, services, who="promote")]


def decide_pending(event: ModelEvaluated, services: Services) -> list[Event]:
    """Judge the challenger that waited for this drop by how it did there; if that was decided meanwhile, say how."""
    if event.challenger is None:
        return []
    spec, challenger, cause = catalog.model(event.model), event.challenger, by_person.cause(event)
    version = services.registry.version(event.model, challenger)
    scored = services.registry.evaluation(event.model, challenger, event.drop, event.generation)

    def judge(standing: Standing) -> Decision:
        if standing.pending != challenger:
            raise Superseded
        return judged(spec, version, standing, scored)

    try:
        return _settled(spec, services.decisions.decide(event.model, cause, judge), services)
    except Superseded:
        known = [each for each in services.decisions.history(event.model) if each.version == challenger]
        return _settled(spec, known[-1], services) if known else []


STEPS: dict[type[Event], Callable[[Any, Services], list[Event]]] = {
    ModelTrained: decide,
    ModelEvaluated: decide_pending,
    RollbackRequested: by_person.roll_back,
    PromotionRequested: by_person.promote_by_hand,
    ApprovalGiven: by_person.approve,
    PauseRequested: by_person.pause,
    ResumeRequested: by_person.resume,
}
