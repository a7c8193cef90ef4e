"""Places where the fault lab kills or freezes a process; where TIDEWHEEL_FAULTS names no folder, nothing happens.

The lab orders a fault by a file that is named after the point and says how: `kill` or `freeze`. The first process that
gets there takes the order away by renaming it, writes down that it did, and does it to itself: there is no handler, no
`finally` and no farewell, as when a machine dies.
"""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

FOLDER = "TIDEWHEEL_FAULTS"
KILL, FREEZE = "kill", "freeze"
_SIGNALS = {KILL: signal.SIGKILL, FREEZE: signal.SIGSTOP}


def point(name: str) -> None:
    """Die or freeze here if that was ordered."""
    if folder := os.environ.get(FOLDER):
        _reach(Path(folder) / name)


def _reach(order: Path) -> None:
    mine = order.with_name(f"{order.name}@{os.getpid()}")
    try:
        order.rename(mine)
    except FileNotFoundError:
        return
    how = mine.read_text().strip()
    mine.write_text(json.dumps({"point": order.name, "pid": os.getpid(), "how": how, "at": time.time()}))
    mine.rename(order.with_name(f"{order.name}.claimed"))
    os.kill(os.getpid(), _SIGNALS[how])
