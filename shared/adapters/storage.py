"""Cloud Storage: small JSON objects that are created once, and large ones that are read in ranges."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.errors import PassingError
from shared.settings import Settings

if TYPE_CHECKING:
    from google.cloud import storage

# A range more is a request more; one that is held, and one that is on its way, are in memory.
FIRST_RANGE_BYTES, RANGE_BYTES = 2**20, 4 * 2**20


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


@dataclass(frozen=True)
class Stored:
    """One generation of an object, to be read.

    Attributes:
        size_bytes: of what is stored.
        gzipped: it was packed on its way here, as `gcloud storage cp --gzip-local` does, and is stored like that.
    """

    size_bytes: int
    gzipped: bool
    _blob: storage.Blob

    def ranges(self) -> Iterator[bytes]:
        """All bytes as they are stored, in ranges that are asked for one by one; the first is small.

        Raises:
            PassingError: the generation is gone by now, the bytes came broken, or the storage is away.
        """
        from google.api_core.exceptions import NotFound, PreconditionFailed
        from google_crc32c import Checksum

        start, most, checksum = 0, FIRST_RANGE_BYTES, Checksum()
        while start < self.size_bytes:
            try:
                read = self._range(start, min(start + most, self.size_bytes))
            except (NotFound, PreconditionFailed) as error:
                raise PassingError(f"{self._blob} was replaced while it was read.") from error
            checksum.update(read)
            start, most = start + len(read), RANGE_BYTES
            # Before the last one is given away: who has all of them asks for no more.
            if start == self.size_bytes and b64encode(checksum.digest()).decode() != self._blob.crc32c:
                raise PassingError(f"{self._blob} came otherwise than it is stored.")
            yield read

    @passing()
    def copy(self, bucket: str, name: str) -> bool:
        """Copy this generation to another bucket and name; False if it is gone."""
        from google.api_core.exceptions import NotFound
        from google.cloud.storage.retry import DEFAULT_RETRY

        here, there = self._blob, self._blob.client.bucket(bucket).blob(name)
        there.content_type, there.content_encoding = here.content_type, here.content_encoding
        token = None
        try:
            while True:
                # A large one is copied in steps.
                token, _, _ = there.rewrite(here, token, retry=DEFAULT_RETRY)
                if token is None:
                    return True
        except NotFound:
            if here.exists():
                # It is the other bucket that is not there.
                raise
            return False

    @passing()
    def _range(self, start: int, end: int) -> bytes:
        read: bytes = self._blob.download_as_bytes(
            start=start,
            end=end - 1,
            if_generation_match=self._blob.generation,
            raw_download=True,
            # In the client's own steps of 8 KiB, to take an answer costs more than to send it.
            single_shot_download=True,
            # There is none of a part.
            checksum=None,
        )
        if len(read) != end - start:
            raise PassingError(f"{self._blob} came short: {len(read)} bytes of {end - start} from {start}.")
        return read


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

    def read(self, bucket: str, name: str) -> tuple[dict[str, Any], int] | None:
        """A JSON object and its generation; None if there is none."""
        found = self.content(bucket, name)
        return (json.loads(found[0]), found[1]) if found else None

    @passing()
    def content(self, bucket: str, name: str) -> tuple[bytes, int] | None:
        """A small object's bytes and its generation; None if there is none."""
        from google.api_core.exceptions import NotFound

        blob = self._client.bucket(bucket).blob(name)
        try:
            return blob.download_as_bytes(), int(blob.generation or 0)
        except NotFound:
            return None

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
    def stored(self, bucket: str, name: str, generation: int) -> Stored | None:
        """One generation of an object, to be read; None if that generation is gone."""
        from google.api_core.exceptions import NotFound, PreconditionFailed

        blob = self._client.bucket(bucket).blob(name)
        try:
            blob.reload(if_generation_match=generation)
        except (NotFound, PreconditionFailed):
            return None
        return Stored(int(blob.size or 0), blob.content_encoding == "gzip", blob)

    @passing()
    def delete(self, bucket: str, name: str, *, generation: int | None = None) -> None:
        """Delete an object, or exactly this generation of it; that it is not there is as good."""
        from google.api_core.exceptions import NotFound, PreconditionFailed

        try:
            self._client.bucket(bucket).blob(name).delete(if_generation_match=generation)
        except (NotFound, PreconditionFailed):
            return
