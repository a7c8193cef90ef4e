"""The MLflow server of Google Cloud on this machine: its container's own start command, without the container."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.local import probe
from deploy.local.environment import ARTIFACTS
from deploy.local.layout import ROOT
from tests.emulated.laptop import free_port

START = ROOT / "deploy" / "gcp" / "mlflow" / "start.py"
PATIENCE_SECONDS = 90.0


@dataclass(frozen=True)
class Starting:
    """A server that was started; it may refuse to."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def told(self) -> str:
        """What it has said so far."""
        return self.log.read_text()

    def wait(self) -> Starting:
        """Until it answers as Cloud Run's probe asks."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not probe.answers(self.port, "/health"):
            assert self.process.poll() is None and time.monotonic() < deadline, self.told()
            time.sleep(0.1)
        return self


@contextmanager
def start(
    env: Mapping[str, str], folder: Path, *arguments: str, python: str = sys.executable, **extra: str
) -> Iterator[Starting]:
    """Run the start command with what Terraform would set, and only that; end it with SIGTERM, as Cloud Run does."""
    port = free_port()
    log = folder / f"mlflow-{port}.log"
    own = {
        "PATH": os.environ["PATH"],
        "PORT": str(port),
        "MLFLOW_WORKERS": "1",
        "MLFLOW_ARTIFACTS_DESTINATION": f"gs://{ARTIFACTS}",
        "MLFLOW_SERVER_ALLOWED_HOSTS": f"127.0.0.1:{port}",
        **env,
        **extra,
    }
    with log.open("wb") as out:
        # In a folder of its own: it must find nothing of the repository.
        process = subprocess.Popen([python, str(START), *arguments], cwd=folder, env=own, stdout=out, stderr=out)
    try:
        yield Starting(process, port, log)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
