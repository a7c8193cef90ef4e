"""`dead-letters`: what no attempt could handle, why, and another try."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import place
from cli.output import WrongArgument, arguments, say, show_json, visible
from shared.lifecycle.dead_letters import Diagnosis, diagnose

if TYPE_CHECKING:
    from shared.adapters.dead_letters import Letter
    from shared.lifecycle.services import Services


def dead_letters(
    *,
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Only these; default: all.")] = None,
    redrive: Annotated[
        bool, typer.Option("--redrive", help="Publish them again, to the topics they came from.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a list.")] = False,
) -> None:
    """List the messages that no attempt could handle, with the last error; with --redrive, send them again."""
    services = place.services()
    with services.dead_letters.held() as letters:
        with arguments():
            wanted = _wanted(letters, ids or [])
        found = diagnose(wanted, services)
        sent = {each.letter.id: send_again(each, services) for each in found if redrive and each.topic}
    report = [report_of(each) | {"redriven_as": sent.get(each.letter.id)} for each in found]
    show_json(report) if as_json else _show(report, redrive=redrive)


def send_again(found: Diagnosis, services: Services) -> str:
    """Publish a dead letter once more, then take it away: the id of the new message.

    Whoever dies in between leaves both, and the ledger lets only one of them do the work.
    """
    message_id = services.bus.publish([found.resent()])[0]
    services.dead_letters.acknowledge(found.letter)
    return message_id


def report_of(found: Diagnosis) -> dict[str, Any]:
    """A dead letter, in one object."""
    letter = found.letter
    return {
        "id": letter.id,
        "topic": found.topic,
        "subscription": letter.subscription,
        "attempts": letter.attempts,
        "event": found.event,
        "subject": found.subject,
        "story": found.story,
        "first_id": found.first_id,
        "published": letter.sent_at.isoformat() if letter.sent_at else None,
        "error": found.error,
        "data": letter.data.decode(errors="replace"),
    }


def _wanted(letters: Sequence[Letter], ids: Sequence[str]) -> list[Letter]:
    known = {letter.id: letter for letter in letters}
    for each in ids:
        if each not in known:
            there = ", ".join(known) or "none, at the moment"
            raise WrongArgument(f'there is no dead letter "{each}".', f"Known: {there}.")
    return [known[each] for each in dict.fromkeys(ids)] if ids else list(letters)


def _show(report: Sequence[dict[str, Any]], *, redrive: bool) -> None:
    if not report:
        print("There are no dead letters.")
    for each in report:
        print(f"{each['id']}  {visible(' of '.join(filter(None, (each['event'], each['subject']))))}")
        where = each["subscription"] or "an unknown subscription"
        print(
            f"    gave up at {where} after {each['attempts']} attempts, published {each['published'] or 'at some time'}"
        )
        print(f"    {visible(each['error'])}")
        if each["redriven_as"]:
            print(f"    sent again to {each['topic']} as {each['redriven_as']}")
        elif redrive:
            say(f"{each['id']} says of no topic that it came from there, and stays.")
    if report and not redrive:
        say("Once the cause is mended: tidewheel dead-letters --redrive")
