"""What is deployed: how large each function is with its packages, and how long it takes to its first answer.

Each is installed alone, as Google Cloud has it, and sent what `cold_start` sends.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks import cold_start, running
from benchmarks.cold_start import WARMING, Env
from benchmarks.figures import median
from benchmarks.ways import HERE
from deploy.gcp.package import package
from deploy.gcp.packaging.alone import Slice, install
from deploy.gcp.packaging.pins import read_pins
from deploy.gcp.packaging.stage import WORKER
from deploy.local import stack


def measure(rounds: int = 5) -> dict[str, float]:
    """The sizes of all, and every function's start once in each round."""
    with tempfile.TemporaryDirectory() as folder:
        slices = _installed(Path(folder))
        figures = _sizes(slices)
        home, none = Path(folder) / ".tidewheel", Path(folder) / "none"
        stack.up(home, detach=True, functions=none, servers=("pubsub", "storage"), on_progress=lambda _: None)
        try:
            return figures | _starts(slices, stack.stack_env(home), WARMING + rounds)
        finally:
            stack.down(home)


def quick() -> dict[str, float]:
    """The same with fewer of them."""
    return measure(rounds=1)


def _installed(folder: Path) -> list[Slice]:
    manifest = package(folder / "out")
    names = [*manifest["functions"], WORKER]
    slices = [Slice(name, folder / "out" / name, folder / f"venv-{name}") for name in names]
    install(slices, folder / "pool")
    return slices


def _sizes(slices: list[Slice]) -> dict[str, float]:
    figures: dict[str, float] = {}
    for each in slices:
        figures[f"slice_{each.name}_zip_mb"] = (each.folder.with_suffix(".zip")).stat().st_size / 1e6
        figures[f"slice_{each.name}_packages_count"] = len(read_pins(each.folder / "requirements.txt"))
        installed = each.venv.glob("lib/python*/site-packages/**/*")
        figures[f"slice_{each.name}_installed_mb"] = sum(file.stat().st_size for file in installed) / 1e6
    return figures


def _starts(slices: list[Slice], env: Env, rounds: int) -> dict[str, float]:
    functions = [each for each in slices if each.name != WORKER]
    # A function that does nothing, with the packages of one that does little.
    empty = Slice("empty", HERE / "empty", next(each.venv for each in functions if each.name == "reconcile"))
    taken = [{each.name: _cold(each, env) for each in [empty, *functions]} for _ in range(rounds)]
    # The first round also compiles.
    seconds = {name: median([each[name] for each in taken[WARMING:]]) for name in taken[0]}
    return _told(seconds)


def _told(seconds: Mapping[str, float]) -> dict[str, float]:
    """Ratios alone: how many seconds that is says `cold_start`, and is another machine's on Google Cloud."""
    others = {name: each for name, each in seconds.items() if name != "empty"}
    return {f"slice_{name}_cold_start_to_empty_ratio": each / seconds["empty"] for name, each in others.items()}


def _cold(each: Slice, env: Env) -> float:
    """Seconds from exec to the first answer."""
    port = running.free_port()
    request = cold_start.request_for(each.name, port)
    began = time.perf_counter()
    with each.serving(port, env, Path("/dev/null")):
        running.wait_until(lambda: cold_start.is_answered(request), pause_seconds=0.01)
        return time.perf_counter() - began
