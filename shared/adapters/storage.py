"""Cloud Storage: small JSON objects that are created once, and files that are streamed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.errors import PassingError
from shared.settings import Settings

if TYPE_CHECKING:
    from google.cloud import storage


@contextmanager
def passing() -> Iterator[None]:
    """Turns what Cloud Storage says of outages and haste into a PassingError, once the client has tried for a while.

    Raises:
        PassingError: the same work will succeed later.
    """
    import requests
    from google.api_core import exceptions as google

    waits = (google.TooManyRequests, google.ServerError, google.RetryError, requests.ConnectionError, requests.Timeout)
    try:
        yield
    except waits as error:
        raise PassingError(f"the storage is not ready: {error}") from error


class Storage:
    """Objects in buckets; generation preconditions are the compare-and-set."""

    def __init__(self, settings: Settings) -> None:
        self._project = settings.project

    @cached_property
    def _client(self) -> storage.Client:
        from google.cloud import storage

        client = storage.Client(project=self._project)
        if "STORAGE_EMULATOR_HOST" in os.environ:
            # A proxy that a user needs for the internet does not lead back to the user's machine; and the search for
            # one, through all variables, is a tenth of what a small write costs.
            client._http.trust_env = False
        return client

    def create(self, bucket: str, name: str, body: dict[str, Any]) -> int | None:
        """Write an object that must not be there yet: its generation, or None if it is there."""
        return self.replace(bucket, name, body, generation=0)

    @passing()
    def replace(self, bucket: str, name: str, body: dict[str, Any], *, generation: int) -> int | None:
        """Write an object over exactly this generation of it: its new generation, or None if another one is there.

        A lost response makes the client try again, and its own first try then answers 412: after a refusal the
        object is read, and what one wrote oneself counts as written. Bodies that may race therefore hold a nonce.
        """
        from google.api_core.exceptions import PreconditionFailed
        from google.cloud.storage.retry import DEFAULT_RETRY

        # An object takes an update a second: the usual wait, which doubles from a second on, is mostly far too long.
        retry = DEFAULT_RETRY.with_delay(initial=0.3, multiplier=1.5, maximum=10.0)
        text = json.dumps(body, separators=(",", ":"), sort_keys=True)
        blob = self._client.bucket(bucket).blob(name)
        try:
            blob.upload_from_string(text, content_type="application/json", if_generation_match=generation, retry=retry)
        except PreconditionFailed:
            there = self.read(bucket, name)
            return there[1] if there and there[0] == json.loads(text) else None
        return int(blob.generation or 0)

    @passing()
    def read(self, bucket: str, name: str) -> tuple[dict[str, Any], int] | None:
        """An object and its generation; None if there is none."""
        from google.api_core.exceptions import NotFound

        blob = self._client.bucket(bucket).blob(name)
        try:
            text = blob.download_as_bytes()
        except NotFound:
            return None
        return json.loads(text), int(blob.generation or 0)

    @passing()
    def names(self, bucket: str, prefix: str) -> list[str]:
        """The names that begin with the prefix, in alphabetical order."""
        return [
            blob.name for blob in self._client.list_blobs(bucket, prefix=prefix, fields="items(name),nextPageToken")
        ]

    @passing()
    def objects(self, bucket: str, prefix: str) -> list[tuple[str, int, datetime]]:
        """Name, generation and time of writing of what begins with the prefix."""
        found = self._client.list_blobs(
            bucket, prefix=prefix, fields="items(name,generation,updated,timeCreated),nextPageToken"
        )
        return [(blob.name, int(blob.generation), blob.updated or blob.time_created) for blob in found]

    @passing()
    def upload(self, bucket: str, name: str, path: Path) -> str:
        """Put a file into a bucket: its gs:// address."""
        self._client.bucket(bucket).blob(name).upload_from_filename(path)
        return f"gs://{bucket}/{name}"

    @passing()
    def put(self, bucket: str, name: str, path: Path) -> int:
        """Put a file into a bucket: the generation that it became."""
        blob = self._client.bucket(bucket).blob(name)
        blob.upload_from_filename(path)
        return int(blob.generation or 0)

    @passing()
    def download(self, bucket: str, name: str, generation: int, path: Path) -> bool:
        """Stream one generation of an object into a file; False if that generation is gone."""
        from google.api_core.exceptions import NotFound, PreconditionFailed

        blob = self._client.bucket(bucket).blob(name)
        try:
            blob.download_to_filename(path, if_generation_match=generation)
        except (NotFound, PreconditionFailed):
            return False
        return True

    @passing()
    def copy(self, source: tuple[str, str], target: tuple[str, str]) -> None:
        """Copy an object from one bucket and name to another."""
        bucket = self._client.bucket(source[0])
        bucket.copy_blob(bucket.blob(source[1]), self._client.bucket(target[0]), target[1])

    @passing()
    def delete(self, bucket: str, name: str, *, generation: int | None = None) -> None:
        """Delete an object, or exactly this generation of it; that it is not there is as good."""
        from google.api_core.exceptions import NotFound, PreconditionFailed

        try:
            self._client.bucket(bucket).blob(name).delete(if_generation_match=generation)
        except (NotFound, PreconditionFailed):
            return
