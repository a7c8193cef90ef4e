"""`faults`: break a stack on purpose, and print which promises held."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import arguments, say, show_json, show_table
from cli.place import refuse_cloud

if TYPE_CHECKING:
    from deploy.local.faults.report import Outcome


def faults(
    *,
    only: Annotated[list[str] | None, typer.Option(help="Make only this fault; may be repeated.")] = None,
    seed: Annotated[int, typer.Option(help="Decides the order, the files and the moments.")] = 0,
    away_seconds: Annotated[float, typer.Option("--away", help="For how many seconds a server is away.")] = 60,
    rate_limit: Annotated[
        bool, typer.Option("--rate-limit", help="Storage refuses two updates of an object in a second, as it may.")
    ] = False,
    as_list: Annotated[bool, typer.Option("--list", help="Name the faults, and make none.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Start a stack of its own, break it on purpose, and say which promises held; 1 if one was broken."""
    from deploy.local.faults import run as lab
    from deploy.local.faults.lab import Lab

    with arguments():
        wanted = lab.names_of(lab.chosen(only or []))
    if as_list:
        _list(wanted, as_json=as_json)
        return
    refuse_cloud("faults")
    with TemporaryDirectory(prefix="tidewheel-faults-") as folder:
        mine = Lab(Path(folder) / "home", seed, rate_limit=rate_limit, away_seconds=away_seconds)
        outcomes = lab.run(mine, only=only or [], say=say)
    _show(outcomes, as_json=as_json)
    if not all(outcome.held for outcome in outcomes):
        raise typer.Exit(1)


def _list(wanted: list[tuple[str, str]], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([{"name": name, "about": about} for name, about in wanted]))
        return
    show_table("Faults", ["name", "what is done"], wanted)


def _show(outcomes: list[Outcome], *, as_json: bool) -> None:
    from deploy.local.faults import report

    if as_json:
        show_json(report.as_json(outcomes))
        return
    columns = ["fault", "injected", "promises checked", "held or broken", "seconds"]
    show_table("Faults", columns, report.as_rows(outcomes))
    for complaint in report.complaints(outcomes):
        print(complaint)
