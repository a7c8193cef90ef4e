"""The end of table snapshots: of each training that is old, and whose version neither serves, served nor waits.

Each training pins its rows in a snapshot. Scoring reads those of the versions that serve, served or wait for a verdict,
`tidewheel reproduce` that of any version. So none expires by itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from shared.adapters.warehouse_snapshots import Snapshot
from shared.contract import catalog
from shared.lifecycle.services import Services


def prune(days: int, services: Services) -> list[str]:
    """Delete those older than so many days that nobody needs: what was deleted, as sentences."""
    # First: what is used has to be known whole, or nothing goes.
    used = in_use(services)
    gone = unneeded(services.warehouse.snapshots(), used, datetime.now(UTC) - timedelta(days=days))
    for each in gone:
        services.warehouse.drop_snapshot(each.name)
    return [f"deleted the snapshot {each.name} of {each.made:%Y-%m-%d}" for each in gone]


def unneeded(there: Iterable[Snapshot], used: set[str], before: datetime) -> list[Snapshot]:
    """Those made before that moment which are not in use, oldest first."""
    return sorted((each for each in there if each.made < before and each.name not in used), key=lambda each: each.made)


def in_use(services: Services) -> set[str]:
    """The snapshots of versions that serve, that have served, or that wait for a drop or a person."""
    return {name for model in catalog.known_models() for name in _of_model(model, services)}


def _of_model(model: str, services: Services) -> set[str]:
    standing = services.decisions.standing(model)
    waits = standing.awaiting.version if standing.awaiting else None
    needed = {each.champion for each in standing.history} | {standing.pending, waits}
    versions = services.registry.versions(model)
    return {str(each.data_version.get("snapshot")) for each in versions if each.version in needed}
