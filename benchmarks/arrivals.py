"""Where messages arrive: an HTTP endpoint in this process that notes when each was here, and costs next to nothing."""

from __future__ import annotations

import asyncio
import base64
import json
import queue
import threading
import time
from typing import NamedTuple

ANSWER = b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"
LENGTH = b"content-length:"


class Arrival(NamedTuple):
    """The body of a push, and when it was here."""

    body: bytes
    at: float

    @property
    def data(self) -> bytes:
        """What was published."""
        return base64.b64decode(json.loads(self.body)["message"].get("data", ""))


class Arrivals:
    """A push endpoint that acknowledges everything."""

    def __init__(self) -> None:
        self.came: queue.SimpleQueue[Arrival] = queue.SimpleQueue()
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()

    async def _listen(self) -> None:
        self._server = await self._loop.create_server(lambda: _Pushed(self.came), "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/"

    def next(self, seconds: float = 60.0) -> Arrival:
        """The next message that came, or has come."""
        return self.came.get(timeout=seconds)

    def __enter__(self) -> Arrivals:
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)


class _Pushed(asyncio.Protocol):
    def __init__(self, came: queue.SimpleQueue[Arrival]) -> None:
        self._came, self._bytes = came, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._bytes += data
        head, _, body = self._bytes.partition(b"\r\n\r\n")
        length = next((line for line in head.lower().split(b"\r\n") if line.startswith(LENGTH)), LENGTH + b"-1")
        # One request at a time: Pub/Sub waits for each answer.
        if len(body) == int(length.removeprefix(LENGTH)):
            self._came.put(Arrival(body, time.perf_counter()))
            self._transport.write(ANSWER)
            self._bytes = b""
