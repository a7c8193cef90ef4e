"""A BigQuery emulator of the tests' own, that reads the files of an emulated Cloud Storage."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.local import probe, spatial
from tests.emulated.laptop import free_port, wait_for


@dataclass(frozen=True)
class BigQueryServer:
    """Where it listens, as the official clients want it."""

    rest: str
    grpc: str


@contextmanager
def bigquery(data: Path, storage_data: Path) -> Iterator[BigQueryServer]:
    """Start one on free ports of loopback, with its state in `data`, and stop it afterwards."""
    rest, grpc = free_port(), free_port()
    command = [sys.executable, "-m", "deploy.local.bigquery", "start", "--persistent", "--data-dir", str(data)]
    command += ["--rest-port", str(rest), "--grpc-port", str(grpc), "--log-level", "error"]
    gcs = storage_data / ".cloudstorage"
    gcs.mkdir(parents=True, exist_ok=True)
    env = os.environ | {"HOME": str(spatial.private_home(data)), "BQEMU_GCS_LOCAL_ROOT": str(gcs)}
    with (data / "log").open("wb") as log:
        process = subprocess.Popen(command, env=env, start_new_session=True, stdout=log, stderr=log)
    try:
        wait_for(lambda: probe.answers(rest, "/readyz"))
        yield BigQueryServer(rest=f"http://127.0.0.1:{rest}", grpc=f"127.0.0.1:{grpc}")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
