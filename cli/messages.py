"""`train` and `publish`: ask for something by a message."""

from __future__ import annotations

import json
import os
import sys
from datetime import datetime
from typing import Annotated, Any

import typer

from cli import place
from cli.follow import Story, follow
from cli.output import WrongArgument, arguments, say, show_json, show_table
from shared.adapters.stories import story_of
from shared.contract import catalog
from shared.contract.params import with_defaults
from shared.errors import TidewheelError
from shared.lifecycle import messages
from shared.lifecycle.events import Event, TrainingRequested, request_id

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
ENDS = {"ModelPromoted": "promoted", "ModelKept": "kept", "StepFailed": "failed"}


def train(
    *,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The model that gets a challenger.")],
    rows: Annotated[str, typer.Option(help="1k, 200k or all: how many rows to learn from.")] = "all",
    params: Annotated[list[str] | None, typer.Option("--set", help="NAME=VALUE: a parameter; may be repeated.")] = None,
    start: Annotated[str, typer.Option("--from", help="Learn from rows of this date on (ISO); needs --to.")] = "",
    end: Annotated[str, typer.Option("--to", help="Learn from rows before this date (ISO); needs --from.")] = "",
    reason: Annotated[str, typer.Option(help="Why; it is written down with the version.")] = "by hand",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Follow the training to its verdict.")] = False,
    timeout: Annotated[float, typer.Option(help="How many seconds to follow it at most.")] = 600,
    as_json: AsJson = False,
) -> None:
    """Ask for a training: of a challenger that is compared with the champion."""
    with arguments():
        window = _window(start, end)
        event = training(model, rows=rows, params=_params(params or []), window=window, reason=reason, dry_run=dry_run)
    services = place.services()
    story = Story(event.request)
    services.publish([event])
    say(f"Training {event.request} of {model} is asked for.")
    if not (wait or dry_run):
        report: dict[str, Any] = {"model": model, "request": event.request}
        show_json(report) if as_json else say(f"Its log, once it trains: tidewheel logs {event.request} --follow")
        return
    follow(services, story, timeout_seconds=timeout)
    story.refuse_unended()
    report = report_of(story, model)
    show_json(report) if as_json else _show(report)
    if report["outcome"] == "failed":
        raise TidewheelError(f"the training {event.request} of {model} has failed: {report['why']}")


def publish(
    *,
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help="The topic, such as training-requested.")],
    text: Annotated[str, typer.Argument(metavar="JSON", help="The message; - reads it from standard input.")],
    attribute: Annotated[list[str] | None, typer.Option(help="NAME=VALUE: an attribute; may be repeated.")] = None,
    check: Annotated[bool, typer.Option("--check/--no-check", help="Look for mistakes before it is sent.")] = True,
    as_json: AsJson = False,
) -> None:
    """Publish any message by hand. It is checked first, unless --no-check is given."""
    data = (sys.stdin.read() if text == "-" else text).encode()
    with arguments():
        attributes = dict(_pair("--attribute", each) for each in attribute or [])
        if not (data or attributes):
            raise WrongArgument("a message without text and attributes cannot be sent.", "Example: '{}'.")
        if check:
            _check(topic, data, attributes)
    services = place.services()
    message_id = services.bus.publish([(topic, data, attributes)])[0]
    story = story_of(topic, data, attributes, message_id)
    say(f"Message {message_id} is on {topic}; its story: tidewheel timeline --story {story}")
    if as_json:
        show_json({"topic": topic, "message_id": message_id, "story": story})


def training(model: str, **wishes: Any) -> TrainingRequested:
    """The event that asks for a training, with a request's name of its own.

    Raises:
        PermanentError: the model, or one of the wishes, cannot be meant.
    """
    with_defaults(catalog.model(model), wishes.get("params", {}))
    request = request_id(model, os.urandom(16).hex())
    return TrainingRequested(model=model, request=request, story=request, **wishes)


def report_of(story: Story, model: str) -> dict[str, Any]:
    """What became of a request for a training, in one object."""
    last = story.events[-1]
    for event in story.events:
        if event["event"] in ENDS or event["event"] == "TrainingScheduled":
            last = event
    data = last["data"]
    return {
        "model": model,
        "request": story.id,
        "outcome": ENDS.get(last["event"]) or data.get("outcome"),
        "version": data.get("version"),
        "verdict": data.get("verdict"),
        "why": data.get("why") or f"{data.get('error', '')} {data.get('remedy', '')}".strip(),
        "events": story.report(),
    }


def _check(topic: str, data: bytes, attributes: dict[str, str]) -> Event:
    event = messages.decode(topic, data, attributes, "1")
    if isinstance(event, TrainingRequested):
        with_defaults(catalog.model(event.model), event.params)
    return event


def _params(given: list[str]) -> dict[str, Any]:
    return {name: _value(text) for name, text in (_pair("--set", each) for each in given)}


def _window(start: str, end: str) -> tuple[str, ...]:
    if not (start or end):
        return ()
    example = "Example: --from 2013-01-01 --to 2013-04-01."
    if not (start and end):
        raise WrongArgument("--from and --to go together.", example)
    try:
        dates = [datetime.fromisoformat(each).replace(tzinfo=None) for each in (start, end)]
    except ValueError as error:
        raise WrongArgument(f"--from and --to take ISO dates: {error}.", example) from error
    if dates[0] >= dates[1]:
        raise WrongArgument(f"--from {start} is not before --to {end}.", example)
    return start, end


def _pair(option: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise WrongArgument(f'{option} takes NAME=VALUE, not "{text}".', f"Example: {option} alpha=30.")
    return name, value


def _value(text: str) -> Any:
    """A number, true, false or null as JSON has them; everything else is text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _show(report: dict[str, Any]) -> None:
    columns = ("model", "request", "outcome", "version")
    seconds = report["events"][-1]["after_seconds"]
    show_table(f"The story ended after {seconds:.1f} s", columns, [[report[name] for name in columns]])
    print(report["why"], flush=True)
