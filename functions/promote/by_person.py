"""What a person may decide about production: back, forward, yes, stop, go on; each is one more record."""

from __future__ import annotations

from shared.contract import catalog
from shared.errors import PermanentError
from shared.lifecycle.decisions import Decision
from shared.lifecycle.events import (
    ApprovalGiven,
    Event,
    PauseRequested,
    PersonRequest,
    PromotionRequested,
    ResumeRequested,
    RollbackRequested,
    VersionRequest,
)
from shared.lifecycle.production import settle
from shared.lifecycle.services import Services
from shared.lifecycle.standing import APPROVED, BY_HAND, PAUSE, RESUME, ROLLBACK, Standing


def roll_back(event: RollbackRequested, services: Services) -> list[Event]:
    """Put an earlier champion back."""

    def back(standing: Standing) -> Decision:
        if event.champion not in (None, standing.champion):
            meant = f"version {event.champion} of {event.model} is not in production"
            raise PermanentError(f"{meant}; version {standing.champion} is.", "Nothing was changed.")
        target = standing.before if event.version is None else event.version
        if standing.champion is None or target is None:
            raise PermanentError(f"{event.model} has no earlier champion.", "There is nothing to roll back to.")
        return _put(event, standing, target, ROLLBACK, services)

    return settle(services.decisions.decide(event.model, cause(event), back), services)


def promote_by_hand(event: PromotionRequested, services: Services) -> list[Event]:
    """Put a version into production because a person says so."""

    def forward(standing: Standing) -> Decision:
        return _put(event, standing, event.version or 0, BY_HAND, services)

    return settle(services.decisions.decide(event.model, cause(event), forward), services)


def approve(event: ApprovalGiven, services: Services) -> list[Event]:
    """Carry out a verdict that waited for a person."""

    def agree(standing: Standing) -> Decision:
        awaiting = standing.awaiting
        if awaiting is None or awaiting.version != event.version:
            waits = f"version {awaiting.version} does" if awaiting else "nothing does"
            error = f"version {event.version} of {event.model} does not wait for approval; {waits}."
            raise PermanentError(error, "A verdict about another champion is void; see tidewheel why, or promote.")
        return _put(event, standing, awaiting.version or 0, APPROVED, services)

    return settle(services.decisions.decide(event.model, cause(event), agree), services)


def pause(event: PauseRequested, services: Services) -> list[Event]:
    """Stop what goes on by itself."""
    return _switch(event, PAUSE, services)


def resume(event: ResumeRequested, services: Services) -> list[Event]:
    """Let it go on."""
    return _switch(event, RESUME, services)


def cause(event: Event) -> str:
    """What has asked for a decision: one that it has led to is not taken again."""
    return f"{type(event).__name__}:{event.identity}"


def _put(event: VersionRequest, standing: Standing, target: int, verdict: str, services: Services) -> Decision:
    version = services.registry.version(event.model, target)
    if not version.counts:
        raise PermanentError(f"version {target} of {event.model} is {version.status} and cannot serve.")
    if target == standing.champion:
        raise PermanentError(f"version {target} of {event.model} is in production already.", "Nothing was changed.")
    return Decision(
        model=event.model,
        version=target,
        champion=target,
        verdict=verdict,
        why=event.reason,
        run=version.run,
        who=event.who,
        data_version=version.data_version,
    )


def _switch(event: PersonRequest, verdict: str, services: Services) -> list[Event]:
    name = catalog.model(event.model).name

    def switched(standing: Standing) -> Decision:
        if (standing.pause is not None) == (verdict == PAUSE):
            state = "paused already" if verdict == PAUSE else "not paused"
            raise PermanentError(f"{name} is {state}.", "Nothing was changed.")
        return Decision(
            model=name,
            version=standing.champion,
            champion=standing.champion,
            verdict=verdict,
            why=event.reason,
            who=event.who,
        )

    return settle(services.decisions.decide(name, cause(event), switched), services)
