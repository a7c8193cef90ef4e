"""Helper of the Pub/Sub tests: a real HTTP server that is pushed to."""

from __future__ import annotations

import json
import queue
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.emulated import laptop


class Endpoint:
    """A real HTTP server that keeps what is pushed to it; it answers the scripted statuses, then 204."""

    def __init__(self, *statuses: int, port: int = 0) -> None:
        self.bodies: queue.Queue[dict[str, Any]] = queue.Queue()
        self.gate = threading.Event()
        self.gate.set()
        self._statuses = iter(statuses)
        self._server = _Server(("127.0.0.1", port), _handler(self))
        self.port = self._server.server_port
        self.push_config = {"push_endpoint": f"http://127.0.0.1:{self.port}/projects/p/topics/t?token=1"}
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def next(self) -> dict[str, Any]:
        """The next body that was pushed."""
        return self.bodies.get(timeout=laptop.PATIENCE_SECONDS)

    def answer(self, body: dict[str, Any]) -> int:
        """Keep the body; the status to answer with, once the gate is open."""
        status = next(self._statuses, 204)
        self.bodies.put(body)
        self.gate.wait()
        return status

    def close(self) -> None:
        """Nobody listens any more, and kept connections are closed."""
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Endpoint:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, *arguments: Any) -> None:
        self.connections: list[Any] = []
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.append(request)
        super().process_request(request, client_address)

    def server_close(self) -> None:
        super().server_close()
        for connection in self.connections:
            self.shutdown_request(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever hangs up here does it on purpose."""


def _handler(endpoint: Endpoint) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(endpoint.answer({**body, "path": self.path, "type": self.headers["Content-Type"]}))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Tests are quiet."""

    return Handler
