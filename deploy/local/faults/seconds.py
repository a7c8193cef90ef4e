"""A second instance of a function or of a worker, as a cloud starts one when the first does not answer."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from deploy.local import probe, processes
from deploy.local.faults.lab import Lab, until
from deploy.local.layout import ROOT
from deploy.local.parts import MANNERS
from deploy.local.ports import FREE_RANGE, is_free


@contextmanager
def function(lab: Lab, name: str) -> Iterator[int]:
    """Another instance of a function: its port."""
    port = next(each for each in iter(lambda: random.choice(FREE_RANGE), None) if is_free(each))
    command = ["-m", "deploy.local.function", "--source", str(lab.functions / name / "main.py")]
    command += ["--target", name, "--signature-type", "cloudevent", "--port", str(port)]
    with _process(lab, command, {"WORKERS": "1", "THREADS": "4"}):
        until(lambda: probe.answers(port, None), f"a second {name}")
        yield port


@contextmanager
def worker(lab: Lab, machine: str) -> Iterator[subprocess.Popen[bytes]]:
    """Another machine on the same task."""
    with _process(lab, ["-m", lab.worker, str(lab.layout.machines / f"{machine}.json")], {}) as process:
        yield process


@contextmanager
def _process(lab: Lab, command: list[str], env: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    surroundings = {**os.environ, **MANNERS, **env}
    with lab.layout.log("second").open("ab") as log:
        # Nothing of ours may run between fork and exec: gRPC's threads have left their locks as they were.
        process = subprocess.Popen(
            [sys.executable, *command],
            env=surroundings,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        processes.end_group(process.pid)
        process.wait()
