"""A story is everything that one drop or request has led to; it has ended when nothing is awaited any more."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.lifecycle.events import EVENTS

Told = dict[str, Any]
# Of all that a bucket says about an object.
_OF_AN_OBJECT = ("bucket", "name", "generation", "size", "epoch")


@dataclass(frozen=True)
class Rule:
    """What has to follow an event: one of these, or the failure of that step.

    `same` names the fields in which both agree; what the first of them leaves out may be anything in the second.
    """

    answers: tuple[str, ...]
    step: str
    same: tuple[str, ...]


_DECIDED = ("ModelPromoted", "ModelKept")
_BY_HAND = Rule(_DECIDED, "promote", ("model", "version"))
RULES: dict[str, Rule] = {
    "DropReceived": Rule(("DataPrepared", "DropIgnored"), "preprocess", ("drop", "generation", "epoch")),
    "DataPrepared": Rule(("ModelEvaluated",), "evaluate", ("drop", "generation", "epoch")),
    "ModelEvaluated": Rule(("TrainingRequested",), "evaluate", ("drop", "generation", "epoch")),
    "TrainingRequested": Rule(("TrainingScheduled",), "launch_training", ("request", "epoch")),
    "TrainingScheduled": Rule(("ModelTrained",), "train", ("request", "epoch")),
    "ModelTrained": Rule(_DECIDED, "promote", ("model", "version")),
    "RollbackRequested": _BY_HAND,
    "PromotionRequested": _BY_HAND,
    "WithdrawalRequested": Rule(("DropWithdrawn", "DropRestored"), "preprocess", ("request",)),
}


def told(row: Mapping[str, Any]) -> Told:
    """A row of the lifecycle log as an event: its kind, topic, time, message, story, and what it says."""
    data, attributes = _object(row["data"]), _object(row["attributes"])
    topic = str(row["subscription_name"]).rpartition("/subscriptions/log-")[2]
    kind = attributes.get("ce-type") or _only_kind(topic)
    if kind == "DropReceived":
        data = {name: data[name] for name in _OF_AN_OBJECT if name in data}
    # A message by hand may say anything: only a text is a name.
    named = next((data[key] for key in ("name", "request") if isinstance(data.get(key), str) and data[key]), None)
    by_hand = named or attributes.get("first-message-id") or row["message_id"]
    return {
        "event": kind,
        "topic": topic,
        "time": _iso(row["publish_time"]),
        "message_id": row["message_id"],
        "story": attributes.get("story") or by_hand,
        "data": data,
    }


def awaited(events: Sequence[Told]) -> list[str]:
    """What a story still waits for, as sentences; an empty list means that it has ended.

    Args:
        events: as `told` gives them, oldest first.
    """
    missing = [
        _missing(event)
        for event in events
        if _goes_on(event) and not any(_answers(event, other, events) for other in events)
    ]
    return list(dict.fromkeys(missing))


def _goes_on(event: Told) -> bool:
    data = event["data"]
    if event["event"] == "DropReceived":
        # A folder's marker is no drop.
        return not str(data.get("name", "")).endswith("/")
    if event["event"] == "ModelEvaluated":
        return data.get("verdict") == "train"
    if event["event"] == "TrainingScheduled":
        return data.get("outcome") == "launched"
    return event["event"] in RULES


def _answers(event: Told, other: Told, events: Sequence[Told]) -> bool:
    rule = RULES[event["event"]]
    if other["event"] == "StepFailed":
        about = (_subject(event), f"message {event['message_id']}")
        is_meant = other["data"].get("step") == rule.step and other["data"].get("about") in about
        # A failure names no generation: only what comes later can be meant.
        return is_meant and _is_after(event, other, events)
    if other["event"] not in rule.answers or (rule is _BY_HAND and not _is_after(event, other, events)):
        return False
    return all(_agree(_field(event, name), _field(other, name)) for name in rule.same)


def _is_after(event: Told, other: Told, events: Sequence[Told]) -> bool:
    """Whether it came after the event, or after an earlier message that said the same."""
    first = next(at for at, each in enumerate(events) if _says(each) == _says(event))
    return any(each is other for each in events[first:])


def _says(event: Told) -> tuple[Any, ...]:
    kind = event["event"]
    if kind not in RULES:
        return (id(event),)
    return (kind, _subject(event), *(str(_field(event, name)) for name in RULES[kind].same))


def _agree(wanted: Any, given: Any) -> bool:
    # The bucket tells generations as text.
    return wanted is None or str(wanted) == str(given)


def _field(event: Told, name: str) -> Any:
    data = event["data"]
    if name == "epoch":
        return data.get("epoch", 0)
    if name == "drop" and event["event"] == "DropReceived":
        return data.get("name")
    if name == "request":
        return data.get("request") or event["message_id"]
    return data.get(name)


def _subject(event: Told) -> str:
    """As the events themselves have it."""
    kind = event["event"]
    if kind in ("DropReceived", "DataPrepared", "ModelEvaluated"):
        return str(_field(event, "drop"))
    return str(_field(event, "request"))


def _missing(event: Told) -> str:
    return f"{' or '.join(RULES[event['event']].answers)} after {event['event']} of {_subject(event)}"


def _only_kind(topic: str) -> str:
    kinds = [name for name, kind in EVENTS.items() if kind.topic == topic]
    return kinds[0] if len(kinds) == 1 else ""


def _object(text: str | None) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _iso(time: datetime | str) -> str:
    return time.isoformat() if isinstance(time, datetime) else str(time)
