"""How the champion did on a new drop, whether the drop is like those before, and whether to train a challenger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from functions.evaluate import asking
from functions.evaluate.asking import Findings
from functions.evaluate.case import Case
from functions.evaluate.pending import Fresh, compare_on_fresh_drops
from functions.evaluate.scoring import (
    Candidate,
    candidates,
    record,
    score,
    told,
    unseen,
)
from functions.evaluate.turn import await_turn
from shared.contract import catalog
from shared.errors import PermanentError
from shared.evaluation.policy import KEEP, TRAIN, Verdict
from shared.lifecycle.events import (
    DataPrepared,
    Event,
    ModelEvaluated,
    RollbackProposed,
    RollbackRequested,
    TrainingRequested,
    WithdrawalRequested,
    request_id,
)
from shared.lifecycle.holdout import standing
from shared.lifecycle.ledger import failure
from shared.lifecycle.oddities import withdrawals
from shared.lifecycle.services import Services
from shared.lifecycle.track_record import BEFORE, CHALLENGER, CHAMPION, Row, odd_drops, track_record

if TYPE_CHECKING:
    from shared.adapters.warehouse import Account


def evaluate(event: DataPrepared, services: Services) -> list[Event]:
    """Score the versions that matter on a drop, write that down, and ask the policy what follows."""
    spec, accounts = catalog.model(event.model), await_turn(event, services)
    decided = services.decisions.standing(event.model)
    case = Case(event=event, spec=spec, accounts=accounts, standing=decided, services=services)
    if passed_over := _passed_over(event, accounts):
        return [_evaluated(case, Findings(), passed_over)]
    findings = _found(case, *candidates(case))
    # Read once all has been written down that this drop has shown.
    known = services.warehouse.evaluations(event.model) if findings.roles else []
    found, withdrawn = track_record(spec, accounts, known, until=case.until), _withdrawals(case, known)
    verdict = asking.after(withdrawn, asking.worth(case, findings, found))
    request = [_request(event, verdict)] if verdict.outcome == TRAIN else []
    # What was lost on a drop that is withdrawn is no loss.
    regret = "" if withdrawn else asking.regret(case, findings.roles, found)
    told = [_evaluated(case, findings, verdict), *request, *([_regretted(case, regret)] if regret else [])]
    # Withdrawals first: the story must not seem to have ended.
    return [*withdrawn, *told, *([failure("evaluate", event, findings.fault)] if findings.fault else [])]


def _passed_over(event: DataPrepared, accounts: list[Account]) -> Verdict | None:
    """What is said of a drop that nothing is to be learned from."""
    if event.same_as:
        return Verdict(KEEP, f"It has the same bytes as {event.same_as}, which was evaluated already.")
    if (event.drop, event.generation) in {(each.drop, each.generation) for each in accounts if each.withdrawn}:
        return Verdict(KEEP, "It is withdrawn, so that nobody is scored on it.")
    return None


def _found(case: Case, roles: dict[str, Candidate], faults: dict[str, PermanentError]) -> Findings:
    """Score everybody on the same rows, and write it down."""
    fault = faults.get(CHAMPION)
    if not roles:
        return Findings(fault=fault)
    rows = unseen(case, case.event.drop, case.event.generation, roles.values())
    indices, drifted = asking.drift(case, roles[CHAMPION], rows) if CHAMPION in roles else ({}, {})
    scored = {role: score(case.spec, candidate, rows) for role, candidate in roles.items()}
    for role in (CHAMPION, BEFORE):
        if role in roles:
            psi = {f"psi_{name}": index for name, index in indices.items()} if role == CHAMPION else {}
            record(case, roles[role], scored[role], metrics=psi)
    # Afterwards, as this drop may show that one before it was odd.
    # Beside the baseline alone a challenger would not be compared with whom it has to replace: it goes on waiting.
    fresh = compare_on_fresh_drops(case, roles) if CHALLENGER in roles and not fault else None
    if CHALLENGER in roles:
        there = fresh or Fresh()
        record(case, roles[CHALLENGER], scored[CHALLENGER], metrics=there.metrics, tags=there.tags)
    return Findings(roles=roles, scored=scored, drift=indices, drifted=drifted, fresh=fresh, fault=fault)


def _withdrawals(case: Case, evaluations: Sequence[Row]) -> list[WithdrawalRequested]:
    among = [(each.drop, each.generation) for each in standing(case.accounts) if not each.withdrawn]
    odd = odd_drops(case.spec, case.accounts, among, evaluations, case.standing)
    named = {(drop, generation): odd[drop] for drop, generation in among if drop in odd}
    return withdrawals(case.spec, case.accounts, named, case.event, case.services)


def _request(event: DataPrepared, verdict: Verdict) -> TrainingRequested:
    request = request_id(event.model, event.drop, event.generation, event.epoch)
    return TrainingRequested(
        model=event.model, reason=verdict.why, request=request, drop=event.drop, generation=event.generation
    )


def _regretted(case: Case, why: str) -> Event:
    """Put the champion before back, if the policy may; else propose it."""
    event, standing = case.event, case.standing
    champion, before = standing.champion or 0, standing.before or 0
    reason = f"Version {before} should not have been replaced: {why}."
    if case.spec.policy.regret == "roll back" and standing.pause is None:
        request = request_id("regret", event.model, event.drop, event.generation, event.epoch)
        return RollbackRequested(
            model=event.model,
            version=before,
            champion=champion,
            reason=reason,
            who="regret watch",
            request=request,
        )
    return RollbackProposed(
        model=event.model,
        drop=event.drop,
        generation=event.generation,
        champion=champion,
        version=before,
        why=reason,
    )


def _evaluated(case: Case, findings: Findings, verdict: Verdict) -> ModelEvaluated:
    event, rows = case.event, [scored.rows for scored in findings.scored.values()]
    return ModelEvaluated(
        model=event.model,
        drop=event.drop,
        generation=event.generation,
        rows=rows[0] if rows else 0,
        champion=case.standing.champion,
        champion_before=case.standing.before if BEFORE in findings.roles else None,
        challenger=case.standing.pending if findings.fresh else None,
        scores=told(findings.scored),
        drift=findings.drift,
        verdict=verdict.outcome,
        why=verdict.why,
    )
