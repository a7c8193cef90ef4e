"""The laptop's machines: a file each, which the stack's supervisor finds, so that it outlives whoever asked for it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from shared.adapters.machines import ABSENT, ENDED, RUNNING, Machine


class LocalMachines:
    """Files in a folder: `<name>.json` asks for a process, `<name>.exit` says that it has ended for good."""

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
        if self._exit(name).exists():
            return ENDED
        return RUNNING if (self._folder / f"{name}.json").exists() else ABSENT

    def there(self) -> list[Machine]:
        files = [file for file in sorted(self._folder.glob("*.json")) if not self._exit(file.stem).exists()]
        return [Machine(name=file.stem, age_seconds=time.time() - file.stat().st_mtime) for file in files]

    def delete(self, machine: Machine) -> None:
        # The supervisor ends a process whose file is gone.
        (self._folder / f"{machine.name}.json").unlink(missing_ok=True)

    def _exit(self, name: str) -> Path:
        return self._folder / f"{name}.exit"
