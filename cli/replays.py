"""`replay`: have a drop prepared and evaluated once more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import place
from cli.drops import report_of, show_outcome
from cli.follow import Pick, Story, follow
from cli.output import arguments, say, show_json
from cli.rejects import Drop, quarantine
from shared.errors import TidewheelError
from shared.lifecycle.events import DropReceived, Event
from shared.lifecycle.lineage import known_account, model_of, prepared
from shared.lifecycle.story import Told

if TYPE_CHECKING:
    from shared.lifecycle.services import Services


def replay(
    *,
    drop: Drop,
    wait: Annotated[bool, typer.Option("--wait", help="Follow its story to the end.")] = False,
    timeout: Annotated[float, typer.Option(help="How many seconds to follow it at most.")] = 600,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Have a drop prepared and evaluated again, whatever the ledger remembers. A withdrawn drop stays withdrawn."""
    with arguments():
        model = model_of(drop)
    services = place.services()
    received = landed(drop, services)
    event = _untouched(received, model, services)
    story = Story(drop)
    services.publish([event])
    say(f"Generation {received.generation} of {drop} is to be prepared again (epoch {event.epoch}).")
    if not wait:
        report = {"drop": drop, "generation": received.generation, "epoch": event.epoch}
        return show_json(report) if as_json else say(f"What becomes of it: tidewheel timeline --story {drop}")
    follow(services, story, of_replay(event, received.generation), timeout_seconds=timeout)
    story.refuse_unended()
    report = report_of(services, story, model, received.generation) | {"epoch": event.epoch}
    return show_json(report) if as_json else show_outcome(report)


def _untouched(received: DropReceived, model: str, services: Services) -> Event:
    """The arrival in an epoch in which nobody has prepared the drop, nor evaluated it, as after a withdrawal."""
    event = services.ledger.unbegun("preprocess", received)
    account = services.warehouse.account(model, received.name, received.generation)
    if account is None or account.outcome != "prepared":
        return event
    evaluated = services.ledger.unbegun("evaluate", replace(prepared(account), epoch=event.epoch))
    return services.ledger.unbegun("preprocess", replace(event, epoch=evaluated.epoch))


def landed(drop: str, services: Services) -> DropReceived:
    """The newest generation of a drop in the landing bucket, as its arrival.

    Raises:
        TidewheelError: it is gone; says what is left of it.
    """
    bucket = services.settings.landing_bucket
    found = [generation for name, generation, _ in services.storage.objects(bucket, drop) if name == drop]
    if not found:
        with arguments():
            raise _gone(drop, services)
    return DropReceived(bucket=bucket, name=drop, generation=max(found), story=drop)


def of_replay(event: Event, generation: int) -> Pick:
    """Of a drop's story only what follows its arrival in this epoch."""

    def pick(events: Sequence[Told]) -> list[Told]:
        mine = [each for each in events if str(each["data"].get("generation") or generation) == str(generation)]
        first = next((at for at, each in enumerate(mine) if _is_arrival(each, event.epoch)), len(mine))
        return mine[first:]

    return pick


def _is_arrival(told: Told, epoch: int) -> bool:
    data: dict[str, Any] = told["data"]
    return told["event"] == "DropReceived" and data.get("epoch", 0) == epoch


def _gone(drop: str, services: Services) -> TidewheelError:
    account = known_account(drop, services)
    error = f"{drop} is not in the landing bucket any more, so it cannot be prepared again."
    if account.outcome == "refused":
        kept = quarantine(account, services)["file"]
        return TidewheelError(error, f"Generation {account.generation} was refused and is kept at {kept}.")
    rows = f"The {account.accepted:,} rows of generation {account.generation} stand in the warehouse."
    return TidewheelError(error, f"{rows} Drop the file again under the same name to replace them.")
