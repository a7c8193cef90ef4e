"""`mlflow server` in one process: its command starts uvicorn as a child and keeps 100 MB only to wait for it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence


def become(command: Sequence[str], *, extra_env: Mapping[str, str], **_: object) -> None:
    """Turn this process into the server instead of starting a child."""
    os.execvpe(command[0], list(command), {**os.environ, **extra_env})


if __name__ == "__main__":
    import mlflow.server
    from mlflow.cli import cli

    mlflow.server._exec_cmd = become  # type: ignore[assignment]  # It takes less, and never returns.
    cli(["server", *sys.argv[1:]], prog_name="mlflow")
