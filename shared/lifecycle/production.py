"""What follows from a decision: MLflow's alias mirrors it, and everybody is told."""

from __future__ import annotations

from shared.lifecycle import crash
from shared.lifecycle.decisions import Decision
from shared.lifecycle.events import Decided, Event, ModelKept, ModelPaused, ModelPromoted, ModelResumed
from shared.lifecycle.services import Services
from shared.lifecycle.standing import JUDGED, PAUSE, PROMOTE, RESUME

TOLD: dict[str, type[Decided]] = {PAUSE: ModelPaused, RESUME: ModelResumed}
TOLD |= {verdict: ModelKept for verdict in JUDGED if verdict != PROMOTE}


def settle(decision: Decision, services: Services) -> list[Event]:
    """Let the alias follow the decision log, and say what was decided."""
    crash.point("promote.decided")
    if mend_alias(decision.model, services):
        crash.point("promote.alias")
    kind = TOLD.get(decision.verdict, ModelPromoted)
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


def mend_alias(model: str, services: Services) -> bool:
    """Put MLflow's alias where the decision log says; whether it was somewhere else."""
    champion = services.decisions.champion(model)
    if champion is None or services.registry.champion_alias(model) == champion:
        return False
    services.registry.set_champion(model, champion)
    return True
