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
    DataPrepared,
    Event,
    ModelEvaluated,
    ModelTrained,
    PauseRequested,
    PromotionRequested,
    ResumeRequested,
    RollbackRequested,
)
from shared.lifecycle.ledger import failure
from shared.lifecycle.oddities import evaluated_again, withdrawals
from shared.lifecycle.production import settle
from shared.lifecycle.services import Services
from shared.lifecycle.standing import Standing


class Superseded(Exception):
    """The challenger is not pending any more."""


def decide(event: ModelTrained, services: Services) -> list[Event]:
    """Judge a challenger by MLflow's metrics; end its request, and let go on what waited for that."""
    try:
        told: list[Event] = _decided(event, services)
        spoilt = _learned_from_withdrawn(event, services)
    except PermanentError as error:
        # Nobody will ever judge it: what waits behind it must not wait for ever.
        told, spoilt = [failure("promote", event, error)], False
    following = services.desk.close(event.model, event.request)
    crash.point("promote.closed")
    is_asked = any(isinstance(each, DataPrepared) for each in following)
    return [*told, *following, *(evaluated_again(event.model, services) if spoilt and not is_asked else [])]


def _learned_from_withdrawn(event: ModelTrained, services: Services) -> bool:
    """Whether a drop was withdrawn while it was learned from: nobody has asked for a training without it then."""
    gone = {(each.drop, each.generation) for each in services.warehouse.accounts(event.model) if each.withdrawn}
    known = [each for each in services.registry.versions(event.model) if each.version == event.version] if gone else []
    return any(gone.intersection(drops.items()) for drops in services.registry.drops(known))


def _decided(event: ModelTrained, services: Services) -> list[Event]:
    spec = catalog.model(event.model)
    version = services.registry.version(event.model, event.version)
    if not version.counts:
        raise PermanentError(f"version {event.version} of {event.model} is {version.status} and cannot be judged.")
    scored = Evaluation(run=version.run, metrics=version.metrics, tags=version.tags)

    def judge(standing: Standing) -> Decision:
        return judged(spec, version, standing, scored)

    return _settled(spec, services.decisions.decide(event.model, by_person.cause(event), judge), event, services)


def _settled(spec: ModelSpec, decision: Decision, cause: Event, services: Services) -> list[Event]:
    """What follows from a verdict; a drop that it found odd is not to be learned from again."""
    split = {named.rpartition("#")[::2]: why for named, why in decision.odd.items()}
    odd = {(drop, int(generation)): why for (drop, generation), why in split.items()}
    accounts = services.warehouse.accounts(spec.name) if odd else []
    return [*withdrawals(spec, accounts, odd, cause, services), *settle(decision, services)]


def decide_pending(event: ModelEvaluated, services: Services) -> list[Event]:
    """Judge the challenger that waited for this drop by how it did there; if that was decided meanwhile, say how."""
    if event.challenger is None:
        return []
    spec, challenger, cause = catalog.model(event.model), event.challenger, by_person.cause(event)
    version = services.registry.version(event.model, challenger)
    scored = services.registry.evaluation(event.model, challenger, event.drop, event.generation, event.epoch)

    def judge(standing: Standing) -> Decision:
        if standing.pending != challenger:
            raise Superseded
        return judged(spec, version, standing, scored)

    try:
        return _settled(spec, services.decisions.decide(event.model, cause, judge), event, services)
    except Superseded:
        known = [each for each in services.decisions.history(event.model) if each.version == challenger]
        return _settled(spec, known[-1], event, services) if known else []


STEPS: dict[type[Event], Callable[[Any, Services], list[Event]]] = {
    ModelTrained: decide,
    ModelEvaluated: decide_pending,
    RollbackRequested: by_person.roll_back,
    PromotionRequested: by_person.promote_by_hand,
    ApprovalGiven: by_person.approve,
    PauseRequested: by_person.pause,
    ResumeRequested: by_person.resume,
}
