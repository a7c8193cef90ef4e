"""`logs`: what a training or a part of the stack has said."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Protocol

import typer

from cli import cloud_logs, place
from cli.output import WrongArgument, say, show_json

LOOK_EVERY_SECONDS, LOOK_EVERY_SECONDS_IN_CLOUD = 0.2, 5.0


class Log(Protocol):
    """Something that has been said, and may go on."""

    @property
    def name(self) -> str:
        """A part's name, or a machine's."""

    @property
    def path(self) -> str:
        """Where it is."""

    def read(self) -> str:
        """All of it."""


@dataclass(frozen=True)
class LocalLog:
    """A file in the stack's home."""

    file: Path

    @property
    def name(self) -> str:
        return self.file.stem

    @property
    def path(self) -> str:
        return str(self.file)

    def read(self) -> str:
        return self.file.read_text(errors="replace")


def logs(
    *,
    name: Annotated[str, typer.Argument(metavar="REQUEST", help="A training's request, or a part's name.")],
    follow: Annotated[bool, typer.Option("--follow", help="Go on with what comes, until Ctrl-C.")] = False,
    last: Annotated[int | None, typer.Option(min=1, help="Only so many lines of the end.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Print the log of a training, also after it has ended, or of a part of the laptop's stack."""
    log = _find(name, _known(name))
    text = log.read()
    lines = text.splitlines()[-last:] if last else text.splitlines()
    if as_json:
        return show_json({"name": log.name, "path": log.path, "lines": lines})
    print("\n".join(lines), flush=True)
    return _go_on(log, text) if follow else None


def _known(name: str) -> Sequence[Log]:
    if place.is_laptop():
        return [LocalLog(file) for file in sorted((place.home() / "logs").glob("*.log"))]
    cloud_logs.refuse_part(name)
    return cloud_logs.known(place.services())


def _find(name: str, known: Sequence[Log]) -> Log:
    """The log of that name; the beginning of a request's is enough.

    Raises:
        WrongArgument: there is none, or there are several.
    """
    exact = [log for log in known if log.name in (name, f"train-{name}")]
    found = exact or [log for log in known if log.name.startswith((name, f"train-{name}"))]
    if len(found) == 1:
        return found[0]
    names = ", ".join(log.name.removeprefix("train-") for log in found or known) or "none yet"
    error = f'"{name}" is the beginning of {len(found)} logs.' if found else f'there is no log "{name}".'
    raise WrongArgument(error, f"Known: {names}.")


def _go_on(log: Log, told: str) -> None:
    say("(Ctrl-C ends.)")
    while True:
        time.sleep(LOOK_EVERY_SECONDS if place.is_laptop() else LOOK_EVERY_SECONDS_IN_CLOUD)
        text = log.read()
        # A log that grew too large was begun anew.
        print(text[len(told) :] if text.startswith(told) else text, end="", flush=True)
        told = text or told
