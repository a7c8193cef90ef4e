"""Our Pub/Sub for the laptop, and Google's emulator where gcloud has it: how soon, and how many."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from google.pubsub_v1 import PubsubMessage

from benchmarks import pubsub_clients, running
from benchmarks.arrivals import Arrivals
from benchmarks.figures import spread_ms
from deploy.local import processes
from deploy.local.pubsub import google

PROJECT = "tidewheel-bench"
DATA = b"x" * 500
PAUSE_SECONDS = 0.01


def measure(messages: int = 5000, times: int = 100, rounds: int = 3) -> dict[str, float]:
    """Both servers, one after the other in each round."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as block:
        servers = {name: block.enter_context(server) for name, server in _servers(Path(folder)).items()}
        taken: dict[str, list[float]] = {}
        for _ in range(rounds):
            for name, server in servers.items():
                for figure, value in (_latency(server, times) | _throughput(server, messages)).items():
                    taken.setdefault(f"pubsub_{name}_{figure}", []).append(value)
        memory = {f"pubsub_{name}_memory_mb": server.memory_mb() for name, server in servers.items()}
    return {figure: statistics.median(values) for figure, values in taken.items()} | memory


def quick() -> dict[str, float]:
    """The same with fewer of them."""
    return measure(messages=1000, times=50, rounds=1)


class Server:
    """A Pub/Sub server and clients of it."""

    def __init__(self, host: str, pid: int) -> None:
        self._pid, self._topics = pid, 0
        self.publisher, self.subscriber = pubsub_clients.publisher(host), pubsub_clients.subscriber(host)
        os.environ["PUBSUB_EMULATOR_HOST"] = host
        from google.cloud import pubsub_v1  # type: ignore[attr-defined]  # It has no types.

        # The official client as it comes: it gathers what is published in haste.
        self.batching = pubsub_v1.PublisherClient()

    def topic(self) -> str:
        """A new one."""
        self._topics += 1
        return self.publisher.create_topic(name=f"projects/{PROJECT}/topics/bench-{self._topics}").name

    def subscribe(self, topic: str, url: str = "") -> str:
        """A new subscription; with a URL, one that pushes."""
        short = topic.rpartition("/")[2]
        wanted = pubsub_clients.push_to(url, short, f"{short}-{'push' if url else 'pull'}", PROJECT)
        if not url:
            wanted.pop("push_config")
        return self.subscriber.create_subscription(request=wanted).name

    def memory_mb(self) -> float:
        """What it holds."""
        return processes.memory_mb(self._pid, processes.family())


def _servers(folder: Path) -> dict[str, Any]:
    servers = {"tidewheel": _ours(folder)}
    return servers | ({"google": _googles(folder)} if google.find() else {})


@contextmanager
def _ours(folder: Path) -> Iterator[Server]:
    port = running.free_port()
    command = ("-m", "deploy.local.pubsub", "--port", str(port), "--data", str(folder / "pubsub.sqlite"))
    with running.process(*command) as process:
        running.wait_until(lambda: running.answers(port))
        yield Server(f"127.0.0.1:{port}", process.pid)


@contextmanager
def _googles(folder: Path) -> Iterator[Server]:
    port = running.free_port()
    with running.command(*google.command(port, folder)) as process:
        running.wait_until(lambda: running.answers(port, "/"))
        yield Server(f"127.0.0.1:{port}", process.pid)


def _latency(server: Server, times: int) -> dict[str, float]:
    """From the call that publishes to the arrival at the endpoint, one message at a time."""
    topic, taken = server.topic(), []
    with Arrivals() as arrivals:
        subscription = server.subscribe(topic, arrivals.url)
        for _ in range(times):
            time.sleep(PAUSE_SECONDS)
            began = time.perf_counter()
            server.publisher.publish(topic=topic, messages=[PubsubMessage(data=DATA)])
            taken.append(arrivals.next().at - began)
        server.subscriber.delete_subscription(subscription=subscription)
    return spread_ms("publish_to_push", taken[len(taken) // 10 :])


def _throughput(server: Server, messages: int) -> dict[str, float]:
    topic = server.topic()
    subscription = server.subscribe(topic)
    per_second = {"publish_per_s": messages / _publish(server, topic, messages)}
    per_second["pull_per_s"] = messages / _pull(server, subscription, messages)
    return per_second | {"push_per_s": messages / _push(server, messages)}


def _publish(server: Server, topic: str, messages: int) -> float:
    began = time.perf_counter()
    for confirmed in [server.batching.publish(topic, DATA) for _ in range(messages)]:
        confirmed.result(timeout=60)
    return time.perf_counter() - began


def _pull(server: Server, subscription: str, messages: int) -> float:
    began, left = time.perf_counter(), messages
    while left > 0:
        pulled = server.subscriber.pull(subscription=subscription, max_messages=1000, timeout=30).received_messages
        if pulled:
            ack_ids = [each.ack_id for each in pulled]
            server.subscriber.acknowledge(subscription=subscription, ack_ids=ack_ids)
        left -= len(pulled)
    return time.perf_counter() - began


def _push(server: Server, messages: int) -> float:
    """Until the last of many has arrived, publishing included."""
    topic = server.topic()
    with Arrivals() as arrivals:
        server.subscribe(topic, arrivals.url)
        began = time.perf_counter()
        _publish(server, topic, messages)
        for _ in range(messages):
            last = arrivals.next()
        return last.at - began
