"""`logs`: what a training or a part of the stack has said."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from cli.output import WrongArgument, say, show_json
from cli.place import home, is_laptop
from shared.errors import TidewheelError

LOOK_EVERY_SECONDS = 0.2


def logs(
    *,
    name: Annotated[str, typer.Argument(metavar="REQUEST", help="A training's request, or a part's name.")],
    follow: Annotated[bool, typer.Option("--follow", help="Go on with what comes, until Ctrl-C.")] = False,
    last: Annotated[int | None, typer.Option(min=1, help="Only so many lines of the end.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Print the log of a training, also after it has ended, or of a part of the stack."""
    path = _find(name)
    text = path.read_text(errors="replace")
    lines = text.splitlines()[-last:] if last else text.splitlines()
    if as_json:
        return show_json({"name": path.stem, "path": str(path), "lines": lines})
    print("\n".join(lines), flush=True)
    return _go_on(path, len(text.encode(errors="replace"))) if follow else None


def _find(name: str) -> Path:
    """The log of that name; the beginning of a request's is enough.

    Raises:
        WrongArgument: there is none, or there are several.
    """
    if not is_laptop():
        raise TidewheelError("on Google Cloud the logs are in Cloud Logging.", f'Look for "{name}" there.')
    known = sorted((home() / "logs").glob("*.log"))
    exact = [path for path in known if path.stem in (name, f"train-{name}")]
    found = exact or [path for path in known if path.stem.startswith((name, f"train-{name}"))]
    if len(found) == 1:
        return found[0]
    names = ", ".join(path.stem.removeprefix("train-") for path in found or known) or "none yet"
    error = f'"{name}" is the beginning of {len(found)} logs.' if found else f'there is no log "{name}".'
    raise WrongArgument(error, f"Known: {names}.")


def _go_on(path: Path, position: int) -> None:
    say("(Ctrl-C ends.)")
    with path.open(errors="replace") as file:
        file.seek(position)
        while True:
            if more := file.read():
                print(more, end="", flush=True)
            elif path.stat().st_size < file.tell():
                # A log that grew too large was begun anew.
                file.seek(0)
            time.sleep(LOOK_EVERY_SECONDS)
