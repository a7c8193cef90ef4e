"""A drop is taken out of training and scoring, or put back; the versions that have seen it, and what now follows."""

from __future__ import annotations

from shared.contract import catalog
from shared.lifecycle import crash, lease, oddities
from shared.lifecycle.events import DropRestored, DropWithdrawn, Event, WithdrawalRequested
from shared.lifecycle.lineage import known_account, trained_on
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
        services.warehouse.withdraw(event.model, event.drop, withdrawn=not event.undo, generation=event.drop_generation)
        crash.point("preprocess.withdrawn")
    oddities.remember(event, services)
    kind = DropRestored if event.undo else DropWithdrawn
    told = kind(
        model=event.model,
        drop=event.drop,
        reason=event.reason,
        who=event.who,
        request=event.request,
        versions=tuple(each.version for each, _ in trained_on(event.drop, services)),
    )
    # That first: the story of the newest drop must not seem to have ended.
    return [*([] if event.undo else oddities.evaluated_again(event.model, services)), told]
