"""Drops that turned out to be odd are taken out before anybody else learns from them; a person may put them back.

Otherwise every later challenger would have learned from them, too, and none would ever be trusted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from shared.contract.spec import ModelSpec
from shared.evaluation.policy import KEEP, Verdict
from shared.lifecycle.events import WithdrawalRequested, request_id
from shared.lifecycle.services import Services

Seen = tuple[str, int]


def withdrawals(
    spec: ModelSpec, there: Collection[Seen], odd: Mapping[str, str], services: Services, *, who: str
) -> list[WithdrawalRequested]:
    """What is asked for of each odd drop; never twice, as a person may have put it back since.

    Args:
        there: drops that stand, with their generations; `odd` are some of them, and why.
        who: the step that asks.
    """
    if not odd or spec.policy.odd_drops != "withdraw" or services.decisions.standing(spec.name).pause:
        return []
    asked = [_asked(spec, drop, generation, odd[drop], who) for drop, generation in sorted(there) if drop in odd]
    return [each for each in asked if not services.ledger.is_done("preprocess", each)]


def before_that(verdict: Verdict, asked: Sequence[WithdrawalRequested]) -> Verdict:
    """The verdict on a training waits: once they are withdrawn, the newest drop is evaluated once more."""
    if not asked:
        return verdict
    more = f", and {len(asked) - 1} more" if len(asked) > 1 else ""
    return Verdict(KEEP, f"{verdict.why} But {asked[0].drop} is withdrawn first: {asked[0].reason}{more}.")


def _asked(spec: ModelSpec, drop: str, generation: int, why: str, who: str) -> WithdrawalRequested:
    request = request_id("odd", spec.name, drop, generation)
    return WithdrawalRequested(model=spec.name, drop=drop, reason=why, who=who, request=request)
