"""`reproduce`: train a version again from its record, and say whether the two are the same."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import place
from cli.output import arguments, say, show_json, show_table, shown
from shared.contract import catalog
from shared.evaluation.wording import listed

if TYPE_CHECKING:
    from training_vm.reproducing import Pair, Reproduction

SCORES = ("on record", "then", "now", "difference")


def reproduce(
    *,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The model.")],
    version: Annotated[int, typer.Argument(metavar="VERSION", min=1, help="Its version.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Train a version again from its record, and compare: exit code 0 if scores and predictions agree, else 1."""
    with arguments():
        if model not in catalog.known_models():
            catalog.model(model)
    # As where it was trained: a thread that spins makes a training on few processors several times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    services = place.services()
    with arguments():
        known = services.registry.version(model, version)
    from training_vm import reproducing

    found = reproducing.reproduce(known, services, say)
    report = report_of(found)
    show_json(report) if as_json else _show(report)
    raise typer.Exit(0 if found.agrees else 1)


def report_of(found: Reproduction) -> dict[str, Any]:
    """All that was found, in one object."""
    return {
        "model": found.model,
        "version": found.version,
        "agrees": found.agrees,
        "data": _pairs(found.data),
        "scores": {name: {**_pair(each), "difference": each.difference} for name, each in found.scores.items()},
        "predictions": asdict(found.predictions),
        "packages": _pairs(found.packages),
        "code": _pairs(found.code),
        "seconds": round(found.seconds, 3),
    }


def _pairs(pairs: Any) -> dict[str, dict[str, Any]]:
    return {name: _pair(each) for name, each in pairs.items()}


def _pair(pair: Pair) -> dict[str, Any]:
    return {"then": pair.then, "now": pair.now, "agrees": pair.agree}


def _show(report: dict[str, Any]) -> None:
    rows = [(name, *(repr(each[when]) for when in ("then", "now")), each["difference"]) for name, each in _of(report)]
    show_table("", SCORES, rows)
    print(_verdict(report))
    for name, each in report["data"].items():
        if not each["agrees"]:
            print(f"The snapshot has other rows than then: {name} {each['then']} then, {each['now']} now.")
    print(_others("Packages", report["packages"], "the same versions as then"))
    own = "; the version carries its own feature code, so that this alone changes nothing" if report["code"] else ""
    print(_others("Code", report["code"], "the same commit as then", own))


def _of(report: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return list(report["scores"].items())


def _verdict(report: dict[str, Any]) -> str:
    done = f"Version {report['version']} of {report['model']} was trained again in {report['seconds']:.1f} s"
    off = [name for name, each in _of(report) if not each["agrees"]]
    told = f"{listed(off)} differ{'s' * (len(off) == 1)}" if off else "its scores agree to the last digit"
    predicted = report["predictions"]
    of = f"predictions of {predicted['rows']:,} rows"
    if not predicted["different"]:
        return f"{done}: {told}, {'but' if off else 'and'} its {of} are the same."
    most = f"differ by up to {shown(predicted['most'])}"
    return f"{done}: {told}, {'and' if off else 'but'} {predicted['different']:,} of its {of} {most}."


def _others(what: str, pairs: dict[str, dict[str, Any]], same: str, more: str = "") -> str:
    told = [f"{name} {each['then']} then, {each['now'] or 'none'} now" for name, each in pairs.items()]
    return f"{what}: {'; '.join(told) or same}{more}."
