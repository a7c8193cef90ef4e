"""The champion beside an oracle and a frozen model: how each errs on the next drop, drop after drop.

`python -m benchmarks.half_years FOLDER [--model NAME]` lives through the files of a folder, in the order of their data;
as a measurement it is generated half-years of rides, whose fares rise as New York's did in September 2012, and the same
with one of them poisoned, by another poison for each seed.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from statistics import mean

import numpy as np
import pandas as pd

from benchmarks.decisions_lifecycle import Lifecycle
from benchmarks.decisions_rows import POISONS, Kind, between
from shared.contract import catalog
from shared.contract.cleaning import clean
from shared.contract.frames import typed
from shared.contract.params import with_defaults
from shared.contract.refusal import Refusal
from shared.contract.source import Source
from shared.contract.spec import ModelSpec
from shared.evaluation import scores
from training_vm.fitting import fitted

Drop = tuple[str, pd.DataFrame]
HALF_YEARS = [datetime(year, month, 1) for year in range(2009, 2016) for month in (1, 7)]
# As many rides as in a half-year of a sample that people pass around, and when the Taxi Commission raised fares.
RIDES, RISE, POISONED = 5_500, datetime(2012, 9, 4), 4
WHO = ("champion", "oracle", "frozen")


@dataclass(frozen=True, kw_only=True)
class Ahead:
    """The error of whoever could be in production on a drop that nobody has learned from, and what it then decided."""

    drop: str
    version: int
    champion: float
    oracle: float
    frozen: float
    decided: str


def measure(seeds: int = len(POISONS)) -> dict[str, float]:
    """Thirteen half-years with each seed, without poison and with one."""
    spec, clean, poisoned = catalog.model("taxi_fare"), list[Ahead](), list[Ahead]()
    for seed, poison in zip(range(seeds), POISONS.values(), strict=False):
        drops = list(generated(seed))
        clean += lived(spec, drops)
        name, rows = drops[POISONED]
        poisoned += lived(spec, drops, {name: poison(rows, np.random.default_rng(seed))})
    return {"half_years_seeds_count": seeds} | _figures("", clean) | _figures("poisoned_", poisoned)


def _figures(kind: str, known: Sequence[Ahead]) -> dict[str, float]:
    errors = {who: mean(getattr(ahead, who) for ahead in known) for who in WHO}
    ratios = {f"champion_to_{who}_ratio": errors["champion"] / errors[who] for who in WHO[1:]}
    named = {f"{who}_mae_usd": error for who, error in errors.items()} | ratios
    return {f"half_years_{kind}{name}": value for name, value in named.items()}


def quick() -> dict[str, float]:
    """With one seed."""
    return measure(1)


def generated(seed: int) -> Iterator[Drop]:
    """Half-years of rides."""
    kind = Kind(rows=RIDES, unkind=True, tariff_from=RISE)
    for number, (first, last) in enumerate(pairwise(HALF_YEARS)):
        yield f"{first:%Y-%m}", between(kind, first, last, (seed, number))


def cleaned(folder: Path, spec: ModelSpec) -> Iterator[Drop]:
    """The files of a folder as they are in the warehouse; what is refused is told and left out."""
    for file in sorted(each for each in folder.iterdir() if each.is_file()):
        with tempfile.TemporaryDirectory() as into:
            try:
                found = clean(Source.on_disk(file), file.name, spec, drop=file.name, generation=1, into=Path(into))
            except Refusal as refusal:
                print(f"{file.name} is refused: {refusal}", flush=True)
                continue
            yield file.name, _read(found.rows_files, spec)


def _read(files: Iterable[Path], spec: ModelSpec) -> pd.DataFrame:
    rows = pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)
    keys = {name: rows[name].to_numpy() for name in ("_row_key",) if name in rows}
    return typed(rows, spec.columns).assign(**keys)


def lived(spec: ModelSpec, drops: Iterable[Drop], instead: Mapping[str, pd.DataFrame] | None = None) -> Iterator[Ahead]:
    """One life, in the order of the data's time; nobody has seen a drop's rows when they are scored there.

    Args:
        instead: the rows that come in place of some drops; errors are those on the drops as they should be.
    """
    life, seen, frozen = Lifecycle(spec=spec), list[pd.DataFrame](), 0
    for name, rows in sorted(drops, key=lambda drop: drop[1][spec.event_time.name].max()):
        version = life.champion
        tried = [_version(life, version), _oracle(spec, seen), _version(life, frozen)] if version else []
        errors = [scores.score(spec, each, rows) for each in tried]
        decided = "; ".join(
            f"{each.version}: {each.verdict}" for each in life.drop(name, (instead or {}).get(name, rows))
        )
        seen.append(rows)
        frozen = frozen or life.champion or 0
        if version:
            champion, oracle, still = errors
            yield Ahead(drop=name, version=version, champion=champion, oracle=oracle, frozen=still, decided=decided)


def _version(life: Lifecycle, number: int) -> scores.Predictor:
    return life.services.registry.load(life.spec.name, number).pipeline


def _oracle(spec: ModelSpec, seen: Sequence[pd.DataFrame]) -> scores.Predictor:
    """The model's own pipeline, fitted by hand on every row of before."""
    before = pd.concat(seen, ignore_index=True).sort_values(spec.event_time.name)
    return fitted(spec, with_defaults(spec, {}), before)


def main() -> None:
    """A table, drop after drop."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.half_years", description=__doc__)
    parser.add_argument("folder", type=Path, help="drops of one model, poisoned ones included")
    parser.add_argument("--model", default="taxi_fare")
    options = parser.parse_args()
    spec = catalog.model(options.model)
    print(f"{'next drop':28}{'version':>8}{'champion':>10}{'oracle':>10}{'frozen':>10}  what it decided")
    known = []
    for ahead in lived(spec, cleaned(options.folder, spec)):
        errors = f"{ahead.champion:10.4f}{ahead.oracle:10.4f}{ahead.frozen:10.4f}"
        print(f"{ahead.drop:28}{ahead.version:8}{errors}  {ahead.decided}", flush=True)
        known.append(ahead)
    means = "".join(f"{mean(getattr(ahead, who) for ahead in known):10.4f}" for who in WHO)
    print(f"{'mean':36}{means}")


if __name__ == "__main__":
    main()
