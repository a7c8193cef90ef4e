"""What a gate is put through with one seed, and how often it was wrong there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache, partial

import numpy as np

from benchmarks import decisions_level
from benchmarks.decisions_lifecycle import GATES, Lifecycle
from benchmarks.decisions_models import BY_LINES, BY_TREES, TWINS
from benchmarks.decisions_rows import MONTHS, POISONS, Kind, Poison, fresh, month, prepared
from shared.contract.metrics import Metric
from shared.contract.spec import ModelSpec
from shared.evaluation.comparison import ALL, Part, compare
from shared.lifecycle.decisions import Decision
from shared.lifecycle.standing import JUDGED, PROMOTE

# How often something could go wrong, and how often it did.
Tally = tuple[int, int]
Case = Callable[[int, str], Tally]
PLAIN, UNKIND = Kind(), Kind(unkind=True)
PAST_DROPS, TRUTH_ROWS, TRIES = 4, 20_000, 20
CHANGES = {"middle": datetime(2013, 5, 16), "start": MONTHS[PAST_DROPS]}
ERRS_MORE = 0.10
MODELS = {"lines": BY_LINES, "trees": BY_TREES}


def tariff(when: str, more_drops: int, model: str = "lines") -> Case:
    """Fares rise in a drop: whether no version that has learned of it serves, so many drops later."""

    def missed(seed: int, gate: str) -> Tally:
        life, champions = changed(seed, gate, when, model)
        return 1, int(not has_learned(life, champions[more_drops]))

    return missed


@cache
def changed(seed: int, gate: str, when: str, model: str = "lines") -> tuple[Lifecycle, list[int | None]]:
    """A drop in which fares rise, and two more; and who served after each."""
    life, kind = past(seed, model).fork(GATES[gate]), replace(PLAIN, tariff_from=CHANGES[when])
    champions = []
    for number in range(PAST_DROPS, PAST_DROPS + 3):
        life.drop(_name(number), prepared(month(kind, number, seed)))
        champions.append(life.champion)
    return life, champions


def poison_harmed(kind: Poison, in_a_row: int = 1, model: str = "lines") -> Case:
    """Whether a version that has learned from poison took a better one's place, judged on poisoned rows too."""

    def harmed(seed: int, gate: str) -> Tally:
        life, later = _poisoned(seed, gate, kind, in_a_row, model)
        by_poison = [each for each in later if {_drop(life, PAST_DROPS + n) for n in range(in_a_row)} & {*each.drops}]
        return 1, int(any(has_learned(life, each.champion) and is_worse(life, each, seed) for each in by_poison))

    return harmed


def poison_unlucky(kind: Poison, model: str = "lines") -> Case:
    """Whether it did so by chance, judged on clean rows alone; the policy's level bounds that."""

    def unlucky(seed: int, gate: str) -> Tally:
        life, later = _poisoned(seed, gate, kind, 1, model)
        by_chance = [each for each in later if _drop(life, PAST_DROPS) not in each.drops]
        return 1, int(any(has_learned(life, each.champion) and is_worse(life, each, seed) for each in by_chance))

    return unlucky


def poison_served(kind: Poison, model: str = "lines") -> Case:
    """Whether a version that has learned from poison ever served, be it the better one or not."""

    def served(seed: int, gate: str) -> Tally:
        life, later = _poisoned(seed, gate, kind, 1, model)
        return 1, int(any(has_learned(life, each.champion) for each in later))

    return served


def bystander_harmed(kind: Poison) -> Case:
    """Whether a version that waited, and has not learned from poison, was promoted by it though it is worse."""

    def harmed(seed: int, gate: str) -> Tally:
        life, later = _poisoned(seed, gate, kind, 1)
        return 1, int(any(not has_learned(life, each.champion) and is_worse(life, each, seed) for each in later))

    return harmed


def _poisoned(
    seed: int, gate: str, kind: Poison, in_a_row: int, model: str = "lines"
) -> tuple[Lifecycle, list[Decision]]:
    """A lifecycle with poison, and after which decisions since then another version served."""
    life = poisoned(seed, gate, kind, in_a_row, model)
    return life, changes(life)[len(changes(past(seed, model))) :]


def has_learned(life: Lifecycle, version: int | None) -> bool:
    """Whether a version has learned from the first drop that was not of the past."""
    return _drop(life, PAST_DROPS) in learned_by(life, version)


@cache
def poisoned(seed: int, gate: str, kind: Poison, in_a_row: int, model: str = "lines") -> Lifecycle:
    """A poisoned drop or several, and two clean ones."""
    life, rng = past(seed, model).fork(GATES[gate]), np.random.default_rng([seed, 7])
    for number in range(PAST_DROPS, PAST_DROPS + in_a_row + 2):
        rides = month(PLAIN, number, seed)
        life.drop(_name(number), prepared(kind(rides, rng) if number < PAST_DROPS + in_a_row else rides))
    return life


def twins(kind: Kind, more_drops: int) -> Case:
    """Drop after drop a challenger that is exactly as good, and that waits, is judged again, or is replaced."""

    def promoted(seed: int, gate: str) -> Tally:
        life = settled(TWINS, kind, seed, gate, drops=1)
        for number in range(1, 1 + more_drops):
            life.drop(_name(number), prepared(month(kind, number, seed)))
        return _promoted_of_judged(life.history[1:])

    return promoted


def tries(spec: ModelSpec, kind: Kind, count: int, **params: float) -> Case:
    """A person tries other seeds on the same rows: whether any that is no better was promoted."""

    def promoted(seed: int, gate: str) -> Tally:
        life = settled(spec, kind, seed, gate, drops=3)
        for number in range(count):
            life.train(params={"seed": 2 + number, **params})
        later = changes(life)[1:]
        return 1, int(any(spec.pipeline is TWINS.pipeline or is_no_better(life, each, seed, kind) for each in later))

    return promoted


def fewer_rows(seed: int, gate: str) -> Tally:
    """A person trains on a thousand rows, and on all of them, of which a bootstrap sees two thirds."""
    life = settled(BY_TREES, PLAIN, seed, gate, drops=3, first=0)
    judged = [*life.train(rows="1k"), *life.train(params={"seed": 2})]
    return len(judged), sum(is_no_better(life, each, seed) for each in judged if each.verdict == PROMOTE)


def on_few_days(metric: Metric, days: int) -> Case:
    """The gate alone, on twins of whom there are few event days."""
    return lambda seed, gate: (0, 0) if gate else decisions_level.promoted(metric, days, seed)


def settled(spec: ModelSpec, kind: Kind, seed: int, gate: str, *, drops: int, first: int = 1) -> Lifecycle:
    """A champion that has learned from all drops, and nothing else yet."""
    life = Lifecycle(spec=spec, gate=GATES[gate])
    for number in range(drops):
        life.add(_name(number), prepared(month(kind, number, seed)))
    life.train(params={"seed": first})
    return life


@cache
def past(seed: int, model: str = "lines") -> Lifecycle:
    """Some clean months, which all cases of a seed have in common."""
    life = Lifecycle(spec=MODELS[model])
    for number in range(PAST_DROPS):
        life.drop(_name(number), prepared(month(PLAIN, number, seed)))
    return life


def changes(life: Lifecycle) -> list[Decision]:
    """The decisions after which another version served."""
    return [decision for decision in life.history if decision.is_change]


def is_no_better(life: Lifecycle, change: Decision, seed: int, kind: Kind = PLAIN) -> bool:
    """Whether who came into production does no better than who left it, on many clean rows that nobody saw."""
    part = _truth(life, change, seed, kind)
    return part is not None and part.gain <= 0


def is_worse(life: Lifecycle, change: Decision, seed: int, kind: Kind = PLAIN) -> bool:
    """Whether it does worse there by more than so many rows leave in doubt."""
    part = _truth(life, change, seed, kind)
    return part is not None and part.bounds(life.spec.policy.level)[1] < 0


def _truth(life: Lifecycle, change: Decision, seed: int, kind: Kind) -> Part | None:
    if change.champion is None or change.before is None:
        return None
    rows = fresh(kind, seed, len(life.services.warehouse.accounts("")), TRUTH_ROWS)
    now, before = (life.predictions(version, rows) for version in (change.champion, change.before))
    return compare(life.spec, rows, now, before)[ALL]


def learned_by(life: Lifecycle, version: int | None) -> Sequence[str]:
    """The drops that a version has learned from."""
    known = [each for each in life.services.registry.versions("") if each.version == version]
    return [name for drops in life.services.registry.drops(known) for name in drops]


def forget() -> None:
    """Make room for the next seed."""
    for kept in (past, changed, poisoned, fresh):
        kept.cache_clear()


def _promoted_of_judged(history: Iterable[Decision]) -> Tally:
    """Of the versions judged those that were promoted."""
    verdicts = Counter(each.verdict == PROMOTE for each in history if each.verdict in JUDGED)
    versions = {each.version for each in history if each.verdict in JUDGED}
    return len(versions), verdicts[True]


def _name(number: int) -> str:
    return f"{number:02}.csv"


def _drop(life: Lifecycle, number: int) -> str:
    return f"{life.spec.name}/{_name(number)}"


def _each(of: Callable[[Poison], Case]) -> dict[str, Case]:
    return {name: of(kind) for name, kind in POISONS.items()}


# What the policy's level bounds: a challenger that is no better is promoted.
NO_BETTER: dict[str, Case] = {
    "twins": twins(UNKIND, 5),
    "twins_one_try": tries(TWINS, UNKIND, 1),
    "twins_20_tries": tries(TWINS, UNKIND, TRIES),
    "worse_twins_2_tries": tries(TWINS, UNKIND, 2, more_dollars=ERRS_MORE),
    "other_seeds_2_tries": tries(BY_LINES, PLAIN, 2),
    "fewer_rows": fewer_rows,
    **{name: on_few_days(*given) for name, given in decisions_level.CASES.items()},
}
MISSED: dict[str, Case] = {
    f"{when}_of_drop_{words}": tariff(when, more)
    for when in CHANGES
    for words, more in (("one_drop_later", 1), ("two_drops_later", 2))
}
MISSED |= {f"{when}_of_drop_two_drops_later_by_trees": tariff(when, 2, "trees") for when in CHANGES}
GROUPS: dict[str, dict[str, Case]] = {
    "no_better_promoted": NO_BETTER,
    "tariff_missed": MISSED,
    "poison_harmed": _each(poison_harmed),
    "poison_harmed_trees": _each(partial(poison_harmed, model="trees")),
    "poison_unlucky": _each(poison_unlucky),
    "poison_unlucky_trees": _each(partial(poison_unlucky, model="trees")),
    "poison_served": _each(poison_served),
    "poison_served_trees": _each(partial(poison_served, model="trees")),
    "poison_bystander_harmed": _each(bystander_harmed),
    "poison_twice_harmed": _each(partial(poison_harmed, in_a_row=2)),
}
