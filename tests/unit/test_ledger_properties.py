"""The ledger's promises under every interleaving that Hypothesis thinks of: owners that die, sleep, fail and race."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from shared.adapters.storage import Storage
from shared.errors import PassingError
from shared.lifecycle import lease
from shared.lifecycle.lease import Lease
from shared.lifecycle.ledger import DONE, Ledger
from tests.unit.actors import Threads
from tests.unit.bucket import Fate
from tests.unit.ledger_world import FOLDER, LEASE_SECONDS, Owner, World
from tests.unit.racing import HUNT, PLAY, Race, bury


@pytest.fixture(autouse=True)
def _threads_that_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "threading", Threads)
    monkeypatch.setattr(logging.getLogger("shared.lifecycle.lease"), "disabled", True)


class Owners(Race):
    """Owners of one piece of work."""

    unguarded: str | None = None

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.unguarded)

    @precondition(lambda self: len(self.actors()) < 8)
    @rule()
    def deliver(self) -> None:
        self.world.deliver()

    @rule(seconds=st.sampled_from([19.0, 41.0, LEASE_SECONDS, 3 * LEASE_SECONDS]))
    def sleep(self, seconds: float) -> None:
        self.world.now += seconds


def test_every_promise_of_the_ledger_holds_whoever_dies_sleeps_or_races() -> None:
    run_state_machine_as_test(Owners, settings=PLAY)


class UnguardedClaim(Owners):
    unguarded = "claim-"


class UnguardedOutbox(Owners):
    unguarded = "outbox"


@pytest.mark.parametrize("mutant", [UnguardedClaim, UnguardedOutbox])
def test_an_object_that_is_written_without_its_precondition_breaks_a_promise(mutant: type[Owners]) -> None:
    with pytest.raises(AssertionError):
        run_state_machine_as_test(mutant, settings=HUNT)


MUTANTS = [(Ledger, "_adopt"), (Ledger, "_end_lease"), (Lease, "check")]


@pytest.mark.parametrize(("owner", "name"), MUTANTS, ids=[name for _, name in MUTANTS])
def test_a_part_of_the_protocol_that_is_left_out_breaks_a_promise(
    owner: type, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, name, lambda *_: None)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Owners, settings=HUNT)


@pytest.fixture(name="world")
def _world() -> Iterator[World]:
    world = World()
    yield world
    bury(world)


def take_over_half_asleep(world: World) -> tuple[Owner, Owner]:
    """A taker has read the claim; before it judges, a heartbeat comes, and the lease that it has read runs out."""
    first, second = world.deliver(), world.deliver()
    first.actor.run_to("work")
    world.now += LEASE_SECONDS - 10
    # What it reads before it lists is only whether a claim that was refused is its own.
    for point in ("list", "get", "answer"):
        second.actor.run_to(point)
    (heart,) = first.actor.children
    heart.step()
    heart.step()
    heart.run_to("beat")
    world.now += 20
    second.actor.finish()
    first.actor.finish()
    return first, second


def test_a_taker_that_was_asleep_finds_the_heartbeat_that_came_meanwhile(world: World) -> None:
    first, second = take_over_half_asleep(world)
    assert isinstance(second.actor.error, PassingError)
    assert (first.actor.outcome, second.attempt, world.broken) == (DONE, 0, [])


def test_a_taker_that_only_looks_overtakes_a_living_lease(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    replace = Storage.replace

    def only_looks(self: Storage, bucket: str, name: str, body: dict[str, Any], *, generation: int) -> int | None:
        return 1 if "taker" in body else replace(self, bucket, name, body, generation=generation)

    monkeypatch.setattr(Storage, "replace", only_looks)
    take_over_half_asleep(world)
    assert "attempt 2 overtook a living lease" in world.broken


@settings(PLAY, max_examples=100)
@given(fates=st.lists(st.sampled_from([Fate.FINE, Fate.FINE, Fate.LOST, Fate.UNHEARD, Fate.REFUSED]), max_size=12))
def test_a_heartbeat_gets_through_whatever_became_of_the_ones_before(fates: list[Fate]) -> None:
    world = World()
    owner = world.deliver()
    owner.actor.run_to("work")
    (heart,) = owner.actor.children
    for fate in fates:
        heart.step(fate)
    while heart.at != "beat":
        heart.step()
    world.now += 20
    heart.step()
    heart.run_to("beat")
    claim = world.bucket.body(f"{FOLDER}/claim-1")
    bury(world)
    assert claim is not None
    assert claim["until"] == world.now + LEASE_SECONDS


@settings(PLAY, max_examples=50)
@given(fates=st.lists(st.sampled_from([Fate.FINE, Fate.LOST]), max_size=30))
def test_a_lost_response_is_no_lost_race(fates: list[Fate]) -> None:
    world = World()
    owner = world.deliver()
    for fate in fates:
        if not owner.actor.is_over and owner.actor.at not in ("start", "work", "publish", "join", "answer"):
            owner.actor.step(fate)
        elif owner.actor.at != "join" and not owner.actor.is_over:
            owner.actor.step()
    owner.actor.finish()
    bury(world)
    assert (owner.actor.outcome, owner.attempt, world.broken) == (DONE, 1, [])
