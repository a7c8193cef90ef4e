"""What Hypothesis may let happen to processes that race, whatever it is that they do."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.unit.actors import Actor
from tests.unit.bucket import FAULTS, Fate

PLAY = settings(
    max_examples=150,
    stateful_step_count=50,
    deadline=None,
    derandomize=True,
    database=None,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
# A mutant has to be found, not to be explained.
HUNT = settings(PLAY, max_examples=2000, phases=[Phase.generate])
WHO = st.integers(0, 11)
POINTS = st.sampled_from(["answer", "work", "publish", "put", "get"])


class Race(RuleBasedStateMachine):
    """Each rule lets something happen to one of the processes of a world, which says which promises are broken."""

    world: Any

    def actors(self) -> list[Actor]:
        """Whoever could take a step."""
        alive = [actor for actor in self.world.processes if not actor.is_over]
        return [each for actor in alive for each in (actor, *actor.children) if not each.is_over]

    def one(self, who: int) -> Actor:
        """One of them."""
        actors = self.actors()
        return actors[who % len(actors)]

    @precondition(lambda self: self.actors())
    @rule(who=WHO, steps=st.integers(1, 8))
    def go_on(self, who: int, steps: int) -> None:
        actor = self.one(who)
        for _ in range(steps):
            if not actor.is_over:
                actor.step()

    @precondition(lambda self: self.actors())
    @rule(who=WHO, point=POINTS)
    def go_on_to(self, who: int, point: str) -> None:
        actor = self.one(who)
        for _ in range(12):
            if not actor.is_over and not actor.at.startswith(point):
                actor.step()

    @precondition(lambda self: self.actors())
    @rule(who=WHO, fate=st.sampled_from(FAULTS), at_work=st.integers(0, 1))
    def fail(self, who: int, fate: Fate, at_work: int) -> None:
        actor = self.one(who)
        orders = self.world.failures.get(actor.at)
        actor.step(orders[at_work % len(orders)] if orders else fate)

    @precondition(lambda self: self.actors())
    @rule(who=WHO)
    def die(self, who: int) -> None:
        actor = self.one(who)
        next(each for each in self.world.processes if actor in (each, *each.children)).kill()

    @invariant()
    def every_promise_holds(self) -> None:
        assert not self.world.broken, self.world.broken

    def teardown(self) -> None:
        try:
            if not self.world.broken:
                self.world.finish()
            assert not self.world.broken, self.world.broken
        finally:
            bury(self.world)


def bury(world: Any) -> None:
    """End all its threads."""
    for actor in world.processes:
        actor.kill()
