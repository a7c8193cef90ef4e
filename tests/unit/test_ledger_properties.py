"""The ledger's promises under every interleaving that Hypothesis thinks of: owners that die, sleep, fail and race."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from shared.lifecycle import ledger
from shared.lifecycle.ledger import DONE, Lease, Ledger
from tests.unit.actors import Actor, Threads
from tests.unit.bucket import FAULTS, Fate
from tests.unit.ledger_world import AWAY, FOLDER, LEASE_SECONDS, WRONG, World

PLAY = settings(
    max_examples=150,
    stateful_step_count=50,
    deadline=None,
    derandomize=True,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
# A mutant has to be found, not to be explained.
HUNT = settings(PLAY, max_examples=2000, phases=[Phase.generate])
WHO = st.integers(0, 11)


@pytest.fixture(autouse=True)
def _threads_that_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "threading", Threads)
    monkeypatch.setattr(logging.getLogger("shared.lifecycle.ledger"), "disabled", True)


class Race(RuleBasedStateMachine):
    """Owners of one piece of work; each rule lets something happen to one of them."""

    unguarded: str | None = None

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.unguarded)

    def _one(self, who: int) -> Actor:
        actors = self.world.actors()
        return actors[who % len(actors)]

    def _is_anybody_there(self) -> bool:
        return bool(self.world.actors())

    @precondition(lambda self: len(self.world.actors()) < 8)
    @rule()
    def deliver(self) -> None:
        self.world.deliver()

    @precondition(_is_anybody_there)
    @rule(who=WHO, steps=st.integers(1, 8))
    def go_on(self, who: int, steps: int) -> None:
        actor = self._one(who)
        for _ in range(steps):
            if not actor.is_over:
                actor.step()

    @precondition(_is_anybody_there)
    @rule(who=WHO, point=st.sampled_from(["answer", "work", "publish", "put", "get"]))
    def go_on_to(self, who: int, point: str) -> None:
        actor = self._one(who)
        for _ in range(12):
            if not actor.is_over and not actor.at.startswith(point):
                actor.step()

    @precondition(_is_anybody_there)
    @rule(who=WHO, fate=st.sampled_from(FAULTS), end=st.sampled_from([WRONG, AWAY]))
    def fail(self, who: int, fate: Fate, end: str) -> None:
        actor = self._one(who)
        actor.step({"work": end, "publish": AWAY}.get(actor.at, fate))

    @precondition(_is_anybody_there)
    @rule(who=WHO)
    def die(self, who: int) -> None:
        actor = self._one(who)
        next(owner.actor for owner in self.world.owners if actor in (owner.actor, *owner.actor.children)).kill()

    @rule(seconds=st.sampled_from([19.0, 41.0, LEASE_SECONDS, 3 * LEASE_SECONDS]))
    def sleep(self, seconds: float) -> None:
        self.world.now += seconds

    @invariant()
    def every_promise_holds(self) -> None:
        assert not self.world.broken

    def teardown(self) -> None:
        try:
            if not self.world.broken:
                self.world.finish()
            assert not self.world.broken
        finally:
            self.world.bury()


def test_every_promise_of_the_ledger_holds_whoever_dies_sleeps_or_races() -> None:
    run_state_machine_as_test(Race, settings=PLAY)


class UnguardedClaim(Race):
    unguarded = "claim-"


class UnguardedOutbox(Race):
    unguarded = "outbox"


@pytest.mark.parametrize("mutant", [UnguardedClaim, UnguardedOutbox])
def test_an_object_that_is_written_without_its_precondition_breaks_a_promise(mutant: type[Race]) -> None:
    with pytest.raises(AssertionError):
        run_state_machine_as_test(mutant, settings=HUNT)


MUTANTS = [(Ledger, "_adopt"), (Ledger, "_end_lease"), (Lease, "check")]


@pytest.mark.parametrize(("owner", "name"), MUTANTS, ids=[name for _, name in MUTANTS])
def test_a_part_of_the_protocol_that_is_left_out_breaks_a_promise(
    owner: type, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, name, lambda *_: None)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Race, settings=HUNT)


@pytest.fixture(name="world")
def _world() -> Iterator[World]:
    world = World()
    yield world
    world.bury()


def test_a_taker_that_was_asleep_finds_the_heartbeat_that_came_meanwhile(world: World) -> None:
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
    assert second.actor.error is not None
    assert second.attempt == 0, "it overtook a living lease"
    first.actor.finish()
    assert (first.actor.outcome, world.broken) == (DONE, [])


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
    world.bury()
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
    world.bury()
    assert (owner.actor.outcome, owner.attempt, world.broken) == (DONE, 1, [])
