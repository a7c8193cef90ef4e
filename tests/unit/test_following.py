"""What the command tells of a story: which events are meant, what became of it, and each event as a line."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cli import drops, messages
from cli.follow import Story, follow
from cli.output import show_json, show_table, shown
from cli.predictions import example
from cli.telling import line
from shared.contract.catalog import model
from shared.errors import PassingError, TidewheelError
from shared.lifecycle.services import Services
from shared.lifecycle.story import told

DROP = "flight_delay/a.csv"
BEGAN = datetime(2026, 1, 2, tzinfo=UTC)
COUNTS: dict[str, Any] = {"accepted": 8, "rejected": 1, "duplicate": 1}
SPAN: dict[str, Any] = {"first_event_time": "2013-01-01T10:00:00+00:00", "last_event_time": "2013-01-31T10:00:00+00:00"}


def row(kind: str, number: int, **data: Any) -> dict[str, Any]:
    from shared.lifecycle.events import EVENTS

    attributes = {"story": DROP} if kind == "DropReceived" else {"story": DROP, "ce-type": kind}
    return {
        "subscription_name": f"projects/p/subscriptions/log-{EVENTS[kind].topic}",
        "message_id": str(number),
        "publish_time": BEGAN.replace(second=number),
        "data": json.dumps(data),
        "attributes": json.dumps(attributes),
    }


def landed(generation: int, number: int = 1) -> dict[str, Any]:
    return row("DropReceived", number, bucket="b", name=DROP, generation=str(generation), size="10")


def of_drop(kind: str, number: int, generation: int = 7, **data: Any) -> dict[str, Any]:
    return row(kind, number, model="flight_delay", drop=DROP, generation=generation, **data)


def failure(number: int) -> dict[str, Any]:
    return row("StepFailed", number, step="preprocess", about=DROP, error="It is empty.", remedy="Write it again.")


class Warehouse:
    """A log that grows each time that somebody looks, and one account."""

    def __init__(self, *looks: list[dict[str, Any]] | Exception, account: Any = None) -> None:
        self._looks, self._account = list(looks), account

    def log(self, **_: Any) -> list[dict[str, Any]]:
        look = self._looks.pop(0) if len(self._looks) > 1 else self._looks[0]
        if isinstance(look, Exception):
            raise look
        return look

    def account(self, *_: Any) -> Any:
        return self._account


def services(warehouse: Warehouse) -> Services:
    return cast(Services, SimpleNamespace(warehouse=warehouse))


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.follow.LOOK_EVERY_SECONDS", 0.001)
    monkeypatch.setattr("cli.follow.LOOK_EVERY_SECONDS_IN_CLOUD", 0.001)


def report(warehouse: Warehouse) -> dict[str, Any]:
    story = follow(services(warehouse), Story(DROP, began=BEGAN), drops.of_generation(7), timeout_seconds=1e12)
    return drops.report_of(services(warehouse), story, "flight_delay", 7)


def test_a_story_is_followed_until_nothing_is_awaited(capsys: pytest.CaptureFixture[str]) -> None:
    whole = [landed(7), of_drop("DropIgnored", 2, why="A newer one stands.")]
    said = report(Warehouse([], PassingError("the log is away"), whole[:1], whole))
    assert (said["outcome"], said["reason"], said["rows"]) == ("ignored", "A newer one stands.", 0)
    assert [event["after_seconds"] for event in said["events"]] == [1.0, 2.0]
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert "+   1.0 s  DropReceived       flight_delay/a.csv: has landed (generation 7, 10 bytes)" in lines[0]


def test_a_prepared_drop_is_reported_with_its_counts() -> None:
    prepared = of_drop("DataPrepared", 2, **COUNTS, **SPAN)
    said = report(Warehouse([landed(7), prepared, of_drop("ModelEvaluated", 3, verdict="keep", why="x")]))
    assert list(said) == [
        "drop", "generation", "outcome", "accepted", "rejected", "duplicate", "rows", "reason", "events"
    ]  # fmt: skip
    assert (said["drop"], said["generation"], said["outcome"], said["reason"]) == (DROP, 7, "prepared", None)
    assert (said["accepted"], said["rejected"], said["duplicate"], said["rows"]) == (8, 1, 1, 10)


def test_a_refused_drop_is_reported_with_its_reason_and_its_account() -> None:
    said = report(Warehouse([landed(7), failure(2)]))
    assert (said["outcome"], said["reason"]) == ("refused", "It is empty. Write it again.")
    assert said["rows"] == 0
    account = SimpleNamespace(accepted=0, rejected=9, duplicate=1, rows=10)
    assert report(Warehouse([landed(7), failure(2)], account=account))["rejected"] == 9


def test_what_was_said_of_another_generation_is_not_meant() -> None:
    pick = drops.of_generation(7)
    events = [told(each) for each in (landed(6), failure(2), landed(7, 3), of_drop("DataPrepared", 4, 6))]
    assert [event["message_id"] for event in pick(events)] == ["3"]
    assert pick(events[:2]) == []


def test_a_story_that_does_not_end_says_what_it_waits_for() -> None:
    story = follow(services(Warehouse([landed(7)])), Story(DROP), drops.of_generation(7), timeout_seconds=0.01)
    with pytest.raises(TidewheelError, match=r"still waits for DataPrepared or DropIgnored"):
        story.refuse_unended()
    never = follow(services(Warehouse([])), Story(DROP), timeout_seconds=0.01)
    with pytest.raises(TidewheelError, match="the first event"):
        never.refuse_unended()


@pytest.mark.parametrize(
    ("last", "outcome", "why"),
    [
        (row("ModelKept", 3, model="m", version=2, verdict="keep", why="Worse."), "kept", "Worse."),
        (row("ModelPromoted", 3, model="m", version=2, verdict="promote", why="Better."), "promoted", "Better."),
        (row("StepFailed", 3, step="train", about="r", error="No rows.", remedy="Drop."), "failed", "No rows. Drop."),
        (row("TrainingScheduled", 3, model="m", request="r", outcome="joined", why="Open."), "joined", "Open."),
    ],
)
def test_a_training_is_reported_with_what_became_of_it(last: dict[str, Any], outcome: str, why: str) -> None:
    story = Story("r", began=BEGAN, events=[told(row("TrainingRequested", 1, model="m", request="r")), told(last)])
    said = messages.report_of(story, "m")
    assert (said["request"], said["outcome"], said["why"]) == ("r", outcome, why)


def test_a_training_by_hand_has_a_name_of_its_own() -> None:
    first, second = (messages.training("flight_delay", params={"alpha": 3}) for _ in range(2))
    assert first.request != second.request
    assert (first.story, first.params) == (first.request, {"alpha": 3})


def test_every_event_is_told_even_if_a_person_left_something_out() -> None:
    from shared.lifecycle.events import EVENTS

    for kind in EVENTS:
        assert kind in line(told(row(kind, 1)), BEGAN)
        assert line(told(row(kind, 1, model="m", odd=[1])))


def test_the_champions_scores_are_told_on_a_line() -> None:
    scores = {"champion": 15.5, "skill": 0.6, "slice_late": 3.0}
    event = told(of_drop("ModelEvaluated", 1, rows=9, champion=2, scores=scores, verdict="keep", why="Fine."))
    assert line(event, BEGAN).endswith("version 2 on 9 rows: champion 15.50, skill 0.6000. keep: Fine.")


def test_json_has_no_nan(capsys: pytest.CaptureFixture[str]) -> None:
    show_json({"a": [float("nan"), 1.5], 2: (float("inf"),)})
    assert json.loads(capsys.readouterr().out) == {"a": [None, 1.5], "2": [None]}


def test_what_a_file_says_is_no_markup_in_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    show_table("Title", ("a", "b"), [["[red]x[/red]", 1_234], [None, 2]])
    out = capsys.readouterr().out
    assert "[red]x[/red]" in out
    assert "1,234" in out
    assert not any(text != text.rstrip() for text in out.splitlines())


def test_values_are_shown_as_people_write_them() -> None:
    assert [shown(each) for each in (None, True, 3, 12_345, 16.8, 12_345.6, "x")] == [
        "-", "yes", "3", "12,345", "16.80", "12,346", "x"
    ]  # fmt: skip


def test_a_row_of_a_file_becomes_an_instance(tmp_path: Path) -> None:
    spec = model("flight_delay")
    names = [column.name for column in spec.columns]
    file = tmp_path / "a.csv"
    good = {"time_hour": "2013-01-01T10:00:00Z", "carrier": "UA", "flight": "1", "origin": "EWR", "dest": "IAH"}
    good |= {"distance": "1400", "dep_delay": "2.0", "arr_delay": "11"}
    lines = [",".join(names), ",".join("" for _ in names), ",".join(good[name] for name in names)]
    file.write_text("\n".join(lines) + "\n")
    instance = example(spec, file)
    assert set(instance) == {column.name for column in spec.features}
    assert (instance["distance"], instance["dep_delay"], instance["carrier"]) == (1400, 2.0, "UA")
