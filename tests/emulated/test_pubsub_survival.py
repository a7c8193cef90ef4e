"""Our Pub/Sub survives kill -9, stops when it is told to, and does not start where it must not."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from google.api_core.exceptions import GoogleAPICallError
from google.pubsub_v1 import PublisherClient

from tests.emulated import pubsub_servers
from tests.emulated.endpoint import Endpoint
from tests.emulated.laptop import PATIENCE_SECONDS, ROOT, wait_for
from tests.emulated.pubsub_servers import QUICK, PubSub

pytestmark = pytest.mark.filterwarnings("ignore:The return_immediately flag:DeprecationWarning")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "pubsub.sqlite"


def test_what_was_confirmed_survives_a_kill_while_publishing(data: Path) -> None:
    with pubsub_servers.ours(data) as first:
        topic = first.topic()
        subscription = first.subscription(topic)
        confirmed = publish_until_it_fails(first, topic, kill_after=200)
    with pubsub_servers.ours(data) as second:
        assert confirmed <= {received.message.message_id for received in second.drain(subscription)}


def publish_until_it_fails(server: PubSub, topic: str, kill_after: int) -> set[str]:
    """The ids that four publishers at once had confirmed when the server was killed under them."""
    confirmed: set[str] = set()

    def publish() -> None:
        try:
            while True:
                request = {"topic": topic, "messages": [{"data": b"precious"}]}
                response = PublisherClient.publish(server.publisher, request=request, retry=None, timeout=5)
                confirmed.update(response.message_ids)
        except GoogleAPICallError:
            pass

    publishers = [threading.Thread(target=publish) for _ in range(4)]
    for publisher in publishers:
        publisher.start()
    wait_for(lambda: len(confirmed) >= kill_after)
    server.kill()
    for publisher in publishers:
        publisher.join()
    return confirmed


def test_what_was_acknowledged_stays_gone_after_a_kill(data: Path) -> None:
    with pubsub_servers.ours(data) as first:
        topic = first.topic()
        subscription = first.subscription(topic)
        ids = [first.publish(topic, b"%d" % number) for number in range(3)]
        pulled = first.pull(subscription, 3)
        first.acknowledge(subscription, pulled[:2])
        first.kill()
    with pubsub_servers.ours(data) as second:
        assert [received.message.message_id for received in second.pull(subscription)] == ids[2:]
        assert second.is_empty(subscription)


def test_an_acknowledgement_counts_although_the_server_was_killed_in_between(data: Path) -> None:
    with pubsub_servers.ours(data) as first:
        topic = first.topic()
        subscription = first.subscription(topic)
        first.publish(topic, b"slow work")
        pulled = first.pull(subscription)
        first.kill()
    with pubsub_servers.ours(data) as second:
        second.acknowledge(subscription, pulled)
        assert second.is_empty(subscription)


def test_a_push_that_a_kill_interrupted_is_made_again_with_its_attempts_counted(data: Path) -> None:
    with Endpoint(500, 500) as endpoint:
        with pubsub_servers.ours(data) as first:
            topic = first.topic()
            first.subscription(topic, push_config=endpoint.push_config, retry_policy=QUICK, **first.dead_letters())
            first.publish(topic, b"stubborn")
            attempts = [endpoint.next()["deliveryAttempt"] for _ in range(2)]
            endpoint.gate.clear()
            attempts.append(endpoint.next()["deliveryAttempt"])
            first.kill()
        endpoint.gate.set()
        with pubsub_servers.ours(data):
            attempts.append(endpoint.next()["deliveryAttempt"])
    assert attempts == [1, 2, 3, 3]


def test_a_subscription_deleted_while_messages_come_leaves_nothing_behind(data: Path) -> None:
    with pubsub_servers.ours(data) as first:
        topic = first.topic()
        survivor = first.subscription(topic)
        with ThreadPoolExecutor(4) as pool:
            publishing = [pool.submit(first.publish, topic, b"%d" % number) for number in range(400)]
            for _ in range(40):
                first.subscriber.delete_subscription(subscription=first.subscription(topic))
            ids = {future.result() for future in publishing}
        first.kill()
    with pubsub_servers.ours(data) as second:
        pulled = second.drain(survivor)
        second.acknowledge(survivor, pulled)
        second.kill()
    assert {received.message.message_id for received in pulled} == ids
    with closing(sqlite3.connect(data)) as file:
        assert file.execute("SELECT COUNT(*) FROM messages").fetchone() == (0,)


def test_told_to_stop_it_stops_and_keeps_what_it_has(data: Path) -> None:
    with pubsub_servers.ours(data) as first:
        topic = first.topic()
        subscription = first.subscription(topic)
        message_id = first.publish(topic, b"kept")
        listening = first.subscriber.subscribe(first.subscription(topic), lambda message: message.ack())
        first.process.send_signal(signal.SIGTERM)
        assert first.process.wait(PATIENCE_SECONDS) == 0
        listening.cancel()
    with pubsub_servers.ours(data) as second:
        assert second.pull(subscription)[0].message.message_id == message_id


def test_a_second_server_on_the_same_file_is_refused(data: Path) -> None:
    with pubsub_servers.ours(data):
        assert "Does another Pub/Sub server have it?" in failure("--port", "0", "--data", str(data))


def test_a_port_that_is_taken_is_refused(data: Path) -> None:
    with pubsub_servers.ours(data) as first:
        port = first.host.rpartition(":")[2]
        complaint = failure("--port", port, "--data", str(data.with_name("other.sqlite")))
    assert f"Nothing can listen on 127.0.0.1:{port}" in complaint


def test_it_listens_on_loopback_only(data: Path) -> None:
    assert "can be reached from outside" in failure("--host", "0.0.0.0", "--port", "0", "--data", str(data))


def failure(*options: str) -> str:
    """What a server says that does not start."""
    command = [sys.executable, "-m", "deploy.local.pubsub", *options]
    finished = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    assert finished.returncode != 0
    return finished.stderr
