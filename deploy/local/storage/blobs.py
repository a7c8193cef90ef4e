"""Contents of objects as files: one immutable file per generation, and a readable tree of links beside them."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

log = logging.getLogger(__name__)


class Blobs:
    """`blobs/<generation>` is the truth; `.cloudstorage/<bucket>/<name>` is for the BigQuery emulator: it reads files.

    An object may be called `a` while another is called `a/b`, or end with a slash: a tree of files cannot hold that, so
    the links are made where they can be and nothing depends on them but loads by URI.
    """

    def __init__(self, root: Path) -> None:
        self._blobs = root / "blobs"
        self._uploads = root / "uploads"
        self._tree = root / ".cloudstorage"
        for folder in (self._blobs, self._uploads, self._tree):
            folder.mkdir(parents=True, exist_ok=True)

    def write(self, generation: int, content: bytes) -> None:
        """Write the content of a generation that nobody knows yet."""
        (self._blobs / str(generation)).write_bytes(content)

    def open(self, generation: int) -> BinaryIO:
        """The content of a generation.

        Raises:
            FileNotFoundError: it has been replaced or deleted meanwhile.
        """
        return (self._blobs / str(generation)).open("rb")

    def drop(self, generation: int) -> None:
        """Forget a generation that has been replaced."""
        (self._blobs / str(generation)).unlink(missing_ok=True)

    def link(self, bucket: str, name: str, generation: int) -> None:
        """Show this generation under the object's name, in one atomic step."""
        shown, fresh = self._path(bucket, name), self._tree / f".{generation}"
        if shown is None:
            return
        try:
            shown.parent.mkdir(parents=True, exist_ok=True)
            fresh.unlink(missing_ok=True)
            os.link(self._blobs / str(generation), fresh)
            fresh.replace(shown)
        except OSError as error:
            fresh.unlink(missing_ok=True)
            log.warning("gs://%s/%s cannot be loaded by URI: %s", bucket, name, error)

    def unlink(self, bucket: str, name: str) -> None:
        """Take an object's name out of the tree, and the folders that are empty without it."""
        shown = self._path(bucket, name)
        if shown is None or not shown.is_file():
            return
        shown.unlink()
        for folder in shown.parents:
            if folder == self._tree / bucket or any(folder.iterdir()):
                return
            folder.rmdir()

    def append(self, upload: str, chunk: bytes) -> int:
        """Add to a resumable upload; how many bytes it has now."""
        with (self._uploads / upload).open("ab") as file:
            file.write(chunk)
            return file.tell()

    def upload_size(self, upload: str) -> int:
        """How many bytes of a resumable upload have come."""
        path = self._uploads / upload
        return path.stat().st_size if path.exists() else 0

    def take_upload(self, upload: str) -> bytes:
        """All bytes of a resumable upload that is complete."""
        path = self._uploads / upload
        return path.read_bytes() if path.exists() else b""

    def drop_upload(self, upload: str) -> None:
        """Forget a resumable upload."""
        (self._uploads / upload).unlink(missing_ok=True)

    def repair(self, living: Iterable[tuple[str, str, int]]) -> None:
        """After a start: finish or undo what a killed process had begun."""
        kept = set()
        for bucket, name, generation in living:
            kept.add(str(generation))
            if not self._is_shown(bucket, name, generation):
                self.link(bucket, name, generation)
        for path in self._blobs.iterdir():
            if path.name not in kept:
                path.unlink()
        for path in self._uploads.iterdir():
            path.unlink()

    def _is_shown(self, bucket: str, name: str, generation: int) -> bool:
        shown = self._path(bucket, name)
        return shown is not None and shown.is_file() and shown.samefile(self._blobs / str(generation))

    def _path(self, bucket: str, name: str) -> Path | None:
        parts = name.split("/")
        if any(part in ("", ".", "..") or "\0" in part for part in parts):
            return None
        return self._tree.joinpath(bucket, *parts)
