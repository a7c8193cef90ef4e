"""A dropped file becomes clean rows in the warehouse, or is refused with a reason and kept in quarantine."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from functions.preprocess.staging import Staging
from shared.adapters.storage import Stored
from shared.adapters.warehouse import Account
from shared.contract import catalog
from shared.contract.ahead import one_ahead
from shared.contract.cleaning import Cleaned, clean
from shared.contract.names import check_name
from shared.contract.output import REJECTS, ROWS
from shared.contract.refusal import Refusal
from shared.contract.source import Source
from shared.contract.spec import ModelSpec
from shared.errors import PermanentError
from shared.lifecycle import crash
from shared.lifecycle.events import DropIgnored, DropReceived, Event
from shared.lifecycle.lineage import prepared
from shared.lifecycle.services import Services

GONE = "This generation is gone: the object was written again, or deleted."
LATE = "A newer generation of it is prepared already, and its rows stand."


@dataclass(frozen=True)
class _Drop:
    """What one call is about: the drop, its model, its object, and a folder that goes away afterwards."""

    event: DropReceived
    spec: ModelSpec
    stored: Stored
    services: Services
    folder: Path

    @cached_property
    def source(self) -> Source:
        """The object's bytes; one range is on its way while the one before it is read."""
        return Source(lambda: one_ahead(self.stored.ranges()), self.folder / "file", self.stored.size_bytes)

    @property
    def name(self) -> str:
        """What the object says it is; a text that was packed on its way here is not named for that."""
        is_packed = self.stored.gzipped and self.event.name.lower().endswith(".csv")
        return f"{self.event.name}.gz" if is_packed else self.event.name


def prepare(event: DropReceived, services: Services) -> list[Event]:
    """Clean a dropped file into the warehouse.

    Raises:
        PermanentError: it is in another bucket, its name says no model, or the file breaks the model's contract.
    """
    if event.bucket != (landing := services.settings.landing_bucket):
        raise PermanentError(f'drops land in the bucket "{landing}", not in "{event.bucket}".', "Drop the file there.")
    if _is_folder_marker(event, services):
        return []
    check_name(event.name)
    stored = services.storage.stored(event.bucket, event.name, event.generation)
    return [_prepared(event, catalog.model(event.model), stored, services)]


def _is_folder_marker(event: DropReceived, services: Services) -> bool:
    """Consoles make folders by writing an empty object whose name ends in a slash."""
    if not event.name.endswith("/"):
        return False
    check_name(event.name.rstrip("/"))
    stored = services.storage.stored(event.bucket, event.name, event.generation)
    return stored is None or not stored.size_bytes


def _prepared(event: DropReceived, spec: ModelSpec, stored: Stored | None, services: Services) -> Event:
    warehouse = services.warehouse
    warehouse.prepare(event.model, spec)
    newest = warehouse.account(event.model, event.name)
    if newest and newest.outcome == "prepared" and newest.generation > event.generation:
        return _ignored(event, LATE)
    if stored is None:
        return _ignored(event, GONE)
    with TemporaryDirectory(prefix="tidewheel-") as folder, Staging(event.model, services) as staging:
        return _cleaned(_Drop(event, spec, stored, services, Path(folder)), staging)


def _cleaned(drop: _Drop, staging: Staging) -> Event:
    """Cleaned rows are staged while others are still to come: this disk never holds all of them."""
    event, into = drop.event, _new(drop.folder)
    try:
        cleaned = clean(
            drop.source,
            drop.name,
            drop.spec,
            drop=event.name,
            generation=event.generation,
            into=into,
            hand_over=staging.take,
        )
    except Refusal as refusal:
        if not _quarantine(drop, refusal, staging):
            return _ignored(event, GONE)
        raise
    return _swapped(drop, cleaned, staging)


def _new(folder: Path) -> Path:
    clean_folder = folder / "clean"
    clean_folder.mkdir()
    return clean_folder


def _swapped(drop: _Drop, cleaned: Cleaned, staging: Staging) -> Event:
    event, warehouse, account = drop.event, drop.services.warehouse, _account(drop, cleaned)
    rows, rejects = staging.uri(ROWS), staging.uri(REJECTS)
    crash.point("preprocess.staged")
    with drop.services.locks.hold(f"rows/{event.model}"):
        swapped = warehouse.swap(event.model, drop.spec, account=account, rows_uri=rows, rejects_uri=rejects)
        crash.point("preprocess.swapped")
    if not swapped:
        return _ignored(event, LATE)
    return prepared(account, same_as=warehouse.twin(event.model, cleaned.digest, event.name))


def _ignored(event: DropReceived, why: str) -> DropIgnored:
    return DropIgnored(model=event.model, drop=event.name, generation=event.generation, why=why)


def _quarantine(drop: _Drop, refusal: Refusal, staging: Staging) -> bool:
    """Keep the file with the reason beside it, and write its account; the rows of an earlier generation stay.

    Returns:
        False: the file was replaced meanwhile, and nothing was kept.
    """
    event, storage, bucket = drop.event, drop.services.storage, drop.services.settings.quarantine_bucket
    kept = f"{event.name}@{event.generation}"
    if not drop.stored.copy(bucket, kept):
        return False
    reason = {"error": refusal.error, "remedy": refusal.remedy, "rows": refusal.rows, "rejected": refusal.rejected}
    storage.create(bucket, f"{kept}.json", {"drop": event.name, "generation": event.generation, **reason})
    rejects = staging.uri(REJECTS) if refusal.rejects_files else None
    drop.services.warehouse.refuse(_account(drop, refusal), rejects)
    return True


def _account(drop: _Drop, counted: Cleaned | Refusal) -> Account:
    event = drop.event
    return Account(
        model=event.model,
        drop=event.name,
        generation=event.generation,
        outcome="prepared" if isinstance(counted, Cleaned) else "refused",
        rows=counted.rows,
        accepted=counted.accepted,
        rejected=counted.rejected,
        duplicate=counted.duplicate,
        first_event=counted.first_event if isinstance(counted, Cleaned) else None,
        last_event=counted.last_event if isinstance(counted, Cleaned) else None,
        digest=counted.digest,
        ignored_columns=counted.ignored_columns,
        reason=None if isinstance(counted, Cleaned) else counted.error,
        prepared_at=datetime.now(UTC),
    )
