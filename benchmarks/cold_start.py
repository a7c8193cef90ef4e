"""From the start of a function's process to its first answer, in multiples of an empty function.

Each function that takes events is sent one whose fields are missing: to refuse it, the edge goes through the ledger
and publishes StepFailed, so that all is paid for but the step's own work. `predict` is asked for no model's path.
"""

from __future__ import annotations

import base64
import json
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from pathlib import Path

from benchmarks import running
from benchmarks.figures import median
from benchmarks.ways import HERE
from deploy.local import stack
from deploy.local.layout import ROOT
from deploy.local.parts import HTTP_FUNCTIONS
from shared.lifecycle.events import CONSUMERS

WARMING = 1
Env = Mapping[str, str]


def measure(rounds: int = 7) -> dict[str, float]:
    """Every function once in each round."""
    sources = {main.parent.name: main for main in sorted((ROOT / "functions").glob("*/main.py"))}
    sources["empty"] = HERE / "empty" / "main.py"
    with tempfile.TemporaryDirectory() as folder:
        home, functions = Path(folder) / ".tidewheel", Path(folder) / "none"
        stack.up(home, detach=True, functions=functions, servers=("pubsub", "storage"), on_progress=lambda _: None)
        try:
            return _told(_rounds(sources, stack.stack_env(home), WARMING + rounds))
        finally:
            stack.down(home)


def quick() -> dict[str, float]:
    """The same with fewer of them."""
    return measure(rounds=1)


def _rounds(sources: Mapping[str, Path], env: Env, rounds: int) -> dict[str, float]:
    taken = [{name: _cold(name, main, env) for name, main in sources.items()} for _ in range(rounds)]
    # The first round also compiles.
    return {name: median([each[name] for each in taken[WARMING:]]) for name in sources}


def _told(taken: Mapping[str, float]) -> dict[str, float]:
    figures = {f"cold_start_{name}_s": seconds for name, seconds in taken.items()}
    others = {name: seconds for name, seconds in taken.items() if name != "empty"}
    return figures | {f"cold_start_{name}_to_empty_ratio": each / taken["empty"] for name, each in others.items()}


def _cold(name: str, main: Path, env: Env) -> float:
    """Seconds from exec to the first answer."""
    port, is_http = running.free_port(), name in HTTP_FUNCTIONS | {"empty"}
    command = running.function_command(main, name, "http" if is_http else "cloudevent", port)
    request = request_for(name, port)
    began = time.perf_counter()
    with running.process(*command, env={**env, "WORKERS": "1", "THREADS": "4"}):
        running.wait_until(lambda: is_answered(request), pause_seconds=0.01)
        return time.perf_counter() - began


def request_for(name: str, port: int) -> urllib.request.Request:
    """What a function that listens there is sent."""
    topic = next((topic for topic, function in CONSUMERS.items() if function == name), "")
    url = f"http://127.0.0.1:{port}/projects/p/topics/{topic}"
    headers = {"Content-Type": "application/json"}
    return urllib.request.Request(url, _push(), headers, method="POST") if topic else urllib.request.Request(url)


def _push() -> bytes:
    message = {"data": base64.b64encode(b"{}").decode(), "messageId": uuid.uuid4().hex, "attributes": {}}
    return json.dumps({"message": message, "subscription": "projects/p/subscriptions/s"}).encode()


def is_answered(request: urllib.request.Request) -> bool:
    """Whether it answers by now, if only that there is nothing."""
    try:
        urllib.request.urlopen(request, timeout=60).close()
    except urllib.error.HTTPError as answer:
        if answer.code != 404:
            raise
    except OSError:
        return False
    return True
