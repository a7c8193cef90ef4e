"""Faults of time: a process sleeps past its lease, another one takes over, and then the sleeper goes on."""

from __future__ import annotations

import time
from collections.abc import Callable

from deploy.local.faults import seconds
from deploy.local.faults.causes import CAUSES, Cause, withdraw
from deploy.local.faults.deliveries import push
from deploy.local.faults.flights import MODEL
from deploy.local.faults.lab import LEASE_SECONDS, DidNotHappen, Lab, Message, until
from deploy.local.faults.quiet import settle
from shared.lifecycle.crash import FREEZE
from shared.lifecycle.events import CONSUMERS

MESSAGE_SECONDS = 30.0


def freeze(name: str, *points: str) -> Callable[[Lab], int]:
    """Freeze a process past its lease, at one crash point on the way of a cause after the other, or at these."""
    cause = CAUSES[name]
    one = _freeze_worker if cause.step == "train" else _freeze_function

    def make(lab: Lab) -> int:
        wanted = list(points or cause.freezes)
        lab.dice.shuffle(wanted)
        return sum(one(lab, cause, cause.point(point)) for point in wanted)

    return make


def _freeze_function(lab: Lab, cause: Cause, point: str) -> int:
    cause.prepare(lab)
    with seconds.function(lab, cause.step) as port:
        known = {message.id for message in [*lab.logged(), *lab.confirmed]}
        if not lab.obeyed(point, FREEZE, lambda: cause.make(lab)):
            return 0
        message = until(lambda: _newest(lab, cause.topic, known), f"the message for {point}", MESSAGE_SECONDS)
        _deliver_until_taken(lab, message, port)
        lab.orders.thaw(point)
        settle(lab)
    return 1


def _newest(lab: Lab, topic: str, known: set[str]) -> Message | None:
    """The message that the frozen process has in hand."""
    fresh = [message for message in [*lab.confirmed, *lab.logged()] if message.id not in known]
    return next((message for message in fresh if message.topic == topic), None)


def _deliver_until_taken(lab: Lab, message: Message, port: int) -> None:
    """As the broker does: again and again, until somebody has done it."""
    until(lambda: push(lab, message, port) == 200, f"{CONSUMERS[message.topic]} to take over", 60.0)


def _freeze_worker(lab: Lab, cause: Cause, point: str) -> int:
    before = set(lab.layout.machines.glob("*.json"))
    if not lab.obeyed(point, FREEZE, lambda: cause.make(lab)):
        return 0
    [task] = set(lab.layout.machines.glob("*.json")) - before
    time.sleep(LEASE_SECONDS)
    with seconds.worker(lab, task.stem) as second:
        until(lambda: second.poll() is not None, f"a second machine to end {task.stem}")
    if second.returncode:
        raise DidNotHappen(f"the second machine on {task.stem} ended with code {second.returncode}.")
    # What it has trained is in production, perhaps, before the first one wakes up.
    lab.dice.choice([lambda: None, lambda: time.sleep(3)])()
    lab.orders.thaw(point)
    settle(lab)
    return 1


def older_wish(lab: Lab) -> int:
    """A withdrawal is frozen before it is done, done by another, taken back by the person, and then it goes on."""
    with seconds.function(lab, "preprocess") as port:
        asked: list[Message] = []
        if not lab.obeyed("preprocess.claimed", FREEZE, lambda: asked.append(withdraw(lab))):
            return 0
        _deliver_until_taken(lab, asked[0], port)
        _deliver_until_taken(lab, withdraw(lab), port)
        lab.orders.thaw("preprocess.claimed")
        settle(lab)
    return 1


def older_last(lab: Lab) -> int:
    """An older generation of a drop is frozen before its swap, the newer one is swapped in, and then it goes on."""
    with seconds.function(lab, "preprocess") as port:
        first: list[tuple[str, int]] = []
        if not lab.obeyed("preprocess.staged", FREEZE, lambda: first.append(lab.drop())):
            return 0
        name, generation = lab.drop(name=first[0][0])
        newer = lab.publish("drop-received", lab.received(name, generation))
        _deliver_until_taken(lab, newer, port)
        lab.orders.thaw("preprocess.staged")
        settle(lab)
    # And its event once more, as late as can be.
    lab.publish("drop-received", lab.received(*first[0]))
    lab.publish("drop-received", lab.received(f"{MODEL}/{name.partition('/')[2]}", generation))
    return 3
