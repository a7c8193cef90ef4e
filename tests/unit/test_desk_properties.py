"""The desk's promises under every interleaving: one open request, nobody lost, nobody trained twice."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from shared.lifecycle import desk
from tests.unit.actors import Actor
from tests.unit.desk_world import World
from tests.unit.racing import HUNT, PLAY, WHO, Race


class Requests(Race):
    """Requests of one model: by drops, by hand, and for other rows."""

    unguarded: str | None = None

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.world.bucket.unguarded = self.unguarded

    @rule(kind=st.sampled_from(["drop", "by hand", "other rows"]))
    def ask(self, kind: str) -> None:
        if (number := len(self.world.asked) + 1) > 8:
            return
        drop = {"drop": f"taxi_fare/{number}.csv", "generation": number}
        wishes: dict[str, dict[str, Any]] = {"drop": drop, "by hand": {}, "other rows": {"rows": "1k"}}
        self.world.ask(**wishes[kind])

    @precondition(lambda self: self.world.pending() and len(self.actors()) < 4)
    @rule(which=WHO)
    def begin(self, which: int) -> None:
        pending = self.world.pending()
        self.world.try_task(pending[which % len(pending)])

    @precondition(lambda self: self.world.pending())
    @rule(which=WHO)
    def do(self, which: int) -> None:
        pending = self.world.pending()
        actor: Actor = self.world.try_task(pending[which % len(pending)])
        actor.finish()

    @precondition(lambda self: self.world.pending())
    @rule(which=WHO)
    def do_and_die(self, which: int) -> None:
        pending = self.world.pending()
        actor: Actor = self.world.try_task(pending[which % len(pending)])
        actor.run_to("outbox")
        actor.kill()


@pytest.fixture(autouse=True)
def _no_end_of_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "MOST_IN_A_ROW", 1000)


def test_nobody_who_asks_is_lost_or_trained_twice() -> None:
    run_state_machine_as_test(Requests, settings=settings(PLAY, max_examples=200))


class UnguardedDesk(Requests):
    unguarded = ""


def test_a_desk_without_compare_and_set_loses_somebody() -> None:
    with pytest.raises(AssertionError):
        run_state_machine_as_test(UnguardedDesk, settings=HUNT)
