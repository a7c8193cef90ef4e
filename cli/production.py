"""What a person decides about production: `rollback`, `promote`, `approve`, `pause` and `resume`; each is recorded."""

from __future__ import annotations

import getpass
import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import place
from cli.follow import Story, follow
from cli.output import WrongArgument, arguments, show_json, visible
from shared.contract import catalog
from shared.errors import TidewheelError
from shared.lifecycle.events import (
    ApprovalGiven,
    Event,
    PauseRequested,
    PersonRequest,
    PromotionRequested,
    ResumeRequested,
    RollbackRequested,
    VersionRequest,
    request_id,
)

if TYPE_CHECKING:
    from shared.lifecycle.decisions import Decision
    from shared.lifecycle.services import Services

Model = Annotated[str, typer.Argument(metavar="MODEL", help="The model that is meant.")]
Version = Annotated[int, typer.Argument(metavar="VERSION", min=1, help="Its version.")]
Reason = Annotated[str, typer.Option(help="Why; it is written down with the decision.")]
Who = Annotated[str, typer.Option(help="Who decides; default: you.")]
Timeout = Annotated[float, typer.Option(help="How many seconds to wait for it at most.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
NO_REASON = "no reason was given"
PREDICTIONS = "Predictions follow within 5 seconds."


def rollback(
    *,
    model: Model,
    to: Annotated[int | None, typer.Option(min=1, help="The version; default: the champion before.")] = None,
    reason: Reason,
    who: Who = "",
    timeout: Timeout = 120,
    as_json: AsJson = False,
) -> None:
    """Put an earlier version back into production. What it replaces is not promoted again without a person."""
    _put(RollbackRequested, model, to, reason=reason, who=who, timeout=timeout, as_json=as_json)


def promote(
    *, model: Model, version: Version, reason: Reason, who: Who = "", timeout: Timeout = 120, as_json: AsJson = False
) -> None:
    """Put a version into production because you say so, whatever its verdict was."""
    _put(PromotionRequested, model, version, reason=reason, who=who, timeout=timeout, as_json=as_json)


def approve(
    *,
    model: Model,
    version: Version,
    reason: Reason = NO_REASON,
    who: Who = "",
    timeout: Timeout = 120,
    as_json: AsJson = False,
) -> None:
    """Carry out a verdict that waits for a person; `tidewheel status` says which do."""
    _put(ApprovalGiven, model, version, reason=reason, who=who, timeout=timeout, as_json=as_json)


def pause(
    *, model: Model, reason: Reason = NO_REASON, who: Who = "", timeout: Timeout = 120, as_json: AsJson = False
) -> None:
    """Train nothing and promote nothing by itself until `tidewheel resume`; drops are still scored."""
    _switch(PauseRequested, model, reason=reason, who=who, timeout=timeout, as_json=as_json)


def resume(
    *, model: Model, reason: Reason = NO_REASON, who: Who = "", timeout: Timeout = 120, as_json: AsJson = False
) -> None:
    """Go on as before the pause."""
    _switch(ResumeRequested, model, reason=reason, who=who, timeout=timeout, as_json=as_json)


def _put(
    kind: type[VersionRequest],
    model: str,
    version: int | None,
    *,
    reason: str,
    who: str,
    timeout: float,
    as_json: bool,
) -> None:
    _check(model, reason)
    request = request_id(model, os.urandom(16).hex())
    who = who or getpass.getuser()
    event = kind(model=model, version=version, reason=reason, who=who, request=request, story=request)
    _ask(event, request, timeout, as_json=as_json)


def _switch(kind: type[PersonRequest], model: str, *, reason: str, who: str, timeout: float, as_json: bool) -> None:
    _check(model, reason)
    request = request_id(model, os.urandom(16).hex())
    event = kind(model=model, reason=reason, who=who or getpass.getuser(), request=request, story=request)
    _ask(event, request, timeout, as_json=as_json)


def _check(model: str, reason: str) -> None:
    with arguments():
        catalog.model(model)
    if not reason.strip():
        raise WrongArgument("--reason is empty.", "Say why: it is what others will read.")


def _ask(event: Event, request: str, timeout: float, *, as_json: bool) -> None:
    """Publish the event, and tell what came of it.

    Raises:
        TidewheelError: it was refused, or nothing came of it in time.
    """
    services = place.services()
    story = Story(request)
    services.publish([event])
    follow(services, story, timeout_seconds=timeout)
    story.refuse_unended()
    last = story.events[-1]
    if last["event"] == "StepFailed":
        raise TidewheelError(last["data"]["error"], last["data"].get("remedy", ""))
    report = _report(services, request, last["data"], seconds=story.report()[-1]["after_seconds"])
    show_json(report) if as_json else print(_sentence(last["event"], report), flush=True)


def _report(services: Services, request: str, decided: dict[str, Any], *, seconds: float) -> dict[str, Any]:
    decision: Decision = services.decisions.history(decided["model"])[decided["decision"] - 1]
    return {
        "model": decision.model,
        "request": request,
        "decision": decision.number,
        "at": decision.at,
        "verdict": decision.verdict,
        "champion": decision.champion,
        "before": decision.before,
        "why": decision.why,
        "who": decision.who,
        "seconds": seconds,
    }


def _sentence(event: str, report: dict[str, Any]) -> str:
    """What is so now, and by which decision."""
    model, by = report["model"], f"decision {report['decision']}, by {visible(str(report['who']))}"
    if event == "ModelPaused":
        return f"{model} is paused ({by}): it trains and promotes nothing by itself. Drops are still scored."
    if event == "ModelResumed":
        return f"{model} goes on ({by})."
    instead = f" instead of version {report['before']}" if report["before"] else ""
    return f"Version {report['champion']} of {model} is in production now{instead} ({by}). {PREDICTIONS}"
