"""Months of rides through evaluate, worker and promote on real servers: a tariff, a poisoned month, a regret."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from benchmarks.taxi_drops import NO_DIRT, TaxiDrop, write
from functions.evaluate.step import evaluate
from functions.preprocess.withdrawal import withdraw
from functions.promote.by_person import pause, promote_by_hand, resume, roll_back
from functions.promote.step import decide, decide_pending
from shared.errors import PermanentError
from shared.lifecycle.decisions import Decision
from shared.lifecycle.events import (
    DataPrepared,
    DropWithdrawn,
    Event,
    ModelEvaluated,
    ModelTrained,
    PauseRequested,
    PromotionRequested,
    ResumeRequested,
    RollbackProposed,
    RollbackRequested,
    TrainingRequested,
    WithdrawalRequested,
)
from shared.lifecycle.lineage import prepared
from shared.lifecycle.services import Services
from shared.lifecycle.standing import Standing
from tests.emulated.project import Project, project
from training_vm.worker import Worker

MODEL = "taxi_fare"
JUNE = f"{MODEL}/2013-06.csv"
TARIFF = datetime(2013, 4, 1)
ROWS = 1_500


class Life(Services):
    """Takes each month to its end, step by step, as the functions would; only delivery is left out."""

    def __init__(self, own: Project, folder: Path) -> None:
        super().__init__()
        self.project, self.folder, self.heard = own, folder, list[Event]()

    def publish(self, events: Sequence[Event]) -> None:
        self.heard += events

    @property
    def standing(self) -> Standing:
        return self.decisions.standing(MODEL)

    def month(self, number: int, *, leaked: bool = False) -> list[Event]:
        """A month of rides lands; all that it sets off is done, and told."""
        name = f"{MODEL}/2013-{number:02}.csv"
        file = self.folder / f"2013-{number:02}.csv"
        first, last = datetime(2013, number, 1), datetime(2013, number + 1, 1)
        write(TaxiDrop(rows=ROWS, first=first, last=last, dirt=NO_DIRT, tariff_from=TARIFF, tariff_factor=1.4), file)
        if leaked:
            leak(file)
        self.project.drop(name, file)
        account = self.warehouse.account(MODEL, name)
        assert account
        return self._evaluated(prepared(account))

    def _evaluated(self, event: DataPrepared) -> list[Event]:
        self.heard.clear()
        # By the ledger, as the next month waits until it says that this one is evaluated.
        self.ledger.run("evaluate", event, lambda: evaluate(event, self), self.publish)
        return self._followed(list(self.heard))

    def _followed(self, events: Sequence[Event]) -> list[Event]:
        told: list[Event] = []
        for event in events:
            told.append(event)
            if isinstance(event, ModelEvaluated):
                told += decide_pending(event, self)
            elif isinstance(event, TrainingRequested):
                told += self._trained(event)
            elif isinstance(event, WithdrawalRequested):
                told += self._followed(withdraw(event, self))
            elif isinstance(event, DataPrepared):
                told += self._evaluated(event)
        return told

    def _trained(self, event: TrainingRequested) -> list[Event]:
        # Fewer trees than usual: what is looked at is what is decided.
        event = replace(event, params={"max_iter": 40})
        self.desk.place(event)
        self.heard.clear()
        assert Worker(services=self).run(event) == "done"
        trained = self.heard[-1]
        assert isinstance(trained, ModelTrained), trained
        return [trained, *decide(trained, self)]


def leak(file: Path) -> None:
    """The fare stands in the longitude of the ride's end, and every value is one that the contract allows."""
    header, *lines = file.read_text().splitlines()
    fare, longitude = header.split(",").index("fare_amount"), header.split(",").index("dropoff_longitude")
    rows = [line.split(",") for line in lines]
    for row in rows:
        row[longitude] = f"{-74.2 + float(row[fare]) / 1000:.6f}"
    file.write_text("\n".join([header, *map(",".join, rows)]) + "\n")


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    # A project of its own: others' versions would be the newest ones.
    with project(tmp_path_factory.mktemp("project")) as own:
        yield Life(own, tmp_path_factory.mktemp("months"))


@pytest.fixture(scope="module")
def changed(life: Life) -> list[Decision]:
    """Three months as ever, then fares rise by two fifths for good."""
    for month in range(1, 6):
        life.month(month)
    return list(life.standing.history)


@pytest.fixture(scope="module")
def poisoned(life: Life, changed: list[Decision]) -> list[Event]:
    """A month in which the target stands in a feature, then one as ever; what was told after that one."""
    life.month(6, leaked=True)
    return life.month(7)


def test_the_first_model_has_to_beat_its_baseline(changed: list[Decision]) -> None:
    first = changed[0]
    assert (first.verdict, first.version, first.rival) == ("promote", 1, None)
    assert "beats its baseline" in first.why and first.evidence["all"]["low"] > 0


def test_a_change_of_the_world_is_confirmed_on_the_next_drop(life: Life, changed: list[Decision]) -> None:
    april, may = (f"{MODEL}/2013-0{month}.csv" for month in (4, 5))
    told = [(each.version, each.verdict, each.why) for each in changed]
    waited = [each for each in changed if april in each.news and each.verdict == "not enough evidence"]
    assert waited and april in waited[0].why, told
    confirmed = [each for each in changed if each.version == waited[0].version and each.verdict == "promote"]
    assert confirmed and (list(confirmed[0].drops), list(confirmed[0].news)) == ([may], []), told
    assert confirmed[0].level and waited[0].level and confirmed[0].level == waited[0].level / 2
    trained = life.registry.version(MODEL, confirmed[0].version or 0)
    assert may not in life.registry.drops([trained])[0], "it was judged on rows that it had learned from"


def test_a_record_is_complete(changed: list[Decision]) -> None:
    last = changed[-1]
    assert (
        last.cause and last.at and last.run and last.holdout and last.policy["digest"] and last.data_version["digest"]
    )
    assert {"rows", "groups", "challenger", "rival", "gain", "error", "low", "high"} <= set(last.evidence["all"])
    assert {"slice_airport", "slice_night", "drop_1"} <= set(last.evidence)
    assert last.metrics["holdout_mae"] == last.evidence["all"]["challenger"]


def test_what_has_learned_from_a_poisoned_month_does_not_serve(
    life: Life, changed: list[Decision], poisoned: list[Event]
) -> None:
    since = list(life.standing.history)[len(changed) :]
    promoted = [each.version for each in since if each.verdict == "promote"]
    assert not any(JUNE in learned(life, each) for each in promoted if each)
    assert any(JUNE in learned(life, each.version) for each in since if each.version), "there was nothing to refuse"


def test_a_poisoned_month_is_withdrawn_and_the_next_training_goes_without_it(life: Life, poisoned: list[Event]) -> None:
    [withdrawn] = [event for event in poisoned if isinstance(event, DropWithdrawn)]
    assert (withdrawn.drop, withdrawn.who) == (JUNE, "the gate") and "a version's skill was" in withdrawn.reason
    kinds = [type(event) for event in poisoned]
    assert kinds.index(WithdrawalRequested) < kinds.index(TrainingRequested) and kinds.count(TrainingRequested) == 1
    [trained] = [event for event in poisoned if isinstance(event, ModelTrained)]
    assert JUNE not in learned(life, trained.version) and f"{MODEL}/2013-07.csv" in learned(life, trained.version)


def learned(life: Life, version: int) -> list[str]:
    """The drops that a version was trained on."""
    return list(life.registry.drops([life.registry.version(MODEL, version)])[0])


def test_a_champion_that_the_one_before_beats_on_drop_after_drop_is_regretted(
    life: Life, poisoned: list[Event]
) -> None:
    champion = life.standing.champion
    wish = PromotionRequested(
        model=MODEL, version=1, reason="a test wants the old one", who="test", request=uuid4().hex
    )
    promote_by_hand(wish, life)
    # The challenger that waits would replace it with the first drop.
    pause(PauseRequested(model=MODEL, reason="it is to serve for two months", request=uuid4().hex), life)
    august = life.month(8)
    assert not [event for event in august if isinstance(event, RollbackProposed)], "one drop is no pattern"
    proposed = [event for event in life.month(9) if isinstance(event, RollbackProposed)]
    assert [(each.champion, each.version) for each in proposed] == [(1, champion)]
    assert "on the last 2 drops" in proposed[0].why
    resume(ResumeRequested(model=MODEL, reason="it has", request=uuid4().hex), life)


def test_what_was_rolled_back_comes_back_only_by_hand(life: Life, poisoned: list[Event]) -> None:
    standing = life.standing
    assert standing.champion is not None
    out = standing.champion
    wish: dict[str, Any] = {"model": MODEL, "reason": "a test", "who": "test"}
    roll_back(RollbackRequested(**wish, request=uuid4().hex), life)
    version = life.registry.version(MODEL, out)
    again = ModelTrained(model=MODEL, request=version.request, version=out, run=version.run, epoch=7)
    decide(again, life)
    assert life.standing.champion != out and "only a person" in life.standing.history[-1].why
    promote_by_hand(PromotionRequested(**wish, version=out, request=uuid4().hex), life)
    assert life.standing.champion == out and out not in life.standing.rolled_back


def test_an_approval_of_nothing_is_refused(life: Life, poisoned: list[Event]) -> None:
    from functions.promote.by_person import approve
    from shared.lifecycle.events import ApprovalGiven

    with pytest.raises(PermanentError, match="does not wait for approval"):
        approve(ApprovalGiven(model=MODEL, version=1, reason="yes", request=uuid4().hex), life)
