"""Drops that turned out to be odd are taken out before anybody else learns from them; a person may put them back.

Otherwise every later challenger would have learned from them, too, and none would ever be trusted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from shared.contract.spec import ModelSpec
from shared.lifecycle.events import Event, WithdrawalRequested, request_id
from shared.lifecycle.holdout import Seen, standing
from shared.lifecycle.lineage import prepared
from shared.lifecycle.services import Services

if TYPE_CHECKING:
    from shared.adapters.warehouse import Account

WHO = "the gate"


def withdrawals(
    spec: ModelSpec, accounts: Sequence[Account], odd: Mapping[Seen, str], cause: Event, services: Services
) -> list[WithdrawalRequested]:
    """What is asked for of each odd drop that stands, and of its copies; not of one that was put back.

    Args:
        odd: drops with their generations, and why each is odd.
        cause: what has shown it; another event that shows the same asks in its own name.
    """
    if not odd or spec.policy.odd_drops != "withdraw" or services.decisions.standing(spec.name).pause:
        return []
    bytes_of = {(each.drop, each.generation): each.digest for each in accounts}
    copied = {digest: why for each, why in odd.items() if (digest := bytes_of.get(each))}
    there = [each for each in standing(accounts) if not each.withdrawn]
    found = [(each, odd.get((each.drop, each.generation)) or copied.get(each.digest or "")) for each in there]
    return [_asked(account, why, cause) for account, why in found if why and not _was_asked(account, services)]


def remember(event: WithdrawalRequested, services: Services) -> None:
    """For ever, as a person may put the drop back at any time, and is not to be overruled."""
    if event.who == WHO and event.drop_generation is not None:
        name = _name(event.model, event.drop, event.drop_generation)
        services.storage.create(services.settings.state_bucket, name, {"drop": event.drop, "reason": event.reason})


def evaluated_again(model: str, services: Services) -> list[Event]:
    """The newest drop's story goes on: who serves or waits may have learned from what is withdrawn, and evaluate knows.

    Of the same bytes under several names it is the first drop: the others are not evaluated.
    """
    there = [each for each in standing(services.warehouse.accounts(model)) if not each.withdrawn]
    copies = [each for each in there if each.digest and each.digest == there[0].digest] or there[:1]
    if not copies:
        return []
    newest = min(copies, key=lambda each: each.generation)
    return [replace(services.ledger.unbegun("evaluate", prepared(newest)), story=newest.drop)]


def _was_asked(account: Account, services: Services) -> bool:
    name = _name(account.model, account.drop, account.generation)
    return services.storage.read(services.settings.state_bucket, name) is not None


def _name(model: str, drop: str, generation: int) -> str:
    return f"withdrawals/{model}/{request_id(model, drop, generation)}.json"


def _asked(account: Account, why: str, cause: Event) -> WithdrawalRequested:
    model, drop, generation = account.model, account.drop, account.generation
    request = request_id("odd", model, drop, generation, cause.identity)
    return WithdrawalRequested(model=model, drop=drop, drop_generation=generation, reason=why, who=WHO, request=request)
