"""The laptop's machines: a file each, which the stack's supervisor finds, so that it outlives whoever asked for it."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from shared.adapters.machines import ABSENT, ENDED, RUNNING, Machine

# A machine that had to be deleted so often would have to be the next time, too.
MOST_DELETED = 3


class LocalMachines:
    """Files in a folder: `<name>.json` asks for a process, `<name>.exit` says that it has ended for good.

    `<name>.deleted-<n>` is one that was deleted.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def launch(self, name: str, task: dict[str, Any]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        path, draft = self._file(name), self._folder / f".{name}.{os.getpid()}"
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
        if self._file(name).exists():
            return RUNNING
        return ENDED if self._deleted(name) >= MOST_DELETED else ABSENT

    def there(self) -> list[Machine]:
        files = [file for file in sorted(self._folder.glob("*.json")) if not self._exit(file.stem).exists()]
        return [Machine(name=file.stem, age_seconds=time.time() - file.stat().st_mtime) for file in files]

    def delete(self, machine: Machine) -> None:
        # The supervisor ends a process whose file is gone.
        with suppress(FileNotFoundError):
            self._file(machine.name).rename(self._folder / f"{machine.name}.deleted-{self._deleted(machine.name) + 1}")

    def _deleted(self, name: str) -> int:
        return len([*self._folder.glob(f"{name}.deleted-*")])

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _exit(self, name: str) -> Path:
        return self._folder / f"{name}.exit"
