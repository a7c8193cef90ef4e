"""The reconciler on a real storage server: what dies between two messages is brought back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from functions.reconcile import verdicts
from functions.reconcile.step import reconcile
from shared.adapters.storage import Storage
from shared.lifecycle.events import (
    DropIgnored,
    DropReceived,
    Event,
    ModelTrained,
    ReconcileRequested,
    StepFailed,
    TrainingRequested,
)
from shared.lifecycle.ledger import Ledger
from shared.lifecycle.services import Services
from tests.emulated.state_fixtures import SETTINGS

ASKED = ReconcileRequested(request="1")
REQUEST = TrainingRequested(model="taxi_fare", request="one", story="taxi_fare/may.csv")
RECEIVED = DropReceived(bucket="l", name="taxi_fare/may.csv", generation=1, story="taxi_fare/may.csv")
SAID = DropIgnored(model="taxi_fare", drop="taxi_fare/may.csv", generation=1, why="of a test")


class Notebook:
    """A bus that keeps what is published."""

    def __init__(self) -> None:
        self.topics: list[str] = []

    def publish(self, messages: Sequence[tuple[str, bytes, dict[str, str]]]) -> None:
        self.topics += [topic for topic, _, _ in messages]


@pytest.fixture
def services(storage: Storage, tmp_path: Path) -> Services:
    return Services(replace(SETTINGS, machines_dir=tmp_path / "machines"))


def dies(_: Sequence[Event]) -> None:
    raise KeyboardInterrupt


def test_nothing_is_said_where_nothing_is_stuck(services: Services) -> None:
    assert reconcile(ASKED, services) == []


def test_a_machine_that_nobody_asked_for_is_asked_for(services: Services, tmp_path: Path) -> None:
    services.desk.place(REQUEST)
    (told,) = reconcile(ASKED, services)
    assert getattr(told, "mended", ()) == ("started train-one",)
    assert [file.name for file in (tmp_path / "machines").glob("*.json")] == ["train-one.json"]


def test_a_machine_that_gave_up_ends_its_request_and_the_next_in_line_goes_on(
    services: Services, tmp_path: Path
) -> None:
    services.desk.place(REQUEST)
    services.desk.place(TrainingRequested(model="taxi_fare", request="two", rows="1k", story="two"))
    services.machines.launch("train-one", {})
    assert reconcile(ASKED, services) == []
    (tmp_path / "machines/train-one.exit").write_text("1")
    failed, followed, told = reconcile(ASKED, services)
    assert isinstance(failed, StepFailed)
    assert (failed.step, failed.about, failed.model) == ("train", "one", "taxi_fare")
    assert isinstance(followed, TrainingRequested)
    assert (followed.request, followed.epoch) == ("two", 1)
    assert "StepFailed of one" in getattr(told, "mended", ())
    assert services.desk.read("taxi_fare").request is None


def test_what_was_decided_and_never_announced_is_announced_once(services: Services, storage: Storage) -> None:
    clock = [1_000_000.0]
    ledger = Ledger(storage, SETTINGS.state_bucket, lambda: clock[0])
    notebook = Notebook()
    # With a clock that the test moves on, and no broker.
    vars(services).update(ledger=ledger, bus=notebook)
    with pytest.raises(KeyboardInterrupt):
        ledger.run("preprocess", RECEIVED, lambda: [SAID], dies)
    clock[0] += 100
    (told,) = reconcile(ASKED, services)
    assert "may.csv" in getattr(told, "mended", ("",))[0]
    assert reconcile(ASKED, services) == []
    assert notebook.topics == ["drop-ignored"]


def trained(services: Services) -> ModelTrained:
    """What the training of the open request has announced."""
    event = ModelTrained(model="taxi_fare", request="one", version=1, run="r", story=REQUEST.story)
    services.desk.place(REQUEST)
    services.ledger.run("train", REQUEST, lambda: [event], lambda _: None)
    return event


def test_a_verdict_whose_message_is_a_dead_letter_is_asked_for_once_more_and_then_waited_for(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = trained(services)
    assert reconcile(ASKED, services) == []
    monkeypatch.setattr(verdicts, "QUIET", timedelta(0))
    again, told = reconcile(ASKED, services)
    assert (again, getattr(told, "mended", ())) == (event, ("asked once more for the verdict of ModelTrained of one",))
    monkeypatch.undo()
    # From now on that is what is waited for.
    assert services.ledger.last_sign("promote", event) is not None
    assert reconcile(ASKED, services) == []


def test_a_verdict_that_was_given_is_not_asked_for(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    event = trained(services)
    services.ledger.run("promote", event, lambda: services.desk.close("taxi_fare", "one"), lambda _: None)
    monkeypatch.setattr(verdicts, "QUIET", timedelta(0))
    assert reconcile(ASKED, services) == []
