"""When a story has ended, and what it waits for until then."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from cloudevents.http import CloudEvent

from cli.telling import line
from shared.errors import PermanentError
from shared.lifecycle import edge
from shared.lifecycle.events import CONSUMERS, EVENTS, Event, StepFailed
from shared.lifecycle.ledger import failure, folder_of
from shared.lifecycle.messages import encode, to_dict
from shared.lifecycle.services import Services
from shared.lifecycle.story import RULES, Told, awaited, told

PUBSUB = "google.cloud.pubsub.topic.v1.messagePublished"
DROP: dict[str, Any] = {"drop": "flight_delay/a.csv", "generation": 7}


def event(kind: str, message_id: str = "1", **data: Any) -> Told:
    return {"event": kind, "message_id": message_id, "data": data}


LANDED = event("DropReceived", name="flight_delay/a.csv", generation="7")
PREPARED = event("DataPrepared", **DROP)
WORTH_IT = event("ModelEvaluated", **DROP, verdict="train")
REQUESTED = event("TrainingRequested", **DROP, model="flight_delay", request="r1")
TRAINED = event("ModelTrained", model="flight_delay", request="r1", version=2)


def scheduled(outcome: str, **more: Any) -> Told:
    return event("TrainingScheduled", model="flight_delay", request="r1", outcome=outcome, **more)


def failed(step: str, about: str) -> Told:
    return event("StepFailed", step=step, about=about, error="no.")


UNTIL_TRAINING = [LANDED, PREPARED, WORTH_IT, REQUESTED]


def test_before_the_first_event_nothing_is_awaited() -> None:
    assert awaited([]) == []


def test_a_drop_is_prepared_or_ignored_or_refused() -> None:
    assert awaited([LANDED]) == ["DataPrepared or DropIgnored after DropReceived of flight_delay/a.csv"]
    assert awaited([LANDED, event("DropIgnored", **DROP, why="older")]) == []
    assert awaited([LANDED, failed("preprocess", "flight_delay/a.csv")]) == []


def test_another_generation_of_the_drop_answers_nothing() -> None:
    assert awaited([LANDED, event("DropIgnored", drop="flight_delay/a.csv", generation=6)])


def test_a_failure_of_an_earlier_generation_answers_nothing() -> None:
    assert awaited([failed("preprocess", "flight_delay/a.csv"), LANDED])


def test_a_repeated_delivery_is_answered_by_what_came_before_it() -> None:
    assert awaited([LANDED, failed("preprocess", "flight_delay/a.csv"), {**LANDED, "message_id": "2"}]) == []


def test_a_folder_marker_is_no_drop() -> None:
    assert awaited([event("DropReceived", name="flight_delay/", generation="7")]) == []


def test_without_a_training_the_story_ends_with_the_evaluation() -> None:
    assert awaited([LANDED, PREPARED])
    assert awaited([LANDED, PREPARED, event("ModelEvaluated", **DROP, verdict="keep")]) == []
    assert awaited([LANDED, PREPARED, failed("evaluate", "flight_delay/a.csv")]) == []


def test_another_steps_failure_answers_nothing() -> None:
    assert awaited([LANDED, PREPARED, failed("preprocess", "flight_delay/a.csv")])


def test_a_challenger_that_waited_for_the_drop_is_decided() -> None:
    scored = event("ModelEvaluated", **DROP, model="flight_delay", verdict="keep", challenger=2)
    told = [LANDED, PREPARED, scored]
    assert awaited(told) == ["ModelPromoted or ModelKept after ModelEvaluated of flight_delay/a.csv"]
    assert awaited([*told, event("ModelKept", model="flight_delay", version=1)])
    assert awaited([*told, event("ModelPromoted", model="flight_delay", version=2)]) == []


def test_a_challenger_that_waited_is_no_answer_to_a_request() -> None:
    scored = event("ModelEvaluated", **DROP, model="flight_delay", verdict="train", challenger=2)
    told = [LANDED, PREPARED, scored, event("ModelPromoted", model="flight_delay", version=2)]
    assert awaited(told) == ["TrainingRequested after ModelEvaluated of flight_delay/a.csv"]


def test_only_a_launched_training_goes_on() -> None:
    assert awaited([*UNTIL_TRAINING[:3]])
    assert awaited(UNTIL_TRAINING) == ["TrainingScheduled after TrainingRequested of r1"]
    for outcome in ("joined", "again", "waiting", "planned"):
        assert awaited([*UNTIL_TRAINING, scheduled(outcome)]) == []
    assert awaited([*UNTIL_TRAINING, scheduled("launched")]) == ["ModelTrained after TrainingScheduled of r1"]


def test_what_waited_in_line_is_another_round() -> None:
    later = [scheduled("waiting"), scheduled("launched", epoch=1)]
    assert awaited([REQUESTED, *later, TRAINED, event("ModelKept", model="flight_delay", version=2)])
    trained = event("ModelTrained", model="flight_delay", request="r1", version=2, epoch=1)
    assert awaited([REQUESTED, *later, trained, event("ModelKept", model="flight_delay", version=2)]) == []


def test_a_training_ends_with_a_decision_about_its_version() -> None:
    begun = [*UNTIL_TRAINING, scheduled("launched")]
    assert awaited([*begun, failed("train", "r1")]) == []
    assert awaited([*begun, TRAINED]) == ["ModelPromoted or ModelKept after ModelTrained of r1"]
    assert awaited([*begun, TRAINED, event("ModelKept", model="flight_delay", version=1)])
    for end in ("ModelPromoted", "ModelKept"):
        assert awaited([*begun, TRAINED, event(end, model="flight_delay", version=2)]) == []
    assert awaited([*begun, TRAINED, failed("promote", "r1")]) == []


def test_the_order_of_the_log_does_not_matter_to_facts() -> None:
    assert awaited([PREPARED, event("ModelEvaluated", **DROP, verdict="keep"), LANDED]) == []


def test_a_request_by_hand_has_its_messages_name() -> None:
    by_hand = event("TrainingRequested", "99", model="flight_delay")
    assert awaited([by_hand]) == ["TrainingScheduled after TrainingRequested of 99"]
    assert awaited([by_hand, event("TrainingScheduled", request="99", outcome="planned")]) == []


def test_a_message_that_nobody_can_read_ends_with_its_failure() -> None:
    assert (
        awaited([event("TrainingRequested", "99", modell="flight_delay"), failed("launch_training", "message 99")])
        == []
    )


def test_a_rollback_without_a_version_ends_with_the_next_decision() -> None:
    before = event("ModelPromoted", model="flight_delay", version=3)
    asked = event("RollbackRequested", model="flight_delay", reason="bad")
    assert awaited([before, asked]) == ["ModelPromoted or ModelKept after RollbackRequested of 1"]
    assert awaited([before, asked, event("ModelPromoted", model="flight_delay", version=2)]) == []
    assert awaited([before, asked, failed("promote", "1")]) == []


def test_a_promotion_ends_with_the_decision_about_that_version() -> None:
    asked = event("PromotionRequested", model="flight_delay", version=3, reason="sure")
    assert awaited([asked, event("ModelPromoted", model="flight_delay", version=2)])
    assert awaited([asked, event("ModelPromoted", model="flight_delay", version=3)]) == []


def test_an_approval_ends_with_the_decision_about_that_version_or_its_refusal() -> None:
    asked = event("ApprovalGiven", model="flight_delay", version=3, reason="sure", request="a1")
    assert awaited([asked, event("ModelPromoted", model="flight_delay", version=2)])
    assert awaited([asked, event("ModelPromoted", model="flight_delay", version=3)]) == []
    assert awaited([asked, failed("promote", "a1")]) == []


@pytest.mark.parametrize(("wish", "end"), [("PauseRequested", "ModelPaused"), ("ResumeRequested", "ModelResumed")])
def test_a_pause_and_its_end_are_answered_by_their_own_decision(wish: str, end: str) -> None:
    asked = event(wish, model="flight_delay", reason="holidays", request="p1")
    assert awaited([event(end, model="flight_delay", version=0), asked]) == [f"{end} after {wish} of p1"]
    assert awaited([asked, event("ModelPromoted", model="flight_delay", version=2)])
    assert awaited([asked, event(end, model="flight_delay", version=0)]) == []


@pytest.mark.parametrize(
    ("told_as", "sentence"),
    [
        (event("PauseRequested", model="m", reason="holidays", who="ann"), "m: pause, asked by ann: holidays"),
        (event("ModelPaused", model="m", version=0, decision=4, why="holidays"), "m: paused (decision 4): holidays"),
        (event("ApprovalGiven", model="m", version=3, reason="sure"), "m version 3: approve, asked by unknown: sure"),
        (event("RollbackProposed", **DROP, model="m", version=1, why="It is worse."), "tidewheel rollback m --to 1"),
        (event("Reconciled", request="1", mended=["a", "b"]), "a; b"),
    ],
    ids=lambda value: value["event"] if isinstance(value, dict) else "",
)
def test_what_a_person_decides_is_told_in_a_sentence(told_as: Told, sentence: str) -> None:
    assert sentence in line({**told_as, "time": "2026-01-02T00:00:00+00:00"})


def test_a_withdrawal_ends_with_the_same_request() -> None:
    asked = event("WithdrawalRequested", model="flight_delay", drop="flight_delay/a.csv", request="w1")
    assert awaited([asked]) == ["DropWithdrawn or DropRestored after WithdrawalRequested of w1"]
    assert awaited([asked, event("DropWithdrawn", drop="flight_delay/a.csv", request="w2")])
    assert awaited([asked, event("DropWithdrawn", drop="flight_delay/a.csv", request="w1")]) == []
    assert awaited([asked, failed("preprocess", "w1")]) == []


def test_a_replay_is_answered_by_what_it_has_led_to() -> None:
    again = {**LANDED, "data": {**LANDED["data"], "epoch": 1}}
    ended = event("ModelEvaluated", **DROP, verdict="keep")
    assert awaited([LANDED, PREPARED, ended, again])
    assert awaited([LANDED, failed("preprocess", "flight_delay/a.csv"), again])
    assert awaited([again, event("DropIgnored", **DROP, epoch=1, why="older")]) == []


def test_every_event_that_a_function_takes_is_awaited_for() -> None:
    # A tick of the clock leads to nothing but where something was stuck; each request of the calendar is its own story.
    clocks = {"ReconcileRequested", "RetrainingRequested"}
    taken = {kind for kind, cls in EVENTS.items() if cls.topic in CONSUMERS} - clocks
    assert taken <= set(RULES)


def row(topic: str, data: Any, **attributes: str) -> dict[str, Any]:
    return {
        "subscription_name": f"projects/p/subscriptions/log-{topic}",
        "message_id": "5",
        "publish_time": datetime(2026, 1, 2, tzinfo=UTC),
        "data": data if isinstance(data, str) else json.dumps(data),
        "attributes": json.dumps(attributes),
    }


def test_a_row_of_the_log_is_told_as_an_event() -> None:
    attributes = {"ce-type": "ModelKept", "story": "s"}
    assert told(row("model-decided", {"model": "m"}, **attributes)) == {
        "event": "ModelKept",
        "topic": "model-decided",
        "time": "2026-01-02T00:00:00+00:00",
        "message_id": "5",
        "story": "s",
        "data": {"model": "m"},
    }


def test_what_the_bucket_says_is_told_without_its_chatter() -> None:
    event = told(row("drop-received", {"name": "m/a.csv", "generation": "7", "bucket": "b", "etag": "x"}))
    assert (event["event"], event["story"]) == ("DropReceived", "m/a.csv")
    assert event["data"] == {"bucket": "b", "name": "m/a.csv", "generation": "7"}


def test_a_message_by_hand_begins_a_story_with_its_id() -> None:
    assert told(row("training-requested", {"model": "m"}))["story"] == "5"
    assert told(row("training-requested", {"model": "m", "request": "r"}))["story"] == "r"


POISONS: dict[str, list[str]] = {
    topic: [
        "{not json",
        "[1]",
        "",
        '{"model": "nobody"}',
        '{"model": "flight_delay", "rowz": 1}',
        '{"model": 3, "name": 3, "request": 3, "drop": 3}',
        '{"request": "my-request", "rowz": 1}',
        '{"name": "nobody/a.csv", "drop": "nobody/a.csv", "request": "my-request"}',
        '{"name": "flight_delay/a.csv", "drop": "flight_delay/a.csv", "generation": "x"}',
        json.dumps({"name": "x" * 2_000, "drop": "x" * 2_000, "request": "x" * 2_000}),
        '{"name": "\\ud800", "drop": "\\ud800", "request": "\\ud800"}',
    ]
    for topic in CONSUMERS
}
ATTRIBUTES: list[dict[str, str]] = [{}, {"first-message-id": "3"}, {"ce-type": "DataPrepared"}, {"story": "mine"}]


@pytest.mark.parametrize("attributes", ATTRIBUTES, ids=str)
@pytest.mark.parametrize(("topic", "text"), [(topic, text) for topic, texts in POISONS.items() for text in texts])
def test_a_message_that_was_refused_is_not_awaited(topic: str, text: str, attributes: dict[str, str]) -> None:
    refused = refusal_of(topic, text, attributes)
    asked = told(row(topic, text, **attributes))
    answer = told(row("step-failed", to_dict(refused), **encode(refused)[2]))
    assert answer["story"] == asked["story"]
    assert awaited([asked, answer]) == []


def refusal_of(topic: str, text: str, attributes: dict[str, str]) -> StepFailed:
    """What the function that takes the topic says of it."""
    event, work = read(topic, text, attributes)
    with pytest.raises(PermanentError) as caught:
        work()
    return replace(failure(CONSUMERS[topic], event, caught.value), story=event.story)


def read(topic: str, text: str, attributes: dict[str, str]) -> tuple[Event, Callable[[], object]]:
    data = {"message": {"data": b64encode(text.encode()).decode(), "attributes": attributes, "messageId": "5"}}
    said = CloudEvent({"type": PUBSUB, "source": f"//pubsub.googleapis.com/projects/p/topics/{topic}"}, data)
    return edge._read(edge.unwrap(said), {}, Services())


def test_what_nobody_can_read_is_another_piece_of_work_on_another_topic() -> None:
    # Pub/Sub promises different ids within a topic.
    assert len({folder_of("promote", read(topic, "{", {})[0]) for topic in CONSUMERS}) == len(CONSUMERS)


def test_what_is_no_json_is_told_as_nothing() -> None:
    event = told(row("model-decided", "{"))
    assert (event["event"], event["data"]) == ("", {})
    assert awaited([event]) == []


@pytest.mark.parametrize("data", [{"request": {"a": 1}}, {"name": [1]}, {"window": ["2009-01-01"]}, {"params": [1]}])
def test_whatever_a_message_by_hand_says_it_is_told(data: dict[str, Any]) -> None:
    event = told(row("training-requested", data))
    assert event["story"] == "5"
    assert line(event)
