"""`python -m benchmarks [NAME ...] [--quick]`: measure, and write what was found into results.json and README.md."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from types import ModuleType

from benchmarks import results

# The names with which the figures of each begin.
MEASUREMENTS = {
    "lifecycle": ("lifecycle_",),
    "pubsub": ("pubsub_",),
    "cold_start": ("cold_start_",),
    "slices": ("slice_",),
    "drop_to_verdict": ("drop_to_verdict_", "bare_steps_"),
    "cleaning": ("cleaning_",),
    "decisions": ("decisions_",),
    "half_years": ("half_years_",),
}


def main() -> None:
    """Each is kept as soon as it is measured."""
    options = read_options()
    for name in options.names or MEASUREMENTS:
        print(f"Measuring {name} ...", flush=True)
        module = importlib.import_module(f"benchmarks.{name}")
        measured = _how(module, options)()
        for figure, value in measured.items():
            print(f"  {figure} {results.rounded(value):,}", flush=True)
        # What was measured in haste is shown, not kept.
        if not options.quick:
            prefixes = tuple(f"large_{each}" for each in MEASUREMENTS[name]) if options.large else MEASUREMENTS[name]
            results.keep(measured, prefixes)


def _how(module: ModuleType, options: argparse.Namespace) -> Callable[[], dict[str, float]]:
    return module.quick if options.quick else module.large if options.large else module.measure


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(MEASUREMENTS)}; all by default")
    parser.add_argument("--quick", action="store_true", help="fewer repetitions, and nothing is written")
    parser.add_argument("--large", action="store_true", help="cleaning with ten million rows")
    options = parser.parse_args()
    if options.large and options.names != ["cleaning"]:
        parser.error("--large is for cleaning alone: python -m benchmarks cleaning --large.")
    if unknown := sorted(set(options.names) - set(MEASUREMENTS)):
        parser.error(f"no measurement is called {', '.join(unknown)}; known: {', '.join(MEASUREMENTS)}.")
    return options


if __name__ == "__main__":
    main()
