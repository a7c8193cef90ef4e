"""Cleaned rows on their way from this disk, which is small, to the warehouse."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType

from shared.contract.output import parts
from shared.lifecycle.services import Services

STAGING = "staging"


class Staging:
    """A folder of one attempt in the state bucket, for as long as the warehouse reads it."""

    def __init__(self, model: str, services: Services) -> None:
        self._storage, self._bucket = services.storage, services.settings.state_bucket
        self._folder = f"{STAGING}/{model}/{uuid.uuid4().hex}"
        self._names: list[str] = []

    def take(self, part: Path) -> None:
        """Put a part there, and delete it here; several threads may do that."""
        name = f"{self._folder}/{part.name}"
        # Remembered first: an upload that seems to have failed may have come through.
        self._names.append(name)
        self._storage.upload(self._bucket, name, part)
        part.unlink()

    def uri(self, what: str) -> str:
        """The address of all parts of the rows, or of the rejects."""
        return f"gs://{self._bucket}/{self._folder}/{parts(what)}"

    def __enter__(self) -> Staging:
        """Until the block is left, however that is."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing stays."""
        with ThreadPoolExecutor() as threads:
            list(threads.map(partial(self._storage.delete, self._bucket), self._names))
