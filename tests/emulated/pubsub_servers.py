"""Helpers of the Pub/Sub tests: our server, Google's, official clients of either, and an endpoint that is pushed to."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from google.cloud import pubsub_v1
from google.protobuf.duration_pb2 import Duration
from google.pubsub_v1.types import ReceivedMessage

from deploy.local.pubsub import google as googles
from tests.emulated import laptop

PROJECT = "projects/tidewheel-test"


class PubSub:
    """A running server, and the official clients as PUBSUB_EMULATOR_HOST directs them to it."""

    def __init__(self, host: str, process: subprocess.Popen[str]) -> None:
        self.host = host
        self.process = process

    @cached_property
    def publisher(self) -> pubsub_v1.PublisherClient:
        """Publishes at once: tests publish one message at a time."""
        with environment(PUBSUB_EMULATOR_HOST=self.host):
            return pubsub_v1.PublisherClient(pubsub_v1.types.BatchSettings(max_latency=0))

    @cached_property
    def subscriber(self) -> pubsub_v1.SubscriberClient:
        """Pulls and manages subscriptions."""
        with environment(PUBSUB_EMULATOR_HOST=self.host):
            return pubsub_v1.SubscriberClient()

    def topic(self) -> str:
        """A new topic."""
        return self.publisher.create_topic(name=f"{PROJECT}/topics/{unique()}").name

    def subscription(self, topic: str, **settings: Any) -> str:
        """A new subscription."""
        request = {"name": f"{PROJECT}/subscriptions/{unique()}", "topic": topic, **settings}
        return self.subscriber.create_subscription(request=request).name

    def publish(self, topic: str, data: bytes, **attributes: str) -> str:
        """The id of a message that was confirmed."""
        return self.publisher.publish(topic, data, **attributes).result(laptop.PATIENCE_SECONDS)

    def pull(self, subscription: str, count: int = 1) -> list[ReceivedMessage]:
        """As many messages, however many calls that takes."""
        pulled: list[ReceivedMessage] = []
        laptop.wait_for(lambda: pulled.extend(self._pull(subscription, count - len(pulled))) or len(pulled) == count)
        return pulled

    def is_empty(self, subscription: str) -> bool:
        """Whether nothing is ready now."""
        request = {"subscription": subscription, "max_messages": 1, "return_immediately": True}
        return not self.subscriber.pull(request=request).received_messages

    def acknowledge(self, subscription: str, messages: list[ReceivedMessage]) -> None:
        """Done with those."""
        ack_ids = [message.ack_id for message in messages]
        self.subscriber.acknowledge(request={"subscription": subscription, "ack_ids": ack_ids})

    def lease(self, subscription: str, message: ReceivedMessage, seconds: int) -> None:
        """Keep a message for so long; 0 gives it back."""
        request = {"subscription": subscription, "ack_ids": [message.ack_id], "ack_deadline_seconds": seconds}
        self.subscriber.modify_ack_deadline(request=request)

    def kill(self) -> None:
        """kill -9."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _pull(self, subscription: str, count: int) -> list[ReceivedMessage]:
        return list(self.subscriber.pull(subscription=subscription, max_messages=count, timeout=5).received_messages)


@contextmanager
def ours(data: Path, port: int = 0) -> Iterator[PubSub]:
    """Our server."""
    command = [sys.executable, "-m", "deploy.local.pubsub", "--port", str(port), "--data", str(data)]
    process = _start(command)
    assert process.stdout
    with _until_the_end(PubSub(process.stdout.readline().split()[-1], process)) as server:
        yield server


@contextmanager
def google(folder: Path) -> Iterator[PubSub]:
    """Google's emulator; skips where it is not installed."""
    if googles.find() is None:
        pytest.skip("Google's Pub/Sub emulator is not installed here")
    port = laptop.free_port()
    server = PubSub(f"127.0.0.1:{port}", _start(googles.command(port, folder)))
    with _until_the_end(server):
        laptop.wait_for(lambda: _lists_topics(server))
        yield server


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


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Variables that hold for a moment."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield


def unique() -> str:
    """An id that no other test has."""
    return f"test-{uuid.uuid4().hex}"


def seconds(value: float) -> Duration:
    """A duration as the client wants it."""
    return Duration(seconds=int(value), nanos=int(value % 1 * 1e9))


def a_moment() -> None:
    """Time for something to happen that must not happen."""
    time.sleep(0.4)


def _start(command: list[str]) -> subprocess.Popen[str]:
    quiet = subprocess.DEVNULL
    return subprocess.Popen(
        command, cwd=laptop.ROOT, stdout=subprocess.PIPE, stderr=quiet, text=True, start_new_session=True
    )


@contextmanager
def _until_the_end(server: PubSub) -> Iterator[PubSub]:
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.kill()


def _lists_topics(server: PubSub) -> bool:
    from google.api_core.exceptions import GoogleAPICallError

    try:
        list(server.publisher.list_topics(project=PROJECT, timeout=2))
    except GoogleAPICallError:
        return False
    return True
