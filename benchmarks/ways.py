"""Ways to run the same five steps; each is started, and then runs one lifecycle at a call."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from benchmarks import pubsub_clients, running
from benchmarks.arrivals import Arrivals
from benchmarks.five_steps.steps import MODEL
from benchmarks.plain import AS_THE_STACK, Script
from deploy.local import stack
from deploy.local.layout import ROOT
from shared.lifecycle import messages
from shared.lifecycle.events import DropReceived, ModelPromoted, TrainingScheduled

Run = Callable[[], None]
HERE = ROOT / "benchmarks"


@contextmanager
def tidewheel(folder: Path) -> Iterator[Run]:
    """From a published drop to the pushed decision: our Pub/Sub, the edge, the ledger on the storage emulator."""
    home = folder / ".tidewheel"
    stack.up(
        home,
        detach=True,
        functions=HERE / "five_steps",
        servers=("pubsub", "storage"),
        on_progress=lambda _: None,
    )
    try:
        with Arrivals() as arrivals:
            yield Lifecycles(stack.stack_env(home), arrivals, _url_of(home, "train")).run
    finally:
        stack.down(home)


def _url_of(home: Path, function: str) -> str:
    (part,) = [part for part in stack.parts(home) if part["name"] == function]
    return f"http://127.0.0.1:{part['port']}"


class Lifecycles:
    """Publishes drops, and waits for what is decided."""

    def __init__(self, env: dict[str, str], arrivals: Arrivals, train_url: str) -> None:
        self._arrivals, self._project = arrivals, env["GOOGLE_CLOUD_PROJECT"]
        self._publisher = pubsub_clients.publisher(env["PUBSUB_EMULATOR_HOST"])
        subscriber = pubsub_clients.subscriber(env["PUBSUB_EMULATOR_HOST"])
        # The stack knows no consumer of these two: the machine's stand-in, and whoever listens.
        train_path = f"{train_url}/projects/{self._project}/topics/{TrainingScheduled.topic}"
        for url, kind in ((train_path, TrainingScheduled), (arrivals.url, ModelPromoted)):
            wanted = pubsub_clients.push_to(url, kind.topic, f"bench-{kind.topic}", self._project)
            subscriber.create_subscription(request=wanted)

    def run(self) -> None:
        """One lifecycle; two drops with one generation would be one piece of work."""
        generation = time.time_ns()
        drop = DropReceived(bucket="landing", name=f"{MODEL}/{generation}.csv", generation=generation)
        topic, data, attributes = messages.encode(drop, drop.name)
        message = {"data": data, "attributes": attributes}
        self._publisher.publish(request={"topic": f"projects/{self._project}/topics/{topic}", "messages": [message]})
        while f'"decision": {generation}'.encode() not in self._arrivals.next().data:
            continue


@contextmanager
def chained_http(folder: Path) -> Iterator[Run]:
    """Five functions, each calling the next; what is under way when one dies is lost."""
    ports = [running.free_port() for _ in range(5)]
    urls = [f"http://127.0.0.1:{port}/" for port in ports]
    with ExitStack() as block:
        for port, url in zip(ports, [*urls[1:], ""], strict=True):
            command = running.function_command(HERE / "chained" / "main.py", "chained", "http", port)
            block.enter_context(running.process(*command, env={"NEXT_URL": url, "WORKERS": "1", "THREADS": "4"}))
        for port in ports:
            running.wait_until(partial(running.answers, port))
        yield lambda: urllib.request.urlopen(urls[0], b"{}", timeout=60).close()


@contextmanager
def script(folder: Path) -> Iterator[Run]:
    """Five SQLite commits in this process, as durable as our servers' own."""
    folder.mkdir(parents=True, exist_ok=True)
    plain = Script(folder / "plain.sqlite", *AS_THE_STACK)
    yield lambda: plain.run(str(time.time_ns()))


@contextmanager
def script_synced(folder: Path) -> Iterator[Run]:
    """The same with SQLite's own settings, which wait for the disk."""
    folder.mkdir(parents=True, exist_ok=True)
    plain = Script(folder / "plain.sqlite")
    yield lambda: plain.run(str(time.time_ns()))


WAYS = {"tidewheel": tidewheel, "chained_http": chained_http, "script": script, "script_synced": script_synced}
