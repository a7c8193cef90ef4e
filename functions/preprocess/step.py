"""A dropped file becomes clean rows in the warehouse, or is refused with a reason and kept in quarantine."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from functions.preprocess.names import check_name
from shared.adapters.warehouse import Account
from shared.contract import catalog
from shared.contract.cleaning import Cleaned, clean
from shared.contract.refusal import Refusal
from shared.contract.spec import ModelSpec
from shared.lifecycle import crash
from shared.lifecycle.events import DataPrepared, DropIgnored, DropReceived, Event
from shared.lifecycle.services import Services

STAGING = "staging"
GONE = "This generation is gone: the object was written again, or deleted."
LATE = "A newer generation of it is prepared already, and its rows stand."


@dataclass(frozen=True)
class _Drop:
    """What one call is about: the drop, its model, and a folder that goes away afterwards."""

    event: DropReceived
    spec: ModelSpec
    services: Services
    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "file"


def prepare(event: DropReceived, services: Services) -> list[Event]:
    """Clean a dropped file into the warehouse.

    Raises:
        PermanentError: its name says no model, or the file breaks the model's contract.
    """
    with TemporaryDirectory(prefix="tidewheel-") as folder:
        if _is_folder_marker(event, services, Path(folder)):
            return []
        check_name(event.name)
        return _prepare(_Drop(event, catalog.model(event.model), services, Path(folder)))


def _is_folder_marker(event: DropReceived, services: Services, folder: Path) -> bool:
    """Consoles make folders by writing an empty object whose name ends in a slash."""
    if not event.name.endswith("/"):
        return False
    marker = folder / "marker"
    there = services.storage.download(event.bucket, event.name, event.generation, marker)
    return not there or marker.stat().st_size == 0


def _prepare(drop: _Drop) -> list[Event]:
    event, warehouse = drop.event, drop.services.warehouse
    warehouse.prepare(event.model, drop.spec)
    newest = warehouse.account(event.model, event.name)
    if newest and newest.outcome == "prepared" and newest.generation > event.generation:
        return [_ignored(event, LATE)]
    if not drop.services.storage.download(event.bucket, event.name, event.generation, drop.file):
        return [_ignored(event, GONE)]
    try:
        cleaned = clean(
            drop.file, event.name, drop.spec, drop=event.name, generation=event.generation, into=_new(drop.folder)
        )
    except Refusal as refusal:
        _quarantine(drop, refusal)
        raise
    return [_swapped(drop, cleaned)]


def _new(folder: Path) -> Path:
    clean_folder = folder / "clean"
    clean_folder.mkdir()
    return clean_folder


def _swapped(drop: _Drop, cleaned: Cleaned) -> Event:
    event, warehouse = drop.event, drop.services.warehouse
    with _staged(drop, cleaned.rows_file) as rows, _staged(drop, cleaned.rejects_file) as rejects:
        account = _account(drop, cleaned)
        crash.point("preprocess.staged")
        with drop.services.locks.hold(f"rows/{event.model}"):
            swapped = warehouse.swap(event.model, drop.spec, account=account, rows_uri=rows, rejects_uri=rejects)
            crash.point("preprocess.swapped")
    if not swapped:
        return _ignored(event, LATE)
    return DataPrepared(
        model=event.model,
        drop=event.name,
        generation=event.generation,
        accepted=cleaned.accepted,
        rejected=cleaned.rejected,
        duplicate=cleaned.duplicate,
        first_event_time=cleaned.first_event.isoformat(),
        last_event_time=cleaned.last_event.isoformat(),
        ignored_columns=cleaned.ignored_columns,
        same_as=warehouse.twin(event.model, cleaned.digest, event.name),
    )


def _ignored(event: DropReceived, why: str) -> DropIgnored:
    return DropIgnored(model=event.model, drop=event.name, generation=event.generation, why=why)


def _quarantine(drop: _Drop, refusal: Refusal) -> None:
    """Keep the file with the reason beside it, and write its account; the rows of an earlier generation stay."""
    event, storage, bucket = drop.event, drop.services.storage, drop.services.settings.quarantine_bucket
    kept = f"{event.name}@{event.generation}"
    storage.upload(bucket, kept, drop.file)
    reason = {"error": refusal.error, "remedy": refusal.remedy, "rows": refusal.rows, "rejected": refusal.rejected}
    storage.create(bucket, f"{kept}.json", {"drop": event.name, "generation": event.generation, **reason})
    account = _account(drop, refusal)
    if refusal.rejects_file is None:
        drop.services.warehouse.refuse(account)
        return
    with _staged(drop, refusal.rejects_file) as rejects:
        drop.services.warehouse.refuse(account, rejects)


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


@contextmanager
def _staged(drop: _Drop, file: Path) -> Iterator[str]:
    """A file in the state bucket for as long as the warehouse reads it: its address."""
    storage, bucket = drop.services.storage, drop.services.settings.state_bucket
    name = f"{STAGING}/{drop.event.model}/{uuid.uuid4().hex}/{file.name}"
    try:
        yield storage.upload(bucket, name, file)
    finally:
        storage.delete(bucket, name)
