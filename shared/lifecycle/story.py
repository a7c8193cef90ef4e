"""A story is everything that one drop or request has led to; it has ended when nothing is awaited any more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.adapters.stories import first_id, said, story_of, topic_of
from shared.lifecycle.events import EVENTS

Told = dict[str, Any]
# Of all that a bucket says about an object.
_OF_AN_OBJECT = ("bucket", "name", "generation", "size", "epoch")


@dataclass(frozen=True)
class Rule:
    """What has to follow an event: one of these, or the failure of that step.

    `same` names the fields in which both agree; what the first of them leaves out may be anything in the second.
    `later`: what came before it is no answer.
    """

    answers: tuple[str, ...]
    step: str
    same: tuple[str, ...]
    later: bool = False


_DECIDED = ("ModelPromoted", "ModelKept")
RULES: dict[str, Rule] = {
    "DropReceived": Rule(("DataPrepared", "DropIgnored"), "preprocess", ("drop", "generation", "epoch")),
    "DataPrepared": Rule(("ModelEvaluated",), "evaluate", ("drop", "generation", "epoch")),
    "ModelEvaluated": Rule(("TrainingRequested",), "evaluate", ("drop", "generation", "epoch")),
    "TrainingRequested": Rule(("TrainingScheduled",), "launch_training", ("request", "epoch")),
    "TrainingScheduled": Rule(("ModelTrained",), "train", ("request", "epoch")),
    "ModelTrained": Rule(_DECIDED, "promote", ("model", "version")),
    "RollbackRequested": Rule(_DECIDED, "promote", ("model", "version"), later=True),
    "PromotionRequested": Rule(_DECIDED, "promote", ("model", "version"), later=True),
    "ApprovalGiven": Rule(_DECIDED, "promote", ("model", "version"), later=True),
    "PauseRequested": Rule(("ModelPaused",), "promote", ("model",), later=True),
    "ResumeRequested": Rule(("ModelResumed",), "promote", ("model",), later=True),
    "WithdrawalRequested": Rule(("DropWithdrawn", "DropRestored"), "preprocess", ("request",)),
}
# Of a challenger that waited for the drop.
PENDING = Rule(_DECIDED, "promote", ("model", "version"), later=True)


def told(row: Mapping[str, Any]) -> Told:
    """A row of the lifecycle log as an event: its kind, topic, time, message, story, and what it says."""
    data, attributes, message_id = said(row["data"]), said(row["attributes"]), row["message_id"]
    topic = topic_of(row["subscription_name"])
    kind = _kind(topic, attributes.get("ce-type"))
    if kind == "DropReceived":
        data = {name: data[name] for name in _OF_AN_OBJECT if name in data}
    first = first_id(attributes, message_id)
    return {
        "event": kind,
        "topic": topic,
        "time": _iso(row["publish_time"]),
        "message_id": message_id,
        "story": story_of(topic, row["data"], attributes, message_id),
        "data": data,
        # Only of one that was sent again.
        **({"first_id": first} if first != message_id else {}),
    }


def awaited(events: Sequence[Told]) -> list[str]:
    """What a story still waits for, as sentences; an empty list means that it has ended.

    Args:
        events: as `told` gives them, oldest first.
    """
    missing = [
        _missing(event, rule)
        for event in events
        for rule in _rules(event)
        if not any(_answers(event, rule, other, events) for other in events)
    ]
    return list(dict.fromkeys(missing))


def _rules(event: Told) -> list[Rule]:
    """What has to follow this very event."""
    kind, data = event["event"], event["data"]
    if kind == "ModelEvaluated":
        asked = [RULES[kind]] if data.get("verdict") == "train" else []
        return [*asked, *([PENDING] if data.get("challenger") is not None else [])]
    # A folder's marker is no drop.
    is_marker = kind == "DropReceived" and str(data.get("name", "")).endswith("/")
    is_over = kind == "TrainingScheduled" and data.get("outcome") not in ("launched", "postponed")
    return [RULES[kind]] if kind in RULES and not is_marker and not is_over else []


def _answers(event: Told, rule: Rule, other: Told, events: Sequence[Told]) -> bool:
    if other["event"] == "StepFailed":
        about = (_subject(event), f"message {_first_id(event)}")
        is_meant = other["data"].get("step") == rule.step and other["data"].get("about") in about
        # A failure names no generation: only what comes later can be meant.
        return is_meant and _is_after(event, other, events)
    if other["event"] not in rule.answers or (rule.later and not _is_after(event, other, events)):
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
    if name == "version" and event["event"] == "ModelEvaluated":
        return data.get("challenger")
    if name == "request":
        return data.get("request") or _first_id(event)
    return data.get(name)


def _first_id(event: Told) -> str:
    return str(event.get("first_id", event["message_id"]))


def _subject(event: Told) -> str:
    """As the events themselves have it."""
    kind = event["event"]
    if kind in ("DropReceived", "DataPrepared", "ModelEvaluated"):
        return str(_field(event, "drop"))
    return str(_field(event, "request"))


def _missing(event: Told, rule: Rule) -> str:
    return f"{' or '.join(rule.answers)} after {event['event']} of {_subject(event)}"


def _kind(topic: str, named: Any) -> str:
    """As whoever takes the message reads it: its type counts where it fits the topic."""
    kinds = [name for name, kind in EVENTS.items() if kind.topic == topic]
    return named if named in kinds else kinds[0] if len(kinds) == 1 else ""


def _iso(time: datetime | str) -> str:
    return time.isoformat() if isinstance(time, datetime) else str(time)
