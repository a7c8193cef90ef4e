"""Google's own Pub/Sub emulator, where the gcloud on this machine has it."""

from __future__ import annotations

import shutil
from pathlib import Path

from shared.errors import TidewheelError

EMULATOR = "platform/pubsub-emulator/bin/cloud-pubsub-emulator"


def command(port: int, data_dir: Path) -> list[str]:
    """How to start it as one process: gcloud itself would stand between and survive a kill.

    Raises:
        TidewheelError: this machine lacks gcloud, the emulator or Java.
    """
    script = find()
    if script is None:
        remedy = "Install it with `gcloud components install pubsub-emulator` (it needs Java), or use Tidewheel's own."
        raise TidewheelError("Google's Pub/Sub emulator is not installed here.", remedy)
    return [str(script), "--host=127.0.0.1", f"--port={port}", f"--data-dir={data_dir}"]


def find() -> Path | None:
    """The emulator's script under the SDK's root, if it can be run."""
    gcloud, java = shutil.which("gcloud"), shutil.which("java")
    if not (gcloud and java):
        return None
    script = Path(gcloud).resolve().parent.parent / EMULATOR
    return script if script.exists() else None
