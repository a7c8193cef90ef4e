"""A lifecycle of five steps without work: on our functions, ledger and bus; on plain HTTP; as a plain script."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from benchmarks import running
from benchmarks.figures import median, seconds, spread_ms
from benchmarks.ways import WAYS

# What a lifecycle still has to write after its last event must not be counted against its neighbour.
PAUSE_SECONDS = 0.03
WARMING = 20
Taken = dict[str, list[float]]


def measure(lifecycles: int = 200, rounds: int = 3) -> dict[str, float]:
    """Cold and warm, one of each kind after the other."""
    with tempfile.TemporaryDirectory() as folder:
        cold = [_cold(Path(folder) / f"cold-{each}") for each in range(rounds)]
        figures = {f"lifecycle_{way}_cold_s": median([each[way] for each in cold]) for way in cold[0]}
        with ExitStack() as block:
            ways = {way: block.enter_context(start(Path(folder) / way)) for way, start in WAYS.items()}
            return figures | _told(_warm(ways, lifecycles))


def quick() -> dict[str, float]:
    """The same with fewer of them."""
    return measure(lifecycles=40, rounds=1)


def _cold(folder: Path) -> dict[str, float]:
    """From nothing to the end of the first lifecycle; what is torn down afterwards is not counted."""
    folder.mkdir(parents=True)
    taken = {way: _first(way, folder / way) for way in WAYS if not way.startswith("script")}
    with running.process("-m", "benchmarks.plain", str(folder / "script.sqlite")) as script:
        return taken | {"script": seconds(script.wait)}


def _first(way: str, folder: Path) -> float:
    began = time.perf_counter()
    with WAYS[way](folder) as run:
        run()
        return time.perf_counter() - began


def _warm(ways: dict[str, Callable[[], None]], lifecycles: int) -> Taken:
    taken: Taken = {way: [] for way in ways}
    for _ in range(WARMING + lifecycles):
        for way, run in ways.items():
            time.sleep(PAUSE_SECONDS)
            taken[way].append(seconds(run))
    return {way: each[WARMING:] for way, each in taken.items()}


def _told(taken: Taken) -> dict[str, float]:
    figures: dict[str, float] = {}
    for way, each in taken.items():
        figures |= spread_ms(f"lifecycle_{way}_warm", each)
    others = {way: median(each) for way, each in taken.items() if way != "tidewheel"}
    return figures | {
        f"lifecycle_tidewheel_to_{way}_ratio": median(taken["tidewheel"]) / p50 for way, p50 in others.items()
    }
