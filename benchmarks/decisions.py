"""How often the gate is wrong, of either kind, on generated rides: the share of lives, drops or tries where it was.

Each seed lives through its cases once for the gate, and some seeds also for two gates that one has to be able to tell
from it: `always_keep`, and `bigger`, which promotes whatever scores better on the same rows.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.decisions_cases import Case

PROCESSES, SEEDS = 2, 100
OTHERS, SEEDS_OF_OTHERS = ("always_keep", "bigger"), 25
GROUPS_OF_OTHERS = ("no_better_promoted", "tariff_missed", "poison_harmed")
PAIRS, SEEDS_OF_PAIRS = "poison_twice_harmed", 25
PROMISED = tuple(f"decisions_{group}" for group in GROUPS_OF_OTHERS)
Counts = Counter[str]


def measure() -> dict[str, float]:
    """All cases, with a hundred seeds."""
    return figures(counted(SEEDS))


def quick() -> dict[str, float]:
    """All cases, with two seeds."""
    return figures(counted(2), 2)


def counted(seeds: int, first: int = 0) -> Counts:
    """How often something could go wrong, and how often it did, over many seeds in two processes."""
    # What spins while it waits takes the neighbour's core.
    os.environ["OMP_NUM_THREADS"] = "1"
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        return sum(pool.map(lived, range(first, first + seeds)), Counter())


def lived(seed: int) -> Counts:
    """One seed's share of that."""
    from benchmarks.decisions_cases import forget

    found: Counts = Counter()
    for name, case, gate in _asked(seed):
        could, did = case(seed, gate)
        found += Counter({f"{name}_count": could, f"{name}_wrong": did})
    forget()
    return found


def _asked(seed: int) -> Iterator[tuple[str, Case, str]]:
    from benchmarks.decisions_cases import GROUPS

    for gate in ("", *(OTHERS if seed < SEEDS_OF_OTHERS else ())):
        for group, cases in GROUPS.items():
            if (gate and group not in GROUPS_OF_OTHERS) or (group == PAIRS and seed >= SEEDS_OF_PAIRS):
                continue
            for name, case in cases.items():
                yield f"decisions_{f'{gate}_' if gate else ''}{group}_{name}", case, gate


def figures(counts: Counts, seeds: int = SEEDS) -> dict[str, float]:
    """Of each case the share; for what the gate promises also up to where that share may reach."""
    found: dict[str, float] = {"decisions_seeds_count": seeds}
    for name in [each.removesuffix("_count") for each in counts if each.endswith("_count")]:
        could, did = counts[f"{name}_count"], counts[f"{name}_wrong"]
        found[f"{name}_share"] = did / could
        if name.startswith(PROMISED):
            found[f"{name}_at_most_share"] = at_most(did, could)
    return found


def at_most(did: int, could: int) -> float:
    """The upper end of the 95 % interval of a share (Clopper and Pearson 1934)."""
    from scipy.special import betaincinv

    return 1.0 if did == could else float(betaincinv(did + 1, could - did, 0.975))
