"""Helpers of the tests of the laptop's own servers: start one, wait for it, kill it."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from deploy.local import probe
from deploy.local.layout import ROOT
from deploy.local.ports import FREE_RANGE, is_free

PATIENCE_SECONDS = 60.0
T = TypeVar("T")
OURS = ROOT / "deploy" / "local" / "pubsub" / "__main__.py"


def free_port() -> int:
    """A port on which nobody listens."""
    return next(port for port in iter(lambda: random.choice(FREE_RANGE), None) if is_free(port))


def wait_for(ask: Callable[[], T]) -> T:
    """Ask until the answer is a true one."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (answer := ask()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return answer


class Server:
    """A server in a process of its own."""

    def __init__(self, command: list[str], port: int) -> None:
        self.port = port
        self._process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
        wait_for(lambda: probe.answers(port, None))

    def kill(self) -> None:
        """Kill -9, also of its children."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@contextmanager
def storage(data: Path, *options: str, port: int | None = None) -> Iterator[Server]:
    """The emulated Cloud Storage."""
    port = port or free_port()
    command = [sys.executable, "-m", "deploy.local.storage", "--port", str(port), "--data", str(data), *options]
    with _until_the_end(Server(command, port)) as server:
        yield server


@contextmanager
def pubsub(data: Path, port: int) -> Iterator[Server]:
    """Our Pub/Sub, or Google's where ours is not there."""
    if OURS.exists():
        command = [sys.executable, "-m", "deploy.local.pubsub", "--host", "127.0.0.1", "--port", str(port)]
        command += ["--data", str(data / "pubsub.sqlite")]
    elif shutil.which("gcloud"):
        command = [
            "gcloud",
            "beta",
            "emulators",
            "pubsub",
            "start",
            f"--host-port=127.0.0.1:{port}",
            f"--data-dir={data}",
        ]
    else:
        pytest.skip("no Pub/Sub here")
    with _until_the_end(Server(command, port)) as server:
        yield server


@contextmanager
def _until_the_end(server: Server) -> Iterator[Server]:
    try:
        yield server
    finally:
        if server._process.poll() is None:
            server.kill()


# Ours wherever it is; the stack's tests do not depend on which.
PUBSUB = "tidewheel" if OURS.exists() else "google"
