"""A drop is taken out of training and scoring, or put back; the versions that have seen it, and what now follows."""

from __future__ import annotations

from dataclasses import replace

from shared.contract import catalog
from shared.lifecycle import crash, lease
from shared.lifecycle.events import DropRestored, DropWithdrawn, Event, WithdrawalRequested
from shared.lifecycle.holdout import standing
from shared.lifecycle.lineage import known_account, prepared, trained_on
from shared.lifecycle.services import Services


def withdraw(event: WithdrawalRequested, services: Services) -> list[Event]:
    """Take a drop's rows out, or put them back; the same rows in another drop stay.

    Raises:
        PermanentError: there is no such drop.
    """
    services.warehouse.prepare(event.model, catalog.model(event.model))
    known_account(event.drop, services)
    # A swap of the same drop would be a conflict.
    with services.locks.hold(f"rows/{event.model}"):
        # Who has slept must not undo what a person has said since.
        lease.check()
        services.warehouse.withdraw(event.model, event.drop, withdrawn=not event.undo)
        crash.point("preprocess.withdrawn")
    kind = DropRestored if event.undo else DropWithdrawn
    told = kind(
        model=event.model,
        drop=event.drop,
        reason=event.reason,
        who=event.who,
        request=event.request,
        versions=tuple(each.version for each, _ in trained_on(event.drop, services)),
    )
    return [told, *([] if event.undo else _evaluated_again(event.model, services))]


def _evaluated_again(model: str, services: Services) -> list[Event]:
    """The newest drop's story goes on: whoever serves may have learned from what is withdrawn, and the policy knows."""
    there = standing(services.warehouse.accounts(model))
    newest = next((each for each in there if not each.withdrawn), None)
    if newest is None:
        return []
    event = services.ledger.unbegun("evaluate", prepared(newest))
    return [replace(event, story=newest.drop)]
