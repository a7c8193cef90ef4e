"""`why`: from a version back to the files that it learned from, and from a drop to the versions that saw it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli import place, why_drop, why_version
from cli.output import WrongArgument, arguments, show_json
from shared.contract import catalog
from shared.lifecycle.lineage import model_of


def why(
    *,
    model: Annotated[str, typer.Argument(metavar="[MODEL]", help="The model whose version is asked about.")] = "",
    version: Annotated[int | None, typer.Argument(metavar="[VERSION]", help="Default: the one in production.")] = None,
    drop: Annotated[str, typer.Option(help="A drop to ask about instead, as <model>/<file>.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say why a version is what it is: decision, run, data, drops and files; or what became of a drop."""
    with arguments():
        _check(model, drop)
    report, show = _asked(model, version, drop)
    show_json(report) if as_json else show(report)


def _check(model: str, drop: str) -> None:
    if bool(model) == bool(drop):
        raise WrongArgument("ask about a model's version or about a drop.", "Example: tidewheel why flight_delay 2.")
    model_of(drop) if drop else catalog.model(model)


def _asked(model: str, version: int | None, drop: str) -> tuple[dict[str, Any], Any]:
    services = place.services()
    with arguments():
        if drop:
            return why_drop.report_of(drop, services), why_drop.show
        return why_version.report_of(model, version, services), why_version.show
