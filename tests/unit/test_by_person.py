"""What a person has the last word on: verdicts that wait, by policy or during a pause, and what makes them void."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from functions.promote.by_person import approve, pause, promote_by_hand, resume, roll_back
from functions.promote.judging import judged
from shared.adapters.registry_records import Evaluation, Version
from shared.contract.catalog import model
from shared.errors import PermanentError
from shared.evaluation.comparison import ALL, Part, to_metrics
from shared.evaluation.judging import OVERLAP, prefix
from shared.lifecycle.decisions import Decision, Decisions
from shared.lifecycle.events import (
    ApprovalGiven,
    ModelPaused,
    ModelPromoted,
    PauseRequested,
    PromotionRequested,
    ResumeRequested,
    RollbackRequested,
)
from shared.lifecycle.holdout import JUDGED_ON, Judged
from shared.lifecycle.services import Services
from shared.lifecycle.standing import APPROVED, AWAITING, KEEP, PROMOTE
from tests.unit.bucket import STATE, Bucket, storage_of

SPEC = model("taxi_fare")
BY_APPROVAL = replace(SPEC, policy=replace(SPEC.policy, approval=True))
SKILL = {"holdout_skill": 0.5}
MUCH_BETTER = Part(rows=5_000, groups=60, challenger=1.0, rival=2.0, gain=1.0, error=0.1)


def version(number: int, status: str = "") -> Version:
    made = datetime(2026, 1, 2, tzinfo=UTC)
    said: dict[str, Any] = {"request": "r", "status": status, "created": made, "metrics": SKILL}
    return Version(model=SPEC.name, version=number, run=f"run {number}", **said)


def scored(number: int, champion: int | None) -> Evaluation:
    """A run in which a version was much better than the champion, or than its baseline."""
    metrics = to_metrics(prefix(champion), {ALL: MUCH_BETTER}) | {OVERLAP: 0.0} | SKILL
    about = Judged(holdout="h", drops=[], news={str(champion): []})
    return Evaluation(run=f"run {number}", metrics=metrics, tags={JUDGED_ON: about.to_tag()})


class World:
    """A decision log in memory, and a registry in which every version counts but the fourth."""

    def __init__(self) -> None:
        self.alias: int | None = None
        self.decisions = Decisions(storage_of(Bucket()), STATE)
        self.asked = 0

    def version(self, _: str, number: int) -> Version:
        return version(number, "abandoned" if number == 4 else "")

    def champion_alias(self, _: str) -> int | None:
        return self.alias

    def set_champion(self, _: str, number: int) -> None:
        self.alias = number

    @property
    def services(self) -> Services:
        return cast(Services, SimpleNamespace(decisions=self.decisions, registry=self))

    @property
    def champion(self) -> int | None:
        return self.decisions.champion(SPEC.name)

    def wish(self, **more: Any) -> dict[str, Any]:
        self.asked += 1
        return {"model": SPEC.name, "reason": "of a test", "who": "ann", "request": f"w{self.asked}", **more}

    def judge(self, number: int, *, by_approval: bool = False) -> Decision:
        spec = BY_APPROVAL if by_approval else SPEC
        return self.decisions.decide(
            SPEC.name,
            f"judged {number}",
            lambda standing: judged(spec, version(number), standing, scored(number, standing.champion)),
        )


@pytest.fixture
def world() -> World:
    """Version 1 serves."""
    world = World()
    assert world.judge(1).verdict == PROMOTE
    return world


def test_with_approval_in_its_policy_a_better_challenger_waits_and_serves_once_it_is_approved(world: World) -> None:
    waits = world.judge(2, by_approval=True)
    assert (waits.verdict, waits.champion, world.champion) == (AWAITING, 1, 1)
    assert waits.why.endswith("its policy wants that: tidewheel approve taxi_fare 2")
    [told] = approve(ApprovalGiven(**world.wish(version=2)), world.services)
    assert isinstance(told, ModelPromoted)
    assert (told.verdict, told.champion, world.champion, world.alias) == (APPROVED, 2, 2, 2)
    last = world.decisions.history(SPEC.name)[-1]
    assert (last.who, last.why, last.before) == ("ann", "of a test", 1)


def test_a_verdict_that_waits_is_void_once_another_version_serves(world: World) -> None:
    world.judge(2, by_approval=True)
    promote_by_hand(PromotionRequested(**world.wish(version=3)), world.services)
    with pytest.raises(PermanentError, match="version 2 of taxi_fare does not wait for approval; nothing does"):
        approve(ApprovalGiven(**world.wish(version=2)), world.services)
    assert world.champion == 3


def test_only_what_waits_is_approved(world: World) -> None:
    world.judge(2, by_approval=True)
    with pytest.raises(PermanentError, match="does not wait for approval; version 2 does"):
        approve(ApprovalGiven(**world.wish(version=3)), world.services)
    assert world.champion == 1


def test_the_same_approval_twice_is_one_decision(world: World) -> None:
    world.judge(2, by_approval=True)
    given = ApprovalGiven(**world.wish(version=2))
    assert approve(given, world.services) == approve(given, world.services)
    assert len(world.decisions.history(SPEC.name)) == 3


def test_during_a_pause_a_better_challenger_waits_and_afterwards_it_does_not(world: World) -> None:
    [told] = pause(PauseRequested(**world.wish()), world.services)
    assert isinstance(told, ModelPaused) and world.champion == 1
    waits = world.judge(2)
    assert (waits.verdict, world.champion) == (AWAITING, 1)
    assert "as taxi_fare is paused" in waits.why
    with pytest.raises(PermanentError, match="is paused already"):
        pause(PauseRequested(**world.wish()), world.services)
    resume(ResumeRequested(**world.wish()), world.services)
    assert world.judge(3).verdict == PROMOTE
    with pytest.raises(PermanentError, match="is not paused"):
        resume(ResumeRequested(**world.wish()), world.services)


def test_a_rollback_that_means_another_champion_takes_nothing_out(world: World) -> None:
    world.judge(2)
    world.judge(3)
    meant = RollbackRequested(**world.wish(version=1, champion=2))
    with pytest.raises(PermanentError, match="version 2 of taxi_fare is not in production; version 3 is"):
        roll_back(meant, world.services)
    assert world.champion == 3
    roll_back(RollbackRequested(**world.wish(version=2, champion=3)), world.services)
    assert world.champion == 2


def test_what_was_rolled_back_is_kept_however_good_it_is_until_a_person_promotes_it(world: World) -> None:
    world.judge(2)
    roll_back(RollbackRequested(**world.wish()), world.services)
    assert world.champion == 1
    again = world.decisions.decide(
        SPEC.name, "judged again", lambda standing: judged(SPEC, version(2), standing, scored(2, standing.champion))
    )
    assert (again.verdict, again.champion) == (KEEP, 1)
    assert "was rolled back: only a person" in again.why
    promote_by_hand(PromotionRequested(**world.wish(version=2)), world.services)
    assert (world.champion, world.decisions.standing(SPEC.name).rolled_back) == (2, set())


def test_a_version_that_does_not_count_never_serves(world: World) -> None:
    with pytest.raises(PermanentError, match="version 4 of taxi_fare is abandoned and cannot serve"):
        promote_by_hand(PromotionRequested(**world.wish(version=4)), world.services)
    assert world.champion == 1
