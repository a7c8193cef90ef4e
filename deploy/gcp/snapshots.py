"""`python -m deploy.gcp.snapshots`: the table snapshots that no version needs any more, and if wanted their end.

Each training pins its rows in a snapshot. Scoring reads those of the versions that serve, served before or wait for a
verdict; `tidewheel reproduce` reads any. So none expires by itself: what is old and used by nobody is listed here.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shared.contract import catalog
from shared.errors import TidewheelError
from shared.lifecycle.services import Services

DAYS = 400


@dataclass(frozen=True)
class Snapshot:
    """A table snapshot, and when it was made."""

    name: str
    made: datetime


def main() -> int:
    """List them, or delete them."""
    parser = argparse.ArgumentParser(prog="python -m deploy.gcp.snapshots", description=__doc__)
    parser.add_argument("--older-than-days", type=int, default=DAYS, help=f"keep younger ones in any case ({DAYS})")
    parser.add_argument("--delete", action="store_true", help="delete what is listed")
    chosen = parser.parse_args()
    services = Services()
    try:
        there, used = snapshots(services), in_use(services)
    except TidewheelError as error:
        raise SystemExit(str(error)) from error
    for each in unneeded(there, used, datetime.now(UTC) - timedelta(days=chosen.older_than_days)):
        print(f"{each.made:%Y-%m-%d}  {each.name}")
        if chosen.delete:
            services.warehouse.bigquery.drop(each.name)
    return 0


def unneeded(there: Iterable[Snapshot], used: set[str], before: datetime) -> list[Snapshot]:
    """Those made before that moment which are not in use, oldest first."""
    return sorted((each for each in there if each.made < before and each.name not in used), key=lambda each: each.made)


def snapshots(services: Services) -> list[Snapshot]:
    """Every table snapshot of the dataset."""
    bigquery, settings = services.warehouse.bigquery, services.settings
    found = bigquery.client.list_tables(f"{settings.project}.{settings.dataset}")
    return [Snapshot(each.table_id, each.created) for each in found if each.table_type == "SNAPSHOT"]


def in_use(services: Services) -> set[str]:
    """The snapshots of versions that serve, that a rollback leads to, or that wait for a drop or a person."""
    return {name for model in catalog.known_models() for name in _of_model(model, services)}


def _of_model(model: str, services: Services) -> set[str]:
    standing = services.decisions.standing(model)
    waits = standing.awaiting.version if standing.awaiting else None
    needed = {standing.champion, standing.before, standing.pending, waits}
    versions = services.registry.versions(model)
    return {str(each.data_version.get("snapshot")) for each in versions if each.version in needed}


if __name__ == "__main__":
    raise SystemExit(main())
