"""A taxi drop of a million rows, cleaned by its contract, beside the same work by hand; each in a process of its own.

`python -m benchmarks.cleaning HOW FILE INTO` is such a process.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from benchmarks import by_hand, object_to_table
from benchmarks.figures import median, seconds
from deploy.local.layout import ROOT
from deploy.local.parts import MANNERS
from shared.contract import catalog
from shared.contract.cleaning import clean
from shared.contract.source import Source
from shared.errors import TidewheelError

OURS = "tidewheel"
FORMATS = ("csv", "parquet")
LOOK_EVERY_SECONDS = 0.02
Taken = dict[str, float]


def measure(rows: int = 1_000_000, rounds: int = 3) -> dict[str, float]:
    """Every way in each round, on the same files; and ours as a step, with the warehouse at its end."""
    with tempfile.TemporaryDirectory() as folder:
        return _measured(_drops(Path(folder), rows), rows, rounds)


def _measured(files: Mapping[str, Path], rows: int, rounds: int) -> dict[str, float]:
    taken = [{pair: _in_process(*pair, files) for pair in _pairs()} for _ in range(rounds)]
    _require_agreement(taken)
    figures: dict[str, float] = {"cleaning_rows_count": rows}
    for how, kind in _pairs():
        for name in ("s", "peak_mb", "files_mb", "all_mb"):
            figures[f"cleaning_{kind}_{how}_{name}"] = median([each[how, kind][name] for each in taken])
    for kind, to_table in zip(files, object_to_table.measure(list(files.values())), strict=True):
        figures[f"cleaning_{kind}_object_to_table_s"] = to_table
        figures[f"cleaning_{kind}_object_to_table_to_{OURS}_ratio"] = to_table / figures[f"cleaning_{kind}_{OURS}_s"]
    return figures | _ratios(figures)


def quick() -> dict[str, float]:
    """The same with fewer rows."""
    return measure(rows=100_000, rounds=1)


def large() -> dict[str, float]:
    """The same with ten million rows, and how much more memory that is than one million's."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as other:
        figures = _measured(_drops(Path(folder), 10_000_000), 10_000_000, rounds=1)
        small = _drops(Path(other), 1_000_000)
        for kind in FORMATS:
            least, all_mb = _in_process(OURS, kind, small), figures[f"cleaning_{kind}_{OURS}_all_mb"]
            figures[f"cleaning_{kind}_{OURS}_all_to_million_ratio"] = all_mb / least["all_mb"]
    return {f"large_{name}": value for name, value in figures.items()}


def _drops(folder: Path, rows: int) -> dict[str, Path]:
    return {kind: _drop(folder / f"drop.{kind}", rows) for kind in FORMATS}


def _require_agreement(taken: Sequence[Mapping[tuple[str, str], Taken]]) -> None:
    """Who accepts other rows has done other work."""
    accepted = {pair: each["accepted"] for one in taken for pair, each in one.items()}
    if len(set(accepted.values())) > 1:
        raise TidewheelError(f"they do not accept the same number of rows: {accepted}.")


def _pairs() -> list[tuple[str, str]]:
    ways = [OURS, *(name for name in by_hand.ENGINES if importlib.util.find_spec(_engine(name)))]
    return [(how, kind) for kind in FORMATS for how in ways]


def _engine(way: str) -> str:
    """What a way by hand imports."""
    return way.partition("_")[0]


def _ratios(figures: Mapping[str, float]) -> dict[str, float]:
    ours = {kind: figures[f"cleaning_{kind}_{OURS}_s"] for kind in FORMATS}
    others = [pair for pair in _pairs() if pair[0] != OURS]
    return {
        f"cleaning_{kind}_{OURS}_to_{how}_ratio": ours[kind] / figures[f"cleaning_{kind}_{how}_s"]
        for how, kind in others
    }


def _drop(path: Path, rows: int) -> Path:
    """With two rows in a hundred that are bad in some way, and one in a thousand that comes twice."""
    from benchmarks.taxi_drops import Dirt, TaxiDrop, write

    dirt = Dirt(zero_coordinates=0.015, no_number=0.001, bad_date=0.0005, duplicate=0.001)
    write(TaxiDrop(rows=rows, first=datetime(2013, 1, 1), dirt=dirt), path)
    return path


def _in_process(how: str, kind: str, files: Mapping[str, Path]) -> Taken:
    """Seconds of the work, the process's highest memory, and the most that its files took at any moment."""
    with tempfile.TemporaryDirectory() as into, _watched(Path(into)) as sizes:
        command = [sys.executable, "-m", "benchmarks.cleaning", how, str(files[kind]), into]
        env = {**os.environ, **MANNERS, "TMPDIR": into}
        said = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, check=True).stdout
    taken, files_mb = json.loads(said), max(sizes, default=0) / 1e6
    # On Cloud Run the file system is memory.
    return {**taken, "files_mb": files_mb, "all_mb": taken["peak_mb"] + files_mb}


@contextmanager
def _watched(folder: Path) -> Iterator[list[int]]:
    sizes: list[int] = []
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(LOOK_EVERY_SECONDS):
            sizes.append(_size(folder))

    watcher = threading.Thread(target=look)
    watcher.start()
    yield sizes
    stop.set()
    watcher.join()


def _size(folder: Path) -> int:
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(path) / name).stat().st_size
            except FileNotFoundError:
                continue
    return total


def main() -> None:
    """One cleaning, its imports done before the clock starts."""
    how, file, into = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    own = ("duckdb", "numpy", "pandas", "pyarrow.csv", "pyarrow.dataset")
    for name in ("pyarrow.parquet", *(own if how == OURS else (_engine(how),))):
        importlib.import_module(name)
    accepted: list[int] = []
    taken = seconds(lambda: accepted.append(_ours(file, into) if how == OURS else by_hand.ENGINES[how](file, into)))
    print(json.dumps({"s": taken, "peak_mb": _peak_mb(), "accepted": accepted[0]}))


def _ours(file: Path, into: Path) -> int:
    source, spec = Source.on_disk(file), catalog.model("taxi_fare")
    # As a step does it once a part is uploaded.
    return clean(source, file.name, spec, drop="d", generation=1, into=into, hand_over=Path.unlink).accepted


def _peak_mb() -> float:
    """Of this process alone: what getrusage says begins with its parent's."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) / 1024


if __name__ == "__main__":
    main()
