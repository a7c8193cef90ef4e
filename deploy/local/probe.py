"""Is a server ready? Asked of one that is starting, a few times a second."""

from __future__ import annotations

import http.client
import socket

TIMEOUT_SECONDS = 0.5


def answers(port: int, path: str | None) -> bool:
    """Whether somebody listens on this port of the loopback interface and, with a path, answers it with 200."""
    try:
        return _gets(port, path) if path else _accepts(port)
    except (OSError, http.client.HTTPException):
        return False


def _accepts(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS):
        return True


def _gets(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    finally:
        connection.close()
