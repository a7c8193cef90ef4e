"""Starting, measuring and ending processes so that none outlives the stack."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

PR_SET_PDEATHSIG = 1
PROC = Path("/proc")
Family = dict[int, list[int]]
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def start(command: Sequence[str], *, env: Mapping[str, str], log: Path, cwd: Path) -> subprocess.Popen[bytes]:
    """Start a process in a group of its own; on Linux it is told to end when the thread that started it dies."""
    with log.open("ab") as output:
        return subprocess.Popen(
            list(command),
            env={**os.environ, **env},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_end_with_parent if LIBC else None,  # noqa: PLW1509 - the supervisor has no threads
        )


def _end_with_parent() -> None:
    if LIBC:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def end_group(group: int, how: signal.Signals = signal.SIGKILL) -> None:
    """Signal everybody in a process group, if there still is anybody."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, how)


def group_lives(group: int) -> bool:
    """Whether anybody of a process group is left."""
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def lives(pid: int) -> bool:
    """Whether a process still runs; one that has ended, and that nobody has asked about yet, does not."""
    if not PROC.is_dir():
        return _ps("-o", "state=", "-p", str(pid)).strip()[:1] not in ("", "Z")
    try:
        return _after_name(pid)[0] != "Z"
    except OSError:
        return False


def memory_mb(pid: int, family: Family) -> float:
    """What a process and its descendants hold; pages that they share are counted once (on macOS: each time)."""
    return round(sum(_memory_kb(each) for each in [pid, *descendants(pid, family)]) / 1024, 1)


def _memory_kb(pid: int) -> int:
    if not PROC.is_dir():
        return int(_ps("-o", "rss=", "-p", str(pid)).strip() or 0)
    with suppress(OSError):
        for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def descendants(pid: int, family: Family) -> list[int]:
    """Children, their children, and so on."""
    found, todo = [], [pid]
    while todo:
        born = family.get(todo.pop(), [])
        found += born
        todo += born
    return found


def family() -> Family:
    """The children of every process of this machine."""
    children: Family = {}
    for child, parent in _with_parents():
        children.setdefault(parent, []).append(child)
    return children


def _with_parents() -> Iterator[tuple[int, int]]:
    if not PROC.is_dir():
        for line in _ps("-A", "-o", "pid=,ppid=").splitlines():
            child, parent = line.split()
            yield int(child), int(parent)
        return
    for folder in PROC.glob("[0-9]*"):
        # A slim container has no ps.
        with suppress(OSError):
            yield int(folder.name), int(_after_name(int(folder.name))[1])


def _after_name(pid: int) -> list[str]:
    """State, parent and so on; the name before them, in parentheses, may hold anything, also parentheses."""
    return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()


def _ps(*options: str) -> str:
    return subprocess.run(["ps", *options], capture_output=True, text=True, check=False).stdout
