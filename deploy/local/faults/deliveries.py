"""Faults of delivery: the same twice, at once, in the wrong order, and what nobody can understand."""

from __future__ import annotations

import base64
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterable
from typing import Any

from deploy.local import stack
from deploy.local.faults.flights import MODEL
from deploy.local.faults.lab import Lab, Message
from deploy.local.faults.quiet import is_quiet, settle
from shared.lifecycle.events import CONSUMERS

PUSH_SECONDS = 100.0
VALID: dict[str, dict[str, Any]] = {
    "drop-received": {"bucket": "b", "name": f"{MODEL}/x.csv", "generation": 1},
    "data-prepared": {
        "model": MODEL, "drop": f"{MODEL}/x.csv", "generation": 1, "accepted": 1, "rejected": 0, "duplicate": 0,
        "first_event_time": "2013-01-01T00:00:00+00:00", "last_event_time": "2013-01-01T00:00:00+00:00",
    },
    "training-requested": {"model": MODEL},
    "retraining-requested": {"month": "2013-01"},
    "model-evaluated": {
        "model": MODEL, "drop": f"{MODEL}/x.csv", "generation": 1, "rows": 1, "champion": 1, "verdict": "keep",
        "why": "poison",
    },
    "approval-given": {"model": MODEL, "version": 1, "reason": "poison"},
    "pause-requested": {"model": MODEL, "reason": "poison"},
    "resume-requested": {"model": MODEL, "reason": "poison"},
    "model-trained": {"model": MODEL, "request": "x", "version": 1, "run": "x"},
    "rollback-requested": {"model": MODEL, "reason": "poison"},
    "promotion-requested": {"model": MODEL, "version": 1, "reason": "poison"},
    "withdrawal-requested": {"model": MODEL, "drop": f"{MODEL}/x.csv", "reason": "poison"},
    "reconcile-requested": {"request": "x"},
}  # fmt: skip


def push(lab: Lab, message: Message, port: int | None = None) -> int:
    """Deliver a message as the broker does, under the id that it has: what the function answers."""
    function, project = CONSUMERS[message.topic], lab.services.settings.project
    port = port or (stack.read_state(lab.home) or {})["ports"][function]
    inside = {"data": base64.b64encode(message.data).decode(), "messageId": message.id}
    body = {"message": {**inside, "attributes": dict(message.attributes)}, "subscription": "the fault lab"}
    url = f"http://127.0.0.1:{port}/projects/{project}/topics/{message.topic}"
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=PUSH_SECONDS) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def duplicates(lab: Lab) -> int:
    """Each message of a story comes again when all is done: twice with its own id, twice with new ones."""
    known = {message.id for message in lab.logged()}
    lab.drop(days=30)
    settle(lab)
    story = [each for each in lab.logged() if each.id not in known and each.topic in CONSUMERS]
    copies = [message for message in story for _ in range(2)]
    lab.dice.shuffle(copies)
    for message in copies:
        lab.publish(message.topic, message.data, message.attributes)
    return len(copies) + sum(push(lab, message) > 0 for message in copies)


def at_once(lab: Lab) -> int:
    """Each message of a story comes several times at the same moment, with its own id and with new ones."""
    known = {message.id for message in lab.logged()}
    name, generation = lab.drop(days=30)
    threads = _chase(lab, [lab.publish("drop-received", lab.received(name, generation)) for _ in range(2)])
    while not is_quiet(lab):
        fresh = [each for each in lab.logged() if each.id not in known]
        known |= {each.id for each in fresh}
        mine = {each.id for each in lab.confirmed}
        threads += _chase(lab, [each for each in fresh if each.topic in CONSUMERS and each.id not in mine])
    for thread in threads:
        thread.join()
    return len(threads)


def _chase(lab: Lab, messages: Iterable[Message]) -> list[threading.Thread]:
    threads = []
    for message in messages:
        again = (message.topic, message.data, message.attributes)
        threads += [threading.Thread(target=push, args=(lab, message)) for _ in range(2)]
        threads += [threading.Thread(target=lab.publish, args=again) for _ in range(2)]
    for thread in threads:
        thread.start()
    return threads


def poison(lab: Lab) -> int:
    """Every topic that is consumed gets what nobody can understand, and a good drop goes on beside it."""
    sent = 0
    lab.drop()
    for topic, fields in VALID.items():
        for data in poisons(fields):
            lab.refused.append(lab.publish(topic, data))
            sent += 1
    return sent


def poisons(fields: dict[str, Any]) -> list[bytes]:
    """Not JSON, an unknown model, an unknown field, a wrong type."""
    name = next(iter(fields))
    stranger = {"name": "nobody/x.csv"} if "bucket" in fields else {"model": "nobody"}
    made = [{**fields, **stranger}, {**fields, "rowz": 1}, {**fields, name: ["wrong"]}]
    return [b"{not json", *(json.dumps(each).encode() for each in made)]
