"""The emulator's store, made durable, atomic and conditional; its HTTP handlers work on it unchanged."""

from __future__ import annotations

import copy
import threading
import time
import uuid
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO

from gcp_storage_emulator.exceptions import BadRequest, NotFound
from gcp_storage_emulator.storage import Storage

from deploy.local.storage.blobs import Blobs
from deploy.local.storage.catalog import Catalog
from deploy.local.storage.conditions import DEMANDED, NOTHING, Conditions, Refused

Resource = dict[str, Any]
UPDATE_INTERVAL_SECONDS = 1.0


class Objects(Storage):
    """Every method here replaces one of the emulator's; the request's conditions come in `DEMANDED`.

    Deleting is for good (no soft delete), and only the living generation of an object is kept, as in a bucket without
    versioning.
    """

    def __init__(self, root: Path, announced: set[str], on_announce: Callable[[], None], rate_limit: bool) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.lock = threading.RLock()
        self.catalog = Catalog(root / "catalog.sqlite")
        self._blobs = Blobs(root)
        self._announced, self._on_announce, self._rate_limit = announced, on_announce, rate_limit
        self._updated: dict[tuple[str, str], float] = {}
        self._sessions: dict[str, Conditions] = {}
        self._newest = self.catalog.newest_generation()
        super().__init__(data_dir=str(root.absolute()))
        living = ((bucket, name, int(each["generation"])) for bucket, name, each in self.catalog.objects())
        self._blobs.repair(living)

    def create_bucket(self, bucket_name: str, bucket_obj: Resource) -> Resource:
        self.catalog.put_bucket(bucket_name, bucket_obj)
        self.buckets[bucket_name] = bucket_obj
        return bucket_obj

    def delete_bucket(self, bucket_name: str) -> None:
        super().delete_bucket(bucket_name)
        self.catalog.delete_bucket(bucket_name)

    def create_file(
        self, bucket_name: str, file_name: str, content: Any, file_obj: Resource, file_id: str = ""
    ) -> None:
        with self.lock:
            current = self._writable(bucket_name, file_name, self._sessions.get(file_id, DEMANDED.get()))
            announce = bucket_name in self._announced
            generation = self._stamp(file_obj)
            self._blobs.write(generation, content)
            overwrote = current["generation"] if current else None
            self.catalog.put_content(bucket_name, file_name, file_obj, announce, overwrote)
            self.objects.setdefault(bucket_name, {})[file_name] = copy.deepcopy(file_obj)
            self._blobs.link(bucket_name, file_name, generation)
            if current:
                self._blobs.drop(int(current["generation"]))
            self._end_session(file_id)
        if announce:
            self._on_announce()

    def patch_object(self, bucket_name: str, file_name: str, file_obj: Resource) -> None:
        with self.lock:
            self._writable(bucket_name, file_name, DEMANDED.get())
            self.catalog.put_object(bucket_name, file_name, file_obj)
            self.objects[bucket_name][file_name] = file_obj

    def delete_file(self, bucket_name: str, file_name: str) -> None:
        with self.lock:
            current = self.get_file_obj(bucket_name, file_name)
            DEMANDED.get().require_for_write(current)
            self.catalog.delete_object(bucket_name, file_name)
            del self.objects[bucket_name][file_name]
            self._blobs.unlink(bucket_name, file_name)
            self._blobs.drop(int(current["generation"]))

    def get_file_obj(self, bucket_name: str, file_name: str) -> Resource:
        # A copy: the emulator's patch edits what it gets before it asks whether it may.
        return copy.deepcopy(super().get_file_obj(bucket_name, file_name))

    def get_file(self, bucket_name: str, file_name: str, show_error: bool = True) -> bytes:
        with self.opened(bucket_name, file_name)[1] as file:
            return file.read()

    def opened(self, bucket_name: str, file_name: str, conditions: Conditions = NOTHING) -> tuple[Resource, BinaryIO]:
        """Metadata and content of one and the same generation; what is open can be read when it is replaced."""
        with self.lock:
            resource = self.get_file_obj(bucket_name, file_name)
            conditions.require_for_read(resource)
            return resource, self._blobs.open(int(resource["generation"]))

    def get_file_list(self, *args: Any, **kwargs: Any) -> tuple[list[Resource], list[str]]:
        with self.lock:
            return super().get_file_list(*args, **kwargs)

    def create_resumable_upload(self, bucket_name: str, file_name: str, file_obj: Resource) -> str:
        with self.lock:
            self._writable(bucket_name, file_name, DEMANDED.get(), starting=True)
            session = uuid.uuid4().hex
            self.resumable[session] = file_obj
            self._sessions[session] = DEMANDED.get()
            return session

    def add_to_resumable_upload(
        self, file_id: str, content: Any, total_size: int | None = None, expected_start: int | None = None
    ) -> bytes | None:
        received = self._blobs.upload_size(file_id)
        if expected_start is not None and expected_start != received:
            raise BadRequest(f"Invalid Content-Range start: expected {received}, got {expected_start}")
        if not received and total_size is not None and len(content or b"") >= total_size:
            # All of it in one piece, as most are: a file to collect it in is half of what taking it costs.
            return bytes(content or b"")[:total_size]
        received = self._blobs.append(file_id, content or b"")
        if total_size is None or received < total_size:
            return None
        return self._blobs.take_upload(file_id)[:total_size]

    def get_resumable_byte_count(self, file_id: str) -> int:
        return self._blobs.upload_size(file_id)

    def _writable(self, bucket: str, name: str, demanded: Conditions, starting: bool = False) -> Resource | None:
        if bucket not in self.buckets:
            raise NotFound(bucket)
        current = self.objects.get(bucket, {}).get(name)
        demanded.require_for_write(current)
        if not starting:
            self._refuse_haste(bucket, name)
        return current

    def _refuse_haste(self, bucket: str, name: str) -> None:
        now, last = time.monotonic(), self._updated.get((bucket, name), float("-inf"))
        if self._rate_limit and now - last < UPDATE_INTERVAL_SECONDS:
            message = f"The object {bucket}/{name} exceeded the rate limit for object mutation operations."
            raise Refused(HTTPStatus.TOO_MANY_REQUESTS, "rateLimitExceeded", message)
        if self._rate_limit:
            self._updated[bucket, name] = now

    def _stamp(self, resource: Resource) -> int:
        """Generations are microseconds, as in Cloud Storage, and never go back, even if the clock does."""
        generation = max(self._newest + 1, time.time_ns() // 1000)
        self._newest = generation
        resource["generation"], resource["metageneration"] = str(generation), "1"
        resource["id"] = f"{resource['bucket']}/{resource['name']}/{generation}"
        resource["mediaLink"] = f"{resource['mediaLink'].split('?')[0]}?generation={generation}&alt=media"
        resource["etag"] = f"{generation:x}"
        resource["size"] = str(resource["size"])
        return generation

    def _end_session(self, session: str | None) -> None:
        if session:
            self.resumable.pop(session, None)
            self._sessions.pop(session, None)
            self._blobs.drop_upload(session)

    def _read_config_from_file(self) -> None:
        self.buckets: dict[str, Resource] = self.catalog.buckets()
        self.objects: dict[str, dict[str, Resource]] = {}
        for bucket, name, resource in self.catalog.objects():
            self.objects.setdefault(bucket, {})[name] = resource
        # Uploads that were under way are begun again by their clients.
        self.resumable: dict[str, Resource] = {}
        self.bucket_iam_policies: dict[str, Resource] = {}
        self.soft_deleted: dict[str, Resource] = {}

    def _write_config_to_file(self) -> None:
        """Nothing: each change has been committed where it was made."""
