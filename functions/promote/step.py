"""Which version is in production: a challenger's metrics against the champion's, or what a person asks for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from math import isfinite
from typing import Any

from shared.adapters.registry import Version
from shared.contract import catalog
from shared.contract.spec import ModelSpec
from shared.errors import PermanentError
from shared.evaluation.policy import Verdict, judge
from shared.lifecycle import crash
from shared.lifecycle.decisions import BY_HAND, KEEP, NOT_ENOUGH, PROMOTE, ROLLBACK, Decision
from shared.lifecycle.events import (
    Event,
    ModelKept,
    ModelPromoted,
    ModelTrained,
    PersonRequest,
    PromotionRequested,
    RollbackRequested,
)
from shared.lifecycle.ledger import failure
from shared.lifecycle.services import Services


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
    decision = services.decisions.decide(event.model, _cause(event), lambda champion: _judged(spec, version, champion))
    return _settle(decision, services)


def roll_back(event: RollbackRequested, services: Services) -> list[Event]:
    """Put an earlier champion back."""

    def back(champion: int | None) -> Decision:
        target = services.decisions.previous(event.model) if event.version is None else event.version
        if champion is None or target is None:
            raise PermanentError(f"{event.model} has no earlier champion.", "There is nothing to roll back to.")
        return _by_hand(event, champion, target, ROLLBACK, services)

    return _settle(services.decisions.decide(event.model, _cause(event), back), services)


def promote_by_hand(event: PromotionRequested, services: Services) -> list[Event]:
    """Put a version into production because a person says so."""

    def forward(champion: int | None) -> Decision:
        return _by_hand(event, champion, event.version or 0, BY_HAND, services)

    return _settle(services.decisions.decide(event.model, _cause(event), forward), services)


STEPS: dict[type[Event], Callable[[Any, Services], list[Event]]] = {
    ModelTrained: decide,
    RollbackRequested: roll_back,
    PromotionRequested: promote_by_hand,
}


def _judged(spec: ModelSpec, version: Version, champion: int | None) -> Decision:
    verdict = _verdict(spec, version, champion)
    return Decision(
        model=spec.name,
        version=version.version,
        champion=version.version if verdict.outcome == PROMOTE else champion,
        verdict=verdict.outcome,
        why=verdict.why,
        run=version.run,
        metrics={name: value for name, value in version.metrics.items() if isfinite(value)},
        policy=asdict(spec.policy) | {"digest": _digest(asdict(spec.policy))},
        data_version=version.data_version,
    )


def _verdict(spec: ModelSpec, version: Version, champion: int | None) -> Verdict:
    compared = version.tags.get("tidewheel.champion", "none")
    now = "none" if champion is None else str(champion)
    if compared == now:
        return judge(spec, version.metrics, champion=champion)
    # Scores on other rows, or of another champion, decide nothing.
    return Verdict(
        NOT_ENOUGH, f"It was compared with version {compared}, but version {now} is in production meanwhile."
    )


def _by_hand(event: PersonRequest, champion: int | None, target: int, verdict: str, services: Services) -> Decision:
    version = services.registry.version(event.model, target)
    if not version.counts:
        raise PermanentError(f"version {target} of {event.model} is {version.status} and cannot serve.")
    if target == champion:
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


def _settle(decision: Decision, services: Services) -> list[Event]:
    """Let MLflow's alias follow the log, and say what was decided."""
    crash.point("promote.decided")
    standing = services.decisions.champion(decision.model)
    if standing is not None and services.registry.champion_alias(decision.model) != standing:
        services.registry.set_champion(decision.model, standing)
        crash.point("promote.alias")
    kind = ModelKept if decision.verdict in (KEEP, NOT_ENOUGH) else ModelPromoted
    return [
        kind(
            model=decision.model,
            version=decision.version or 0,
            champion=decision.champion,
            verdict=decision.verdict,
            why=decision.why,
            decision=decision.number,
        )
    ]


def _cause(event: ModelTrained | PersonRequest) -> str:
    return f"{type(event).__name__}:{event.identity}"


def _digest(policy: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(policy, sort_keys=True).encode()).hexdigest()[:12]
