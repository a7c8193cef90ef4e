"""Machines that train one request each: on the laptop a process, which the stack's supervisor starts."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Protocol

from shared.errors import PermanentError
from shared.settings import Settings

ABSENT, RUNNING, ENDED = "absent", "running", "ended"


class Machines(Protocol):
    """Whoever can start a machine for a request."""

    def launch(self, name: str, task: dict[str, Any]) -> None:
        """Start the machine of this name on its task; that there is one already is success."""

    def state(self, name: str) -> str:
        """Whether the machine is absent, running (or about to), or has ended for good."""


class LocalMachines:
    """The laptop's: a machine is a file that the supervisor finds, so that it outlives whoever asked for it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def launch(self, name: str, task: dict[str, Any]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        path, draft = self._folder / f"{name}.json", self._folder / f".{name}.{os.getpid()}"
        draft.write_text(json.dumps(task))
        try:
            # A link appears whole or not at all, and fails if the name is taken.
            os.link(draft, path)
        except FileExistsError:
            return
        finally:
            draft.unlink()

    def state(self, name: str) -> str:
        if (self._folder / f"{name}.exit").exists():
            return ENDED
        return RUNNING if (self._folder / f"{name}.json").exists() else ABSENT


def machines(settings: Settings) -> Machines:
    """The machines of this project.

    Raises:
        PermanentError: there is nowhere to train.
    """
    if settings.machines_dir is None:
        raise PermanentError(
            "TIDEWHEEL_MACHINES_DIR is not set, and there is nowhere to train.", 'On a laptop start "tidewheel up".'
        )
    return LocalMachines(settings.machines_dir)
