"""Messages: what we publish is read back as it was, and what a person gets wrong is told in one sentence."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from shared.errors import PermanentError
from shared.lifecycle.events import (
    CONSUMERS,
    EVENTS,
    TOPICS,
    DataPrepared,
    DropReceived,
    ModelKept,
    ModelPromoted,
    TrainingRequested,
)
from shared.lifecycle.ledger import failure
from shared.lifecycle.messages import MOST_BYTES, decode, encode

PREPARED = DataPrepared(
    model="taxi_fare",
    drop="taxi_fare/may.csv",
    generation=3,
    accepted=90,
    rejected=9,
    duplicate=1,
    first_event_time="2012-05-01T00:00:00+00:00",
    last_event_time="2012-05-31T23:59:59+00:00",
    ignored_columns=("tip",),
    story="taxi_fare/may.csv",
)
DECIDED: dict[str, Any] = {
    "model": "taxi_fare",
    "version": 2,
    "champion": 1,
    "verdict": "keep",
    "why": "worse",
    "decision": 4,
}
RESOURCE = {"kind": "storage#object", "bucket": "b", "name": "taxi_fare/x.csv", "generation": "12", "size": "9"}


def by_hand(text: str, topic: str = "training-requested") -> str:
    with pytest.raises(PermanentError) as caught:
        decode(topic, text.encode(), {}, "77")
    return str(caught.value)


def test_what_is_published_is_read_back_as_it_was() -> None:
    topic, data, attributes = encode(PREPARED)
    assert topic == "data-prepared"
    assert attributes["ce-type"] == "DataPrepared"
    assert attributes["ce-id"] == "DataPrepared:taxi_fare/may.csv#3.0"
    read = decode(topic, data, attributes, "1")
    assert read == PREPARED
    assert read.story == "taxi_fare/may.csv"


def test_an_epoch_travels() -> None:
    again = DropReceived(bucket="b", name="taxi_fare/x.csv", generation=1, epoch=2)
    assert decode(*encode(again), "1") == again


def test_two_kinds_of_one_topic_are_told_apart_by_their_type() -> None:
    for kind in (ModelPromoted, ModelKept):
        event = kind(**DECIDED)
        assert type(decode(*encode(event), "1")) is kind
    assert "needs the attribute ce-type: ModelPromoted or ModelKept" in by_hand(json.dumps(DECIDED), "model-decided")


def test_by_hand_only_what_has_no_default_is_needed() -> None:
    event = decode("training-requested", b'{"model": "taxi_fare"}', {}, "77")
    assert isinstance(event, TrainingRequested)
    assert (event.request, event.story, event.rows, event.reason) == ("77", "77", "all", "by hand")


def test_a_message_that_is_sent_again_keeps_the_id_of_the_first() -> None:
    event = decode("training-requested", b'{"model": "taxi_fare"}', {"first-message-id": "12"}, "77")
    assert event.identity == "12.0"


def test_what_a_bucket_says_is_read_for_where_the_object_is() -> None:
    event = decode("drop-received", json.dumps(RESOURCE).encode(), {"eventType": "OBJECT_FINALIZE"}, "1")
    assert event == DropReceived(bucket="b", name="taxi_fare/x.csv", generation=12)
    assert event.story == "taxi_fare/x.csv"
    with pytest.raises(PermanentError, match="OBJECT_DELETE"):
        decode("drop-received", json.dumps(RESOURCE).encode(), {"eventType": "OBJECT_DELETE"}, "1")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"model": "taxi_fair"}', 'no model "taxi_fair"; known: flight_delay, taxi_fare'),
        ('{"model": "taxi_fare", "row": "1k"}', 'no field "row". Known: epoch, model, reason, rows,'),
        ('{"model": "taxi_fare", "rows": "2k"}', 'rows is "2k"; known: 1k, 200k, all.'),
        ('{"model": 3}', '"model" is 3, but it takes a string.'),
        ('{"model": "taxi_fare", "dry_run": "yes"}', '"dry_run" is "yes", but it takes true or false.'),
        ('{"model": "taxi_fare", "epoch": true}', '"epoch" is true, but it takes a whole number.'),
        ('{"model": "taxi_fare", "window": "2012"}', '"window" is "2012", but it takes a list, each a string.'),
        ('{"model": "taxi_fare", "window": ["2012-02-01", "2012-01-01"]}', "window takes two ISO dates"),
        ('{"model": "taxi_fare", "request": "../x"}', '"../x" cannot name a request.'),
        ('{"model": "taxi_fare", "generation": 9223372036854775808}', '"generation" is larger than any number of 64'),
        ('{"model": "\\ud800"}', "half a character"),
        ("{}", 'lacks the field "model"'),
        ("[1]", "JSON, but no object"),
        ("model=taxi_fare", "not JSON"),
        ("[" * 100_000, "not JSON"),
        (f'{{"model": "{"x" * MOST_BYTES}"}}', "1,000,013 bytes"),
    ],
)
def test_a_mistake_is_told_in_a_sentence_that_names_what_is_known(text: str, sentence: str) -> None:
    assert sentence in by_hand(text)


@pytest.mark.parametrize("length", [500, 1_000, 1_024])
def test_what_is_said_of_the_longest_name_fits_into_a_messages_attributes(length: int) -> None:
    name = "taxi_fare/" + "x" * (length - 10)
    event = decode("drop-received", json.dumps({"bucket": "b" * 63, "name": name, "generation": 1}).encode(), {}, "1")
    assert isinstance(event, DropReceived)
    for each in (event, failure("preprocess", event, PermanentError("no."))):
        _, _, attributes = encode(each, story=event.story)
        assert all(len(value.encode()) <= 1_024 for value in attributes.values())
    assert encode(event)[2]["ce-id"] != encode(replace(event, generation=2))[2]["ce-id"]


def test_a_name_that_no_attribute_could_hold_is_refused() -> None:
    asked = {"model": "taxi_fare", "reason": "x", "request": "r" * 1_025}
    assert "more than 1,024 bytes" in by_hand(json.dumps(asked), "rollback-requested")


def test_an_unknown_topic_names_the_known_ones() -> None:
    assert 'no topic "training-request"; known: drop-received, ' in by_hand("{}", "training-request")


def test_every_consumer_listens_to_a_topic_that_some_event_has() -> None:
    assert set(CONSUMERS) <= set(TOPICS) == {kind.topic for kind in EVENTS.values()}


def test_an_empty_request_is_no_name_and_an_epoch_is_not_negative() -> None:
    assert decode("training-requested", b'{"model": "taxi_fare", "request": ""}', {}, "77").identity == "77.0"
    assert '"epoch" is -3; it is 0 or more.' in by_hand('{"model": "taxi_fare", "epoch": -3}')
