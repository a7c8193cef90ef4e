"""`timeline`: every event of every story, from the lifecycle log."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

import typer

from cli import place
from cli.follow import CLOCKS_APART, LOOK_EVERY_SECONDS_IN_CLOUD
from cli.output import arguments, say, show_json
from cli.telling import line
from shared.contract import catalog
from shared.errors import PassingError
from shared.lifecycle.story import Told, told

FOLLOW_EVERY_SECONDS = 0.5
Read = Callable[[datetime | None], list[Told]]


def timeline(
    *,
    model: Annotated[str, typer.Argument(metavar="[MODEL]", help="Only what is about this model.")] = "",
    follow: Annotated[bool, typer.Option("--follow", help="Go on with what happens, until Ctrl-C.")] = False,
    story: Annotated[str, typer.Option(help="Only this drop's or request's story.")] = "",
    last: Annotated[int, typer.Option(min=1, help="How many events at most.")] = 200,
    as_json: Annotated[bool, typer.Option("--json", help="Print a list; with --follow, an object a line.")] = False,
) -> None:
    """Tell what has happened: each event, what it was about, and why."""
    if model:
        with arguments():
            catalog.model(model)
    warehouse = place.services().warehouse

    def read(since: datetime | None) -> list[Told]:
        return [told(row) for row in warehouse.log(model=model or None, story=story or None, since=since, limit=last)]

    events = read(None)
    if as_json and not follow:
        return show_json(events)
    for event in events:
        _show(event, as_json=as_json)
    if not events:
        say("Nothing has happened yet." if not (model or story) else "Nothing has happened about that yet.")
    return _go_on(read, events, as_json=as_json) if follow else None


def _go_on(read: Read, events: list[Told], *, as_json: bool) -> None:
    known = {event["message_id"] for event in events}
    since = datetime.now(UTC) - CLOCKS_APART
    while True:
        time.sleep(FOLLOW_EVERY_SECONDS if place.is_laptop() else LOOK_EVERY_SECONDS_IN_CLOUD)
        for event in _patiently(read, since):
            if event["message_id"] not in known:
                known.add(event["message_id"])
                _show(event, as_json=as_json)


def _patiently(read: Read, since: datetime) -> list[Told]:
    try:
        return read(since)
    except PassingError:
        # The log is away; it will say later what happened meanwhile.
        return []


def _show(event: Told, *, as_json: bool) -> None:
    show_json(event, indent=None) if as_json else print(line(event), flush=True)
