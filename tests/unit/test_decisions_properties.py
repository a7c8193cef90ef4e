"""The decision log under every interleaving: numbers without gaps, one decision a cause, nothing forgotten."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from shared.errors import PassingError
from shared.lifecycle.decisions import Decision, Decisions
from shared.lifecycle.standing import KEEP, PROMOTE, Standing
from tests.unit.actors import Actor, here
from tests.unit.bucket import STATE, Bucket, Fate, Write, storage_of
from tests.unit.racing import HUNT, PLAY, WHO, Race

MODEL = "taxi_fare"


class World:
    """Promoters of one model, each with a cause."""

    failures: ClassVar[dict[str, list[Any]]] = {}

    def __init__(self, unguarded: str | None = None) -> None:
        self.bucket = Bucket(unguarded, on_write=self._judge_write)
        self.processes: list[Actor] = []
        self.broken: list[str] = []
        self.causes: dict[str, bool] = {}

    def promote(self, cause: str, *, is_better: bool) -> None:
        """A promoter begins, or comes once more, to decide what a cause asks for."""
        self.causes.setdefault(cause, is_better)
        actor = Actor(lambda: self._decide(cause), cause)
        self.processes.append(actor)
        actor.start()

    def finish(self) -> None:
        for actor in self.processes:
            actor.finish()
        for cause, is_better in self.causes.items():
            self.promote(cause, is_better=is_better)
            self.processes[-1].finish()
        self._judge_end()

    def _decide(self, cause: str) -> Decision | None:
        version = int(cause)

        def judge(standing: Standing) -> Decision:
            here().pause("work")
            becomes, verdict = (version, PROMOTE) if self.causes[cause] else (standing.champion, KEEP)
            return Decision(model=MODEL, version=version, champion=becomes, verdict=verdict, why="of a test")

        storage = storage_of(self.bucket, lambda what: here().pause(what) or Fate.FINE)
        try:
            return Decisions(storage, STATE).decide(MODEL, cause, judge)
        except PassingError:
            return None

    def _judge_write(self, write: Write) -> None:
        if not write.is_first:
            self.broken.append(f"{write.name} was written a second time")
        if int(write.name[-11:-5]) != len(self.bucket.objects) + 1:
            self.broken.append(f"{write.name} leaves a gap")

    def _judge_end(self) -> None:
        log = Decisions(storage_of(self.bucket), STATE).history(MODEL)
        before = [None, *(decision.champion for decision in log[:-1])]
        if [decision.before for decision in log] != before[: len(log)]:
            self.broken.append("a decision rests on another champion than that of the one before")
        if sorted(decision.cause.split("/")[0] for decision in log) != sorted(self.causes):
            self.broken.append("a cause was decided twice, or never")
        for actor in self.processes:
            if actor.error or (actor.outcome and actor.outcome not in log):
                self.broken.append(f"{actor.name} was told {actor.outcome or actor.error!r}, which is not in the log")


class Promoters(Race):
    unguarded: str | None = None

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.unguarded)

    @precondition(lambda self: len(self.actors()) < 5)
    @rule(cause=st.integers(1, 6), is_better=st.booleans())
    def promote(self, cause: int, is_better: bool) -> None:
        self.world.promote(str(cause), is_better=is_better)

    @precondition(lambda self: self.actors())
    @rule(who=WHO)
    def come_to_an_end(self, who: int) -> None:
        self.one(who).finish()


def test_the_log_is_linear_whoever_races_or_dies() -> None:
    run_state_machine_as_test(Promoters, settings=PLAY)


class UnguardedLog(Promoters):
    unguarded = "0"


def test_a_log_without_its_precondition_loses_a_decision() -> None:
    with pytest.raises(AssertionError):
        run_state_machine_as_test(UnguardedLog, settings=HUNT)


def test_a_promoter_that_does_not_look_for_its_cause_decides_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    decide = Decisions.decide
    nonces = iter(range(10**6))

    def forgetful(self: Decisions, model: str, cause: str, judge: Any) -> Decision:
        return decide(self, model, f"{cause}/{next(nonces)}", judge)

    monkeypatch.setattr(Decisions, "decide", forgetful)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Promoters, settings=HUNT)


def test_a_record_is_read_once_by_a_process_however_often_it_is_asked_for_the_whole_log() -> None:
    asked: list[str] = []

    def heard(what: str) -> Fate:
        asked.append(what)
        return Fate.FINE

    bucket = Bucket()
    log, other = Decisions(storage_of(bucket, heard), STATE), Decisions(storage_of(bucket), STATE)
    for number in range(5):
        by = other if number % 2 else log
        by.decide(MODEL, f"{number}", lambda _: Decision(model=MODEL, version=1, champion=1, verdict=KEEP, why="so"))
    for _ in range(3):
        assert [each.number for each in log.history(MODEL)] == [1, 2, 3, 4, 5]
    read = [what for what in asked if what.startswith("get")]
    assert len(read) == len(set(read)) == 5
