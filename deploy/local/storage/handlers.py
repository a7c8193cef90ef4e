"""What the emulator's own handlers get wrong or leave out: reading, listing in pages, conditions on a source."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, BinaryIO

from gcp_storage_emulator.exceptions import NotFound
from gcp_storage_emulator.handlers import objects as emulated
from gcp_storage_emulator.server import HANDLERS, Request, Response

from deploy.local.storage.conditions import Conditions, Refused
from deploy.local.storage.objects import Objects

Handler = Callable[[Request, Response, Objects], None]
MOST_RESULTS = 1000
RANGE = re.compile(r"\s*bytes=(?P<start>\d*)-(?P<end>\d*)\s*")


def get(request: Request, response: Response, storage: Objects) -> None:
    """An object's metadata, or with alt=media its content."""
    if request.query.get("alt") == ["media"]:
        return download(request, response, storage)
    resource = storage.get_file_obj(request.params["bucket_name"], request.params["object_id"])
    Conditions.read(request.query).require_for_read(resource)
    response.json(resource)


def download(request: Request, response: Response, storage: Objects) -> None:
    """An object's content or a range of it, with the headers from which the client learns the generation."""
    names = request.params["bucket_name"], request.params["object_id"]
    resource, file = storage.opened(*names, Conditions.read(request.query))
    response["X-Goog-Generation"] = resource["generation"]
    response["X-Goog-Metageneration"] = resource["metageneration"]
    response["X-Goog-Storage-Class"] = resource["storageClass"]
    response["ETag"] = f'"{resource["etag"]}"'
    for key, value in (resource.get("metadata") or {}).items():
        response[f"x-goog-meta-{key}"] = str(value)
    # As it is stored; Cloud Storage would unpack it for a client that cannot, and there is none here.
    if encoding := resource.get("contentEncoding"):
        response["Content-Encoding"] = encoding
    asked = RANGE.fullmatch(request.get_header("range", ""))
    with file:
        if asked:
            content = _cut(file, int(resource["size"]), asked["start"], asked["end"], response)
        else:
            response["X-Goog-Hash"] = f"crc32c={resource['crc32c']},md5={resource['md5Hash']}"
            content = file.read()
    response.write_file(content, content_type=resource.get("contentType"))


def _cut(file: BinaryIO, size: int, start: str, end: str, response: Response) -> bytes:
    first = int(start) if start else max(0, size - int(end))
    last = min(size, int(end) + 1) if start and end else size
    if first >= size:
        response["Content-Range"] = f"bytes */{size}"
        raise Refused(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "requestedRangeNotSatisfiable", "Range is past the end."
        )
    response["Content-Range"] = f"bytes {first}-{last - 1}/{size}"
    response.status = HTTPStatus.PARTIAL_CONTENT
    file.seek(first)
    return file.read(last - first)


def list_page(request: Request, response: Response, storage: Objects) -> None:
    """One page of names and prefixes in one order; the token is the last of them."""
    query = {key: values[0] for key, values in request.query.items()}
    found, prefixes = storage.get_file_list(
        request.params["bucket_name"], query.get("prefix"), query.get("delimiter"), query.get("matchGlob")
    )
    entries = sorted(
        [(each["name"], each) for each in found] + [(prefix, None) for prefix in prefixes], key=lambda e: e[0]
    )
    after = base64.urlsafe_b64decode(query.get("pageToken", "")).decode()
    start, end = query.get("startOffset", ""), query.get("endOffset")
    entries = [each for each in entries if each[0] > after and each[0] >= start and (end is None or each[0] < end)]
    page = entries[: min(int(query.get("maxResults") or MOST_RESULTS), MOST_RESULTS)]
    answer: dict[str, Any] = {"kind": "storage#objects"}
    answer["items"] = [resource for _, resource in page if resource]
    answer["prefixes"] = [prefix for prefix, resource in page if not resource]
    if len(page) < len(entries):
        answer["nextPageToken"] = base64.urlsafe_b64encode(page[-1][0].encode()).decode()
    response.json(answer)


def from_source(handler: Handler) -> Handler:
    """Check the conditions on the object that is copied from; those on the target are the store's."""

    def checked(request: Request, response: Response, storage: Objects) -> None:
        resource = storage.get_file_obj(request.params["bucket_name"], request.params["object_id"])
        Conditions.read(request.query, source=True).require_for_read(resource)
        handler(request, response, storage)

    return checked


def of_generation(handler: Handler) -> Handler:
    """Check the generation that a delete or a patch names; only the living one is there."""

    def checked(request: Request, response: Response, storage: Objects) -> None:
        resource = storage.get_file_obj(request.params["bucket_name"], request.params["object_id"])
        Conditions(generation=Conditions.read(request.query).generation).require_for_read(resource)
        handler(request, response, storage)

    return checked


def upload_chunk(request: Request, response: Response, storage: Objects) -> None:
    """A chunk of a resumable upload. The emulator claims a first byte also when nothing has come yet."""
    emulated.upload_partial(request, response, storage)
    if response.status == 308 and not storage.get_resumable_byte_count(request.query["upload_id"][0]):
        response._headers.pop("Range", None)


REPLACED: dict[Any, Handler] = {
    emulated.get: get,
    emulated.download: download,
    emulated.ls: list_page,
    emulated.upload_partial: upload_chunk,
    emulated.copy: from_source(emulated.copy),
    emulated.rewrite: from_source(emulated.rewrite),
    emulated.delete: of_generation(emulated.delete),
    emulated.patch: of_generation(emulated.patch),
}
# A page in a browser could ask for /wipe.
ROUTES = [
    (re.compile(pattern), {method: REPLACED.get(handler, handler) for method, handler in methods.items()})
    for pattern, methods in HANDLERS
    if pattern != "^/wipe$"
]


def find(request: Request) -> Handler:
    """The handler of a request.

    Raises:
        NotFound: Cloud Storage has no such address.
        Refused: it has, but the laptop does not.
    """
    for pattern, methods in ROUTES:
        match = pattern.fullmatch(request.path)
        if match is None:
            continue
        request.set_match(match)
        if request.method == "POST" and request.query.get("uploadType") and request.path.endswith("/o"):
            return emulated.insert
        if request.method in methods:
            return methods[request.method]
        raise Refused(
            HTTPStatus.NOT_IMPLEMENTED, "notImplemented", f"{request.method} {request.path} is not supported."
        )
    raise NotFound(request.path)
