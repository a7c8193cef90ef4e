"""The HTTP server: threads, keep-alive, and every refusal in the form that Google's clients read."""

from __future__ import annotations

import logging
import sys
from http import HTTPStatus, server

from gcp_storage_emulator.exceptions import NotFound
from gcp_storage_emulator.server import Response

from deploy.local.storage.body import WholeRequest
from deploy.local.storage.conditions import DEMANDED, Conditions, Refused
from deploy.local.storage.handlers import find
from deploy.local.storage.objects import Objects

log = logging.getLogger(__name__)


class StorageServer(server.ThreadingHTTPServer):
    """One thread per connection; writes are one at a time, in the store's lock."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, host: str, port: int, objects: Objects) -> None:
        self.objects = objects
        super().__init__((host, port), Connection)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that has gone is no error; everything else is said in full."""
        if not isinstance(sys.exception(), ConnectionError):
            log.exception("A request from %s could not be answered", client_address)


class Connection(server.BaseHTTPRequestHandler):
    """A kept-alive connection of a client."""

    server: StorageServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def answer(self) -> None:
        """Answer one request, whatever happens."""
        response = Response(self)
        try:
            self._handle(response)
        except Refused as refusal:
            _refuse(response, refusal.status, refusal.reason, refusal.message)
        except (NotFound, FileNotFoundError):
            _refuse(response, HTTPStatus.NOT_FOUND, "notFound", f"No such object: {self.path}")
        except (ValueError, KeyError, TypeError) as error:
            log.warning("%s %s is malformed", self.command, self.path, exc_info=True)
            _refuse(response, HTTPStatus.BAD_REQUEST, "invalid", f"The request is malformed: {error!r}")
        if response.status.value >= 400 and not response._content:
            _refuse(response, response.status, "error", response.status.phrase)
        response.close()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    def _handle(self, response: Response) -> None:
        method = self.headers.get("x-http-method-override") or self.command
        request = WholeRequest(self, method)
        handler = find(request)
        token = DEMANDED.set(Conditions.read(request.query))
        try:
            if method == "GET":
                return handler(request, response, self.server.objects)
            with self.server.objects.lock:
                handler(request, response, self.server.objects)
        finally:
            DEMANDED.reset(token)

    def log_message(self, format: str, *args: object) -> None:
        log.debug(format, *args)


def _refuse(response: Response, status: HTTPStatus, reason: str, message: str) -> None:
    response.status = status
    if status == HTTPStatus.NOT_MODIFIED:
        return
    detail = {"domain": "global", "reason": reason, "message": message}
    response.json({"error": {"code": status.value, "message": message, "errors": [detail]}})
