"""Where the laptop's stack keeps what: everything is under one folder, `.tidewheel/`."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Layout:
    """The folders and files of one stack."""

    home: Path

    @property
    def state(self) -> Path:
        """What runs now, as the supervisor last wrote it."""
        return self.home / "stack.json"

    @property
    def lock(self) -> Path:
        """Held by the supervisor for as long as it lives."""
        return self.home / "stack.lock"

    @property
    def ports(self) -> Path:
        """The ports of the last start, which are taken again where they are free."""
        return self.home / "ports.json"

    @property
    def logs(self) -> Path:
        """One log for each part and each training."""
        return self.home / "logs"

    @property
    def machines(self) -> Path:
        """One file for each "VM" that was asked for."""
        return self.home / "machines"

    @property
    def data(self) -> Path:
        """What the servers keep between two starts."""
        return self.home / "data"

    @property
    def held(self) -> Path:
        """A part whose name is in there stays down: the fault lab's way to take a server away for a while."""
        return self.home / "held"

    def log(self, name: str) -> Path:
        """The log of a part or a training."""
        return self.logs / f"{name}.log"

    def make(self) -> None:
        """Make the folders that are missing."""
        for folder in (self.logs, self.machines, self.data):
            folder.mkdir(parents=True, exist_ok=True)

    def begin_anew(self) -> None:
        """Forget everything but the ports: nobody likes to change a bookmark."""
        for folder in (self.logs, self.machines, self.data):
            shutil.rmtree(folder, ignore_errors=True)
        self.make()

    def rotate_logs(self, names: Iterable[str]) -> None:
        """Keep the parts' logs of this start and of the one before; a training's log is kept as it is."""
        for log in map(self.log, names):
            if log.exists():
                log.replace(log.with_suffix(".log.1"))
