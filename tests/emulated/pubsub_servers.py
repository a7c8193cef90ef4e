"""Helpers of the Pub/Sub tests: our server, Google's, and official clients of either."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from google.cloud import pubsub_v1  # type: ignore[attr-defined]  # It has no types.
from google.protobuf.duration_pb2 import Duration
from google.pubsub_v1.types import PullResponse, ReceivedMessage

from deploy.local.pubsub import google as googles
from tests.emulated import laptop

PROJECT = "projects/tidewheel-test"


def seconds(value: float) -> Duration:
    """A duration as the client wants it."""
    return Duration(seconds=int(value), nanos=int(value % 1 * 1e9))


QUICK = {"minimum_backoff": seconds(0.1), "maximum_backoff": seconds(0.2)}


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

    def dead_letters(self) -> dict[str, Any]:
        """A subscription's dead-letter policy, with a topic of its own."""
        return {"dead_letter_policy": {"dead_letter_topic": self.topic(), "max_delivery_attempts": 5}}

    def publish(self, topic: str, data: bytes, **attributes: str) -> str:
        """The id of a message that was confirmed."""
        return self.publisher.publish(topic, data, **attributes).result(laptop.PATIENCE_SECONDS)

    def pull(self, subscription: str, count: int = 1) -> list[ReceivedMessage]:
        """As many messages, however many calls that takes."""
        pulled: list[ReceivedMessage] = []

        def have_all() -> bool:
            pulled.extend(self._pull(subscription, count - len(pulled)))
            return len(pulled) == count

        laptop.wait_for(have_all)
        return pulled

    def drain(self, subscription: str) -> list[ReceivedMessage]:
        """Everything that is ready now."""
        request = {"subscription": subscription, "max_messages": 1000, "return_immediately": True}
        return [
            each
            for pull in iter(lambda: self.subscriber.pull(request=request), PullResponse())
            for each in pull.received_messages
        ]

    def is_empty(self, subscription: str) -> bool:
        """Whether nothing is ready now."""
        return not self.drain(subscription)

    def acknowledge(self, subscription: str, messages: list[ReceivedMessage]) -> None:
        """Done with those."""
        ack_ids = [message.ack_id for message in messages]
        self.subscriber.acknowledge(request={"subscription": subscription, "ack_ids": ack_ids})

    def lease(self, subscription: str, message: ReceivedMessage, seconds: int) -> None:
        """Keep a message for so long; 0 gives it back."""
        request = {"subscription": subscription, "ack_ids": [message.ack_id], "ack_deadline_seconds": seconds}
        self.subscriber.modify_ack_deadline(request=request)

    def kill(self) -> None:
        """Kill -9."""
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
