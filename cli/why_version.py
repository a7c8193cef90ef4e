"""Why a version is what it is, and where it stands: decision, run, data version, drops, files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cli import why_decision
from cli.output import show_table, shown, visible
from shared.contract import catalog
from shared.errors import PermanentError
from shared.lifecycle.standing import PAUSE, RESUME

if TYPE_CHECKING:
    from shared.adapters.registry import Version
    from shared.lifecycle.services import Services

DATA = ("timestamp", "window_from", "window_to", "selection", "rows", "train_rows", "digest", "snapshot")
REPLACED = ("number", "at", "verdict", "champion", "who", "why")
DROPS = ("drop", "generation", "state", "file")


def report_of(model: str, number: int | None, services: Services) -> dict[str, Any]:
    """From a version to the files that it learned from, in one object.

    Raises:
        PermanentError: there is no such version, or none is in production.
    """
    champion = services.decisions.champion(model)
    if number is None and champion is None:
        raise PermanentError(f"{model} has no version in production.", f"Name one: tidewheel why {model} 1.")
    version = services.registry.version(model, number or champion or 0)
    spec, data = catalog.model(model), version.data_version
    history, metric = services.decisions.history(model), f"holdout_{spec.metric.name}"
    about = [each for each in history if each.version == version.version and each.verdict not in (PAUSE, RESUME)]
    after = [each for each in history if each.is_change and each.before == version.version]
    return {
        "model": model,
        "version": version.version,
        "production": version.version == champion,
        "status": version.status,
        "created": version.created,
        "decisions": [why_decision.report_of(each, spec.metric.name) for each in about],
        "replaced": [{name: getattr(each, name) for name in REPLACED} for each in after],
        "run": version.run,
        "request": version.request,
        "score": {name: version.metrics.get(name) for name in (metric, f"baseline_{metric}")},
        "params": version.params,
        "data_version": {name: data.get(name) for name in DATA},
        "drops": _drops(version, services),
    }


def _drops(version: Version, services: Services) -> list[dict[str, Any]]:
    """The drops that it learned from, what is true of them today, and where their files are."""
    bucket = services.settings.landing_bucket
    accounts = {(each.drop, each.generation): each for each in services.warehouse.accounts(version.model)}
    newest = {each.drop: max(g for name, g in accounts if name == each.drop) for each in accounts.values()}
    landed = {(name, generation) for name, generation, _ in services.storage.objects(bucket, f"{version.model}/")}
    found = []
    for drop, generation in services.registry.drops([version])[0].items():
        account = accounts.get((drop, generation))
        state = "withdrawn" if account and account.withdrawn else "in use"
        if state == "in use" and newest.get(drop, generation) > generation:
            state = "written again since"
        file = f"gs://{bucket}/{drop}" if (drop, generation) in landed else None
        digest = account.digest if account else None
        found.append({"drop": drop, "generation": generation, "state": state, "file": file, "digest": digest})
    return found


def show(report: dict[str, Any]) -> None:
    """For people."""
    print(f"Version {report['version']} of {report['model']} is {_standing(report)}.")
    for each in report["decisions"]:
        why_decision.show(each)
    for each in report["replaced"]:
        by = f", by {visible(each['who'])}" if each["who"] else ""
        print(f"Replaced by version {each['champion']} with decision {each['number']} ({each['verdict']}{by}).")
    print(f"Run {report['run']}, request {report['request']}, made {str(report['created'])[:19]}.")
    scores = [f"{name} {shown(value)}" for name, value in report["score"].items() if value is not None]
    print(f"Scores: {', '.join(scores) or 'none'}.")
    data = report["data_version"]
    print(
        f"Trained on {shown(data['train_rows'])} of {shown(data['rows'])} rows ({data['selection']}) as of"
        f" {str(data['timestamp'])[:19]}; snapshot {data['snapshot']}, digest {data['digest']}.\n"
    )
    rows = [[each["drop"], str(each["generation"]), each["state"], each["file"] or "gone"] for each in report["drops"]]
    show_table("Drops that it learned from", DROPS, rows)


def _standing(report: dict[str, Any]) -> str:
    if report["status"]:
        return f"{report['status']} and does not count"
    return "in production" if report["production"] else "not in production"
