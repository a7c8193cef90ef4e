"""What became of a drop: its account, its scores, the versions that were trained on it, and whether it counts."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from cli.output import show_table, visible
from cli.rejects import quarantine
from shared.lifecycle.events import DropRestored, DropWithdrawn
from shared.lifecycle.lineage import known_account, trained_on
from shared.lifecycle.story import told

if TYPE_CHECKING:
    from shared.adapters.warehouse import Account
    from shared.lifecycle.services import Services

MOST_LOG_ROWS = 100_000
COUNTS = ("generation", "outcome", "rows", "accepted", "rejected", "duplicate")
SCORES = ("version", "metric", "value", "baseline", "skill", "rows")
VERSIONS = ("version", "generation", "production", "verdict", "created")


def report_of(drop: str, services: Services) -> dict[str, Any]:
    """All that is known of a drop, in one object.

    Raises:
        PermanentError: there is none; names the nearest.
    """
    newest = known_account(drop, services)
    accounts = [each for each in services.warehouse.accounts(newest.model) if each.drop == drop]
    accounts.sort(key=lambda each: each.generation, reverse=True)
    standing = next((each for each in accounts if each.outcome == "prepared"), None)
    objects = services.storage.objects(services.settings.landing_bucket, drop)
    return {
        "drop": drop,
        "model": newest.model,
        "withdrawn": bool(standing and standing.withdrawn),
        "in_use": standing.generation if standing and not standing.withdrawn else None,
        "landed": max((generation for name, generation, _ in objects if name == drop), default=None),
        "accounts": [asdict(each) for each in accounts],
        "quarantine": quarantine(newest, services) if newest.outcome == "refused" else None,
        **_of_log(drop, accounts, services),
        "scores": _scores(newest, services),
        "versions": _versions(drop, newest.model, services),
    }


def _of_log(drop: str, accounts: list[Account], services: Services) -> dict[str, Any]:
    """The policy's verdict about it, and who has withdrawn it or put it back."""
    since = min(each.prepared_at for each in accounts)
    rows = services.warehouse.log(model=accounts[0].model, since=since, limit=MOST_LOG_ROWS)
    events = [event for event in map(told, rows) if event["data"].get("drop") == drop]
    kinds = (DropWithdrawn.__name__, DropRestored.__name__)
    evaluated = [event["data"] for event in events if event["event"] == "ModelEvaluated"]
    return {
        "evaluated": {name: evaluated[-1].get(name) for name in ("verdict", "why")} if evaluated else None,
        "withdrawals": [_withdrawal(event) for event in events if event["event"] in kinds],
    }


def _withdrawal(event: dict[str, Any]) -> dict[str, Any]:
    said = {name: event["data"].get(name) for name in ("who", "reason", "request")}
    return {"at": event["time"], "withdrawn": event["event"] == DropWithdrawn.__name__, **said}


def _scores(account: Account, services: Services) -> list[dict[str, Any]]:
    rows = services.warehouse.evaluations(account.model, account.drop)
    return [{name: row[name] for name in (*SCORES, "generation")} for row in rows if row["slice"] is None]


def _versions(drop: str, model: str, services: Services) -> list[dict[str, Any]]:
    verdicts = {each.version: each.verdict for each in services.decisions.history(model)}
    champion = services.decisions.champion(model)
    return [
        {
            "version": each.version,
            "generation": generation,
            "production": each.version == champion,
            "verdict": verdicts.get(each.version),
            "created": each.created,
            "request": each.request,
            "run": each.run,
        }
        for each, generation in trained_on(drop, services)
    ]


def show(report: dict[str, Any]) -> None:
    """For people."""
    counts = [[_name(name, each[name]) for name in COUNTS] for each in report["accounts"]]
    print(report["drop"])
    show_table("", COUNTS, counts)
    print(_state(report))
    for each in report["withdrawals"]:
        did = "Withdrawn" if each["withdrawn"] else "Put back"
        print(f"{did} {each['at'][:19]} by {visible(str(each['who']))}: {visible(str(each['reason']))}")
    if report["evaluated"]:
        print(f"Evaluated: {report['evaluated']['verdict']}. {visible(report['evaluated']['why'])}")
    print()
    if report["scores"]:
        scores = [[each[name] for name in SCORES] for each in report["scores"]]
        show_table("Scores of versions on it", SCORES, scores)
    if not report["versions"]:
        return print("No version was trained on it.")
    rows = [[_name(name, each[name]) for name in VERSIONS] for each in report["versions"]]
    return show_table("Trained on it", VERSIONS, rows)


def _state(report: dict[str, Any]) -> str:
    refused = report["quarantine"]
    said = f"Refused: {visible(refused['error'])} The file is kept at {refused['file']}. " if refused else ""
    if report["withdrawn"]:
        return f"{said}It is withdrawn: its rows are left out of training and scoring."
    if report["in_use"] is None:
        return f"{said}None of its rows are in use."
    return f"{said}The rows of generation {report['in_use']} are in use."


def _name(name: str, value: Any) -> Any:
    """Generations are names, and times need no fractions."""
    return str(value)[:19] if name in ("generation", "created") else value
