"""A taxi drop from its object to its rows in the warehouse, on the emulators, by the step that does that.

`python -m benchmarks.object_to_table SMALL FILE ...` is the process of the step, and prints seconds for each file;
the first, small one pays for what is imported and made once.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

from benchmarks.figures import seconds
from deploy.local import stack
from deploy.local.layout import ROOT
from deploy.local.parts import MANNERS

MODEL = "taxi_fare"
SMALL_ROWS = 1_000


def measure(files: Sequence[Path]) -> list[float]:
    """Seconds of each, on a fresh stack."""
    from benchmarks.taxi_drops import TaxiDrop, write

    with tempfile.TemporaryDirectory() as folder:
        home, small = Path(folder) / ".tidewheel", Path(folder) / "small.csv"
        write(TaxiDrop(rows=SMALL_ROWS, first=datetime(2012, 1, 1)), small)
        stack.up(home, detach=True, functions=ROOT / "benchmarks" / "empty", on_progress=lambda _: None)
        try:
            return _in_process([small, *files], stack.stack_env(home))[1:]
        finally:
            stack.down(home)


def _in_process(files: Sequence[Path], env: dict[str, str]) -> list[float]:
    command = [sys.executable, "-m", "benchmarks.object_to_table", *map(str, files)]
    surroundings = {**os.environ, **MANNERS, **env}
    said = subprocess.run(command, cwd=ROOT, env=surroundings, stdout=subprocess.PIPE, check=True).stdout
    return [float(each) for each in json.loads(said.splitlines()[-1])]


def main() -> None:
    """Prepare each file; its upload into the landing bucket is not the step's work."""
    from functions.preprocess.step import prepare
    from shared.lifecycle.events import DropReceived
    from shared.lifecycle.services import Services
    from shared.settings import Settings

    services, taken = Services(Settings.from_env()), list[float]()
    bucket = services.settings.landing_bucket
    for file in map(Path, sys.argv[1:]):
        name = f"{MODEL}/{file.name}"
        event = DropReceived(bucket=bucket, name=name, generation=services.storage.put(bucket, name, file))
        taken.append(seconds(partial(prepare, event, services)))
    print(json.dumps(taken))


if __name__ == "__main__":
    main()
