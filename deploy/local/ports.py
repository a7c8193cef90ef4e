"""Ports for the parts: the wanted ones, else those of the last start, else free ones."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path

from shared.errors import TidewheelError

# Below the range from which systems take the ports of outgoing connections: a part finds its port free at a restart.
FREE_RANGE = range(20_000, 30_000)


def choose(names: Iterable[str], wanted: Mapping[str, int], remembered: Path) -> dict[str, int]:
    """A port for each name, remembered for the next start.

    Raises:
        TidewheelError: a wanted port is taken, or is wanted for something that is no part.
    """
    names = list(names)
    _refuse_unknown(names, wanted)
    last = json.loads(remembered.read_text()) if remembered.exists() else {}
    chosen: dict[str, int] = {}
    for name in sorted(names, key=lambda each: each not in wanted):
        chosen[name] = _choose_one(name, wanted.get(name), last.get(name), set(chosen.values()))
    remembered.write_text(json.dumps(chosen, indent=1))
    return chosen


def _choose_one(name: str, wanted: int | None, last: int | None, taken: set[int]) -> int:
    if wanted:
        if wanted in taken or not is_free(wanted):
            raise TidewheelError(f"port {wanted}, wanted for {name}, is in use.", "Choose another, or leave it out.")
        return wanted
    if last and last not in taken and is_free(last):
        return last
    candidates = random.sample(FREE_RANGE, 1000)
    return next(port for port in candidates if port not in taken and is_free(port))


def _refuse_unknown(names: list[str], wanted: Mapping[str, int]) -> None:
    unknown = sorted(set(wanted) - set(names))
    if unknown:
        raise TidewheelError(f"no part takes a port named {', '.join(unknown)}.", f"Known: {', '.join(sorted(names))}.")


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        # As servers do: a port that only waits for late packets is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
