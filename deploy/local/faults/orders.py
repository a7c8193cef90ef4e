"""Orders to die or to freeze at a crash point, and what became of them."""

from __future__ import annotations

import json
import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.local import processes
from shared.lifecycle.crash import FREEZE


@dataclass(frozen=True)
class Orders:
    """The folder that the processes of the stack look into."""

    folder: Path

    def give(self, point: str, how: str) -> None:
        """The next process that reaches the point obeys."""
        self._claim(point).unlink(missing_ok=True)
        (self.folder / point).write_text(how)

    def obeyed(self, point: str) -> dict[str, Any] | None:
        """Who obeyed, once it has done so."""
        try:
            claim: dict[str, Any] = json.loads(self._claim(point).read_text())
        except FileNotFoundError:
            return None
        return claim if _has_happened(claim["pid"]) else None

    def take_back(self) -> None:
        """Nobody obeys any more, and who was frozen goes on."""
        for file in self.folder.iterdir():
            if file.suffix == ".claimed" and json.loads(file.read_text())["how"] == FREEZE:
                self.thaw(file.stem)
            file.unlink()

    def thaw(self, point: str) -> None:
        """Let who was frozen go on."""
        with suppress(ProcessLookupError):
            os.kill(json.loads(self._claim(point).read_text())["pid"], signal.SIGCONT)

    def _claim(self, point: str) -> Path:
        return self.folder / f"{point}.claimed"


def is_frozen(pid: int) -> bool:
    """Whether a process stands still."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] == "T"
    except OSError:
        return False


def _has_happened(pid: int) -> bool:
    """The signal is sent after the claim is written: an instant may lie between them."""
    return is_frozen(pid) or not processes.lives(pid)
