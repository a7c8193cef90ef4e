"""A small HTTP/1.1 client that POSTs to one endpoint over connections that it keeps for a moment."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

# Shorter than servers keep a connection (gunicorn: 2 s); and a server of one thread must not wait long for an idle one.
IDLE_SECONDS = 0.5


class HttpError(Exception):
    """The endpoint's answer is no HTTP answer."""


class Connection:
    """A connection and, while nobody uses it, the timer that will close it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.is_used = False
        self.timer: asyncio.TimerHandle | None = None

    def is_open(self) -> bool:
        """Whether the other side has not hung up, as far as is known here."""
        return not (self.reader.at_eof() or self.writer.is_closing())

    def close(self) -> None:
        """Hang up."""
        if self.timer:
            self.timer.cancel()
        self.writer.close()


class Endpoint:
    """Where one subscription's messages go."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._head = (
            f"POST {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
            "User-Agent: CloudPubSub-Google\r\nAccept: application/json\r\nContent-Length: "
        ).encode()
        self._idle: list[Connection] = []
        self._is_closed = False

    async def post(self, body: bytes) -> int:
        """The status of the answer.

        Raises:
            OSError: no connection, or the endpoint hung up without an answer.
            HttpError: the answer cannot be read.
        """
        connection = await self._connect()
        try:
            return await self._exchange(connection, body)
        except ConnectionError:
            if not connection.is_used:
                raise
            # The endpoint closed a kept connection just now: not its refusal of this message.
            connection = await self._open()
            return await self._exchange(connection, body)
        finally:
            self._keep_or_close(connection)

    def close(self) -> None:
        """Hang up everywhere."""
        self._is_closed = True
        for connection in self._idle:
            connection.close()

    async def _connect(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.timer:
                connection.timer.cancel()
            if connection.is_open():
                return connection
            connection.close()
        return await self._open()

    async def _open(self) -> Connection:
        return Connection(*await asyncio.open_connection(self._host, self._port))

    async def _exchange(self, connection: Connection, body: bytes) -> int:
        try:
            connection.writer.write(self._head + b"%d\r\n\r\n" % len(body) + body)
            await connection.writer.drain()
            status, keep = await read_answer(connection.reader)
        except BaseException:
            connection.writer.close()
            raise
        connection.is_used = True
        if not keep:
            connection.writer.close()
        return status

    def _keep_or_close(self, connection: Connection) -> None:
        if self._is_closed or not connection.is_open():
            return connection.close()
        self._idle.append(connection)
        connection.timer = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._drop, connection)

    def _drop(self, connection: Connection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)
            connection.close()


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, bool]:
    """The status, and whether the connection can be used again."""
    try:
        version, status = parse_status(await reader.readline())
        return status, await skip_rest(reader, status) and version == b"HTTP/1.1"
    except (EOFError, ValueError) as error:
        raise HttpError(f"the endpoint's answer cannot be read: {error}") from error


def parse_status(line: bytes) -> tuple[bytes, int]:
    """The version and the number in the first line; no line at all is a hang-up."""
    if not line:
        raise ConnectionResetError("the endpoint hung up without an answer")
    version, number, *_ = [*line.split(maxsplit=2), b"", b""]
    if not (version.startswith(b"HTTP/1.") and number.isdigit()):
        raise HttpError(f"the endpoint answered {line[:60]!r}, which is not HTTP")
    return version, int(number)


async def skip_rest(reader: asyncio.StreamReader, status: int) -> bool:
    """Skip headers and body; false where that cannot be done, and the connection has to be closed."""
    headers = {}
    while (line := await reader.readline()).strip():
        name, _, value = line.partition(b":")
        headers[name.strip().lower()] = value.strip().lower()
    length = b"0" if status in (204, 304) else headers.get(b"content-length", b"")
    # Without a length the body ends with the connection; and after a 102, which acknowledges, more would come.
    if not length.isdigit() or headers.get(b"connection") == b"close" or status < 200:
        return False
    await reader.readexactly(int(length))
    return True
