"""`python -m benchmarks.bare_steps MODEL FILE ...`: the same work without a lifecycle, file by file, in one process.

Clean with our own contract, load into a DuckDB table, read what is not held out, fit, and score beside the model before
on what the newest files hold out. It prints, for each file, the seconds of each step.
"""

from __future__ import annotations

import importlib
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from shared.contract import catalog
from shared.contract.cleaning import clean
from shared.contract.frames import typed
from shared.contract.params import with_defaults
from shared.contract.source import Source

HELD_OUT = 200_000


class BareSteps:
    """What it has loaded so far, and the model that it fitted last."""

    def __init__(self, model: str, folder: Path) -> None:
        import duckdb

        self._spec, self._folder = catalog.model(model), folder
        self._db = duckdb.connect(str(folder / "rows.duckdb"))
        self._champion: Any = None

    def run(self, file: Path) -> dict[str, float]:
        """One file, and the seconds that each step took."""
        into, taken = self._folder / file.stem, dict[str, float]()
        into.mkdir()
        cleaned = _timed(taken, "clean", lambda: self._clean(file, into))
        _timed(taken, "load", lambda: self._load([str(part) for part in cleaned.rows_files]))
        rows, held_out = _timed(taken, "read", lambda: (self._read(">="), self._read("<")))
        pipeline = _timed(taken, "fit", lambda: self._fit(rows))
        _timed(taken, "score", lambda: self._score(pipeline, rows, held_out))
        self._champion = pipeline
        return taken

    def _clean(self, file: Path, into: Path) -> Any:
        return clean(Source.on_disk(file), file.name, self._spec, drop=file.name, generation=1, into=into)

    def _load(self, parts: list[str]) -> None:
        self._db.execute("CREATE TABLE IF NOT EXISTS rows AS FROM read_parquet(?) LIMIT 0", [parts])
        self._db.execute("INSERT INTO rows FROM read_parquet(?)", [parts])

    def _read(self, side: str) -> Any:
        names = [column.name for column in self._spec.columns] + ["_drop"]
        query = f"SELECT {', '.join(names)} FROM rows WHERE _holdout {side} {HELD_OUT}"
        return typed(self._db.execute(query).to_arrow_table().to_pandas(), self._spec.columns)

    def _fit(self, rows: Any) -> Any:
        spec = self._spec
        pipeline = spec.pipeline(with_defaults(spec, {}))
        return pipeline.fit(rows[[column.name for column in spec.features]], rows[spec.target.name])

    def _score(self, pipeline: Any, rows: Any, held_out: Any) -> None:
        from shared.evaluation.judging import Rival, Rows, judged_metrics
        from shared.evaluation.scores import baseline_value

        baseline = baseline_value(self._spec, rows[self._spec.target.name])
        rivals = {1: Rival(pipeline=self._champion)} if self._champion else {}
        drops = list(held_out["_drop"].unique())[-self._spec.policy.judge_drops :]
        judged = held_out[held_out["_drop"].isin(drops)]
        judged_metrics(self._spec, Rows(judged=judged, drops=drops), pipeline, baseline, rivals)


def _timed(taken: dict[str, float], step: str, work: Callable[[], Any]) -> Any:
    began = time.perf_counter()
    result = work()
    taken[step] = time.perf_counter() - began
    return result


def main() -> None:
    """Import first: what a process costs to start is measured from outside."""
    for name in ("duckdb", "pandas", "pyarrow.parquet", "sklearn.linear_model"):
        importlib.import_module(name)

    model, *files = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        steps = BareSteps(model, Path(folder))
        print(json.dumps([steps.run(Path(file)) for file in files]))


if __name__ == "__main__":
    main()
