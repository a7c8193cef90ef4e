"""Drops that turned out to be odd are taken out before anybody else learns from them, and a person may put them back.

Otherwise every later challenger would have learned from them, too, and none would ever be trusted.
"""

from __future__ import annotations

from functions.evaluate.case import Case
from shared.evaluation.policy import KEEP, Verdict
from shared.lifecycle.events import WithdrawalRequested, request_id
from shared.lifecycle.holdout import standing
from shared.lifecycle.track_record import odd_drops

WHO = "evaluate"


def withdrawals(case: Case) -> list[WithdrawalRequested]:
    """What is asked for of each odd drop that stands; never twice, as a person may have put it back since."""
    if case.spec.policy.odd_drops != "withdraw" or case.standing.pause:
        return []
    there = {(each.drop, each.generation) for each in standing(case.accounts) if not each.withdrawn}
    odd = odd_drops(case.spec, case.accounts, there, case.services)
    asked = [_asked(case, drop, generation, odd[drop]) for drop, generation in sorted(there) if drop in odd]
    return [each for each in asked if not case.services.ledger.is_done("preprocess", each)]


def before_that(verdict: Verdict, asked: list[WithdrawalRequested]) -> Verdict:
    """The verdict on a training waits: once they are withdrawn, the newest drop is evaluated once more."""
    if not asked:
        return verdict
    first = f"{asked[0].drop} is withdrawn first: {asked[0].reason}"
    more = f", and {len(asked) - 1} more" if len(asked) > 1 else ""
    return Verdict(KEEP, f"{verdict.why} But {first}{more}.")


def _asked(case: Case, drop: str, generation: int, why: str) -> WithdrawalRequested:
    model = case.spec.name
    request = request_id("odd", model, drop, generation)
    return WithdrawalRequested(model=model, drop=drop, reason=why, who=WHO, request=request)
