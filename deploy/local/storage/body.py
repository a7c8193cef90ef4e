"""A request's body, read whole and byte for byte, before anybody decides what to do with it."""

from __future__ import annotations

import json
from email.message import Message
from email.parser import BytesParser
from http import HTTPStatus
from typing import Any

from gcp_storage_emulator import server as emulator

from deploy.local.storage.conditions import Refused


class WholeRequest(emulator.Request):
    """The emulator's request. With keep-alive, a body that is left unread would be taken for the next request."""

    def __init__(self, handler: Any, method: str) -> None:
        super().__init__(handler, method)
        raw = emulator._decode_raw_data(emulator._read_raw_data(handler), handler) or b""
        self._data = self._parse(raw)

    def _parse(self, raw: bytes) -> Any:
        content_type = self.get_header("Content-Type") or "application/octet-stream"
        if self._carries_content():
            return raw
        if not raw:
            return None
        if content_type.startswith("multipart/related"):
            return read_related(raw, content_type)
        if content_type.startswith("multipart/mixed"):
            return read_batch(raw, content_type)
        return json.loads(raw) if content_type.startswith("application/json") else raw

    def _carries_content(self) -> bool:
        is_media = self.query.get("uploadType") == ["media"] or "upload_id" in self.query
        return is_media or (self.method == "PUT" and not self.path.endswith("/iam"))


def read_related(raw: bytes, content_type: str) -> dict[str, Any]:
    """Metadata and content of an upload; the emulator reads them as e-mail, line by line, which takes long."""
    boundary = b"--" + str(_header("Content-Type", content_type).get_param("boundary")).encode()
    _, metadata, content = raw.split(boundary, 2)
    content = content[: content.rindex(b"\r\n" + boundary + b"--")]
    content_head, _, content = content.lstrip(b"\r\n").partition(b"\r\n\r\n")
    return {
        "meta": json.loads(metadata.partition(b"\r\n\r\n")[2]),
        "content": content,
        "content-type": BytesParser().parsebytes(content_head + b"\r\n\r\n").get_content_type(),
    }


def read_batch(raw: bytes, content_type: str) -> list[dict[str, Any]]:
    """The requests of a batch.

    Raises:
        Refused: one of them has a precondition, which the emulator would not see.
    """
    if b"enerationMatch=" in raw or b"enerationNotMatch=" in raw:
        message = "Preconditions inside a batch are not supported on the laptop: send these requests one by one."
        raise Refused(HTTPStatus.NOT_IMPLEMENTED, "notImplemented", message)
    parts = BytesParser().parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + raw).get_payload()
    return [emulator._parse_batch_item(part) for part in parts]


def _header(name: str, value: str) -> Message:
    message = Message()
    message[name] = value
    return message
