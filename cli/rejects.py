"""`rejects`: the rows of a drop that were kept aside, with their reasons; and a refused file's place and reason."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import place
from cli.output import WrongArgument, arguments, say, show_json, show_table, visible
from shared.lifecycle.lineage import known_account, model_of

if TYPE_CHECKING:
    from shared.adapters.warehouse import Account
    from shared.lifecycle.services import Services

Drop = Annotated[str, typer.Argument(metavar="DROP", help="The drop, as <model>/<file>.")]
COLUMNS = ("line", "reason", "raw")
COUNTS = ("rows", "accepted", "rejected", "duplicate")
MOST_RAW = 200
# A spreadsheet takes a cell that begins so for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def rejects(
    *,
    drop: Drop,
    limit: Annotated[int, typer.Option(min=0, help="How many rows to show at most.")] = 20,
    csv_file: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write all of them to FILE.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show the rows of a drop that were kept aside: counts per reason, and each with its line, text and reason."""
    with arguments():
        model_of(drop)
        _check_csv(csv_file)
    services = place.services()
    with arguments():
        account = known_account(drop, services)
    report = report_of(account, services, limit=limit)
    if csv_file:
        every = services.warehouse.every_reject(account.model, drop, account.generation)
        report |= {"csv": str(csv_file), "written": write_csv(csv_file, every)}
    show_json(report) if as_json else _show(report)


def report_of(account: Account, services: Services, *, limit: int) -> dict[str, Any]:
    """The rejected rows of a drop's generation, in one object."""
    about: dict[str, Any] = {name: getattr(account, name) for name in ("model", "drop", "generation")}
    warehouse = services.warehouse
    return {
        **{name: about[name] for name in ("drop", "generation")},
        "outcome": account.outcome,
        **{name: getattr(account, name) for name in COUNTS},
        "reasons": by_reason(warehouse.reject_reasons(**about)),
        "rejects": [{name: row[name] for name in COLUMNS} for row in warehouse.rejects(**about, limit=limit)],
        "quarantine": quarantine(account, services) if account.outcome == "refused" else None,
    }


def by_reason(found: Mapping[str, int]) -> dict[str, int]:
    """How many rows there are of each reason, most first; a row with two reasons counts for both."""
    counts: Counter[str] = Counter()
    for reasons, rows in found.items():
        counts.update(dict.fromkeys(reasons.split("; "), rows))
    return dict(counts.most_common())


def quarantine(account: Account, services: Services) -> dict[str, Any]:
    """Where a refused file is kept, why, and what to do."""
    bucket, name = services.settings.quarantine_bucket, f"{account.drop}@{account.generation}"
    kept = services.storage.read(bucket, f"{name}.json")
    said = kept[0] if kept else {}
    error = said.get("error") or account.reason or ""
    return {"file": f"gs://{bucket}/{name}", "error": error, "remedy": said.get("remedy", "")}


def write_csv(file: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows so that a spreadsheet takes no cell for a formula: how many they are."""
    with file.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened, quoting=csv.QUOTE_ALL)
        writer.writerow(COLUMNS)
        written = (writer.writerow([safe(row[name]) for name in COLUMNS]) for row in rows)
        return sum(1 for _ in written)


def safe(value: Any) -> str:
    """A cell that means in a spreadsheet what it says."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def _check_csv(file: Path | None) -> None:
    if file is not None and (file.is_dir() or not file.absolute().parent.is_dir()):
        raise WrongArgument(f"{file} cannot be written.", "Name a file in a folder that there is.")


def _show(report: dict[str, Any]) -> None:
    columns = ("drop", "outcome", *COUNTS)
    show_table("", columns, [[report[name] for name in columns]])
    if kept := report["quarantine"]:
        print(f"Refused: {visible(kept['error'])} {visible(kept['remedy'])}".rstrip())
        print(f"The file is kept at {kept['file']}", end="\n\n")
    if report["reasons"]:
        show_table("Reasons", ("rows", "reason"), [(rows, reason) for reason, rows in report["reasons"].items()])
        _show_rows(report["rejects"])
    elif not kept:
        print("No row was rejected.")
    if "csv" in report:
        say(f"{report['written']:,} rows are in {report['csv']}.")


def _show_rows(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        raw = visible(row["raw"] or "")
        print(f"line {row['line'] or '?'}: {visible(row['reason'])}\n    {raw[:MOST_RAW]}{'…'[: len(raw) > MOST_RAW]}")
