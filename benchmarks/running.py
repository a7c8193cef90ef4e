"""Processes that a measurement starts, and ends again."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from deploy.local import probe
from deploy.local.layout import ROOT
from deploy.local.parts import MANNERS
from deploy.local.ports import FREE_RANGE, is_free

PATIENCE_SECONDS = 120.0


def free_port() -> int:
    """A port on which nobody listens."""
    return next(port for port in iter(lambda: random.choice(FREE_RANGE), None) if is_free(port))


def wait_until(ask: Callable[[], object], pause_seconds: float = 0.005) -> None:
    """Ask until the answer is a true one.

    Raises:
        TimeoutError: it never was.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not ask():
        if time.monotonic() > deadline:
            raise TimeoutError("waited in vain")
        time.sleep(pause_seconds)


@contextmanager
def command(*words: str, env: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A process until the end of the block; what it says is kept to itself."""
    quiet = subprocess.DEVNULL
    surroundings = {**os.environ, **MANNERS, **(env or {})}
    running = subprocess.Popen(words, cwd=ROOT, env=surroundings, stdin=quiet, stdout=quiet, stderr=quiet)
    try:
        yield running
    finally:
        running.terminate()
        _end(running)


def process(*words: str, env: Mapping[str, str] | None = None) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """A Python process of this project's, until the end of the block."""
    return command(sys.executable, *words, env=env)


def _end(running: subprocess.Popen[bytes]) -> None:
    try:
        running.wait(timeout=10)
    except subprocess.TimeoutExpired:
        running.kill()
        running.wait()


def function_command(source: Path, target: str, kind: str, port: int) -> Sequence[str]:
    """How the laptop's stack starts a function."""
    command = ["-m", "deploy.local.function", "--source", str(source), "--target", target]
    return [*command, "--signature-type", kind, "--port", str(port)]


def answers(port: int, path: str | None = None) -> bool:
    """Whether a server is there yet."""
    return probe.answers(port, path)
