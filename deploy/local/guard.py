"""`python -m deploy.local.guard`: ends the stack's processes when its supervisor can no longer do so.

It is told on its standard input which process groups there are (`+123`) and are no more (`-123`). The end of that input
is the end of the supervisor, also by kill -9: what is left then is told to stop, and a few seconds later made to.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, cast

from deploy.local.processes import end_group, group_lives

GRACE_SECONDS = 3.0


class Guard:
    """The supervisor's end of the line to its guard, which is started again if it dies.

    The guard holds the supervisor's lock, too: nobody starts on the same data before the last part has gone.
    """

    def __init__(self, cwd: Path, lock: IO[str] | None = None) -> None:
        self._cwd, self._held = cwd, (lock.fileno(),) if lock else ()
        self._groups: set[int] = set()
        self._start()

    @property
    def pid(self) -> int:
        """Of the guard's process."""
        return self._process.pid

    def add(self, group: int) -> None:
        """This group dies with the supervisor."""
        self._groups.add(group)
        self._tell(f"+{group}")

    def remove(self, group: int) -> None:
        """This group is gone; its number may be somebody else's soon."""
        self._groups.discard(group)
        self._tell(f"-{group}")

    def watch(self) -> None:
        """Start the guard again if it has died."""
        if self._process.poll() is not None:
            self._start()

    def dismiss(self) -> None:
        """The supervisor has ended everything itself."""
        self._line.close()
        self._process.wait()

    def _start(self) -> None:
        command = [sys.executable, "-m", "deploy.local.guard"]
        self._process = subprocess.Popen(
            command,
            cwd=self._cwd,
            stdin=subprocess.PIPE,
            text=True,
            bufsize=1,
            start_new_session=True,
            pass_fds=self._held,
        )
        self._line = cast(IO[str], self._process.stdin)
        for group in self._groups:
            self._tell(f"+{group}")

    def _tell(self, line: str) -> None:
        try:
            self._line.write(f"{line}\n")
        except BrokenPipeError:
            # It has died; watch() tells its successor everything.
            return


def main() -> None:
    """Listen to the supervisor until it is gone, then clear up."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        (groups.add if line[0] == "+" else groups.discard)(int(line[1:]))
    for group in groups:
        end_group(group, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    while time.monotonic() < deadline and any(map(group_lives, groups)):
        time.sleep(0.05)
    for group in groups:
        end_group(group)


if __name__ == "__main__":
    main()
