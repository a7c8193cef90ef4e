"""`withdraw`: take a drop out of training and scoring, or put it back; and what to do about versions that saw it."""

from __future__ import annotations

import getpass
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import place
from cli.follow import Story, follow
from cli.output import arguments, show_json, show_table
from cli.rejects import Drop
from shared.errors import TidewheelError
from shared.lifecycle.events import WithdrawalRequested, request_id
from shared.lifecycle.lineage import known_account, model_of

if TYPE_CHECKING:
    from shared.lifecycle.services import Services


def withdraw(
    *,
    drop: Drop,
    reason: Annotated[str, typer.Option(help="Why; it is written down.")],
    undo: Annotated[bool, typer.Option("--undo", help="Put it back.")] = False,
    who: Annotated[str, typer.Option(help="Who asks; default: you.")] = "",
    timeout: Annotated[float, typer.Option(help="How many seconds to wait for it at most.")] = 120,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Take a drop out of training and scoring. The same rows in another drop stay; a newer file of its name counts."""
    with arguments():
        event = asked(drop, reason=reason, who=who or getpass.getuser(), undo=undo)
    services = place.services()
    with arguments():
        known_account(drop, services)
    story = Story(event.request)
    services.publish([event])
    follow(services, story, timeout_seconds=timeout)
    story.refuse_unended()
    last = story.events[-1]
    if last["event"] == "StepFailed":
        raise TidewheelError(last["data"]["error"], last["data"].get("remedy", ""))
    report = report_of(event, last["data"]["versions"], services)
    show_json(report) if as_json else _show(report)


def asked(drop: str, *, reason: str, who: str, undo: bool = False) -> WithdrawalRequested:
    """The event that asks for it, with a request's name of its own.

    Raises:
        PermanentError: the drop names no model.
    """
    model = model_of(drop)
    request = request_id(model, os.urandom(16).hex())
    return WithdrawalRequested(
        model=model, drop=drop, reason=reason, who=who, undo=undo, request=request, story=request
    )


def report_of(event: WithdrawalRequested, versions: Sequence[int], services: Services) -> dict[str, Any]:
    """What was changed, the versions that saw it, and what to do, in one object."""
    page, champion = services.desk.read(event.model), services.decisions.champion(event.model)
    training = page.request if page.started else None
    advice = [] if event.undo else [*_about_champion(event, versions, champion, services), *_about(training, event)]
    return {
        "drop": event.drop,
        "withdrawn": not event.undo,
        "reason": event.reason,
        "who": event.who,
        "request": event.request,
        "versions": list(versions),
        "champion": champion,
        "champion_has_seen_it": champion in versions,
        "training": training,
        "advice": advice,
    }


def _about_champion(
    event: WithdrawalRequested, versions: Sequence[int], champion: int | None, services: Services
) -> list[str]:
    if champion is None or champion not in versions:
        return []
    model = event.model
    anew = f"A training without it is asked for by itself; while {model} is paused: tidewheel train {model}."
    earlier = [each.champion for each in reversed(services.decisions.history(model))]
    clean = next((each for each in earlier if each is not None and each not in versions), None)
    if clean is None:
        return [f"Version {champion}, which is in production, was trained on it. {anew}"]
    how = f'tidewheel rollback {model} --to {clean} --reason "…"'
    back = f"To go back to version {clean}, which has not seen it: {how}."
    return [f"Version {champion}, which is in production, was trained on it. {back} {anew}"]


def _about(training: str | None, event: WithdrawalRequested) -> list[str]:
    if training is None:
        return []
    return [
        f"Request {training} is in training and may have read it: see tidewheel why --drop {event.drop} afterwards."
    ]


def _show(report: dict[str, Any]) -> None:
    state = "is withdrawn: its rows are left out from now on" if report["withdrawn"] else "is put back: its rows count"
    print(f"{report['drop']} {state}.")
    if report["versions"]:
        rows = [(each, "yes" if each == report["champion"] else "") for each in report["versions"]]
        show_table("Trained on it", ("version", "in production"), rows)
    else:
        print("No version was trained on it.")
    for sentence in report["advice"]:
        print(sentence)
