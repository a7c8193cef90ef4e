"""Where messages arrive: an HTTP server in this process that Pub/Sub pushes to, and notes when each came."""

from __future__ import annotations

import base64
import json
import queue
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Arrival(NamedTuple):
    """A pushed message's data, and when it was here."""

    data: bytes
    at: float


class Arrivals:
    """A push endpoint."""

    def __init__(self) -> None:
        self.came: queue.SimpleQueue[Arrival] = queue.SimpleQueue()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self.came))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()

    def next(self, seconds: float = 60.0) -> Arrival:
        """The next message that came, or has come."""
        return self.came.get(timeout=seconds)

    def close(self) -> None:
        """Nobody listens any more."""
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Arrivals:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _handler(came: queue.SimpleQueue[Arrival]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            at = time.perf_counter()
            self.connection.sendall(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")
            came.put(Arrival(base64.b64decode(json.loads(body)["message"].get("data", "")), at))

        def log_message(self, *_: Any) -> None:
            """Nothing: it would be measured, too."""

    return Handler
