"""What sets a step off, and its crash points on the way: where a process dies there, and where one may sleep there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from deploy.local.faults.flights import MODEL
from deploy.local.faults.lab import Lab, Message
from deploy.local.faults.quiet import settle

BY_HAND = {"reason": "the fault lab asks", "who": "the lab"}


@dataclass(frozen=True, kw_only=True)
class Cause:
    """The step that is set off, by a message on which topic, how to have one come, and what has to be there before."""

    step: str
    topic: str
    make: Callable[[Lab], object]
    kills: tuple[str, ...]
    freezes: tuple[str, ...] = ()
    prepare: Callable[[Lab], None] = lambda lab: None

    def point(self, name: str) -> str:
        """A crash point by its whole name."""
        return f"{self.step}.{name}"


def ask_training(lab: Lab) -> Message:
    """A person asks for a training."""
    return lab.publish("training-requested", {"model": MODEL, "reason": BY_HAND["reason"]})


def queue_training(lab: Lab) -> None:
    """Two people ask, and one of them has to wait: the verdict about the first lets the second go on."""
    ask_training(lab)
    lab.publish("training-requested", {"model": MODEL, "params": {"alpha": lab.dice.randint(1, 99)}})


def have_another(lab: Lab) -> None:
    """See to it that there is a version that is not in production."""
    if not _others(lab):
        ask_training(lab)
        settle(lab)


def promote_another(lab: Lab) -> Message:
    """A person puts another version into production."""
    return lab.publish("promotion-requested", {"model": MODEL, "version": lab.dice.choice(_others(lab)), **BY_HAND})


def have_an_earlier_one(lab: Lab) -> None:
    """See to it that there was another champion before."""
    if not _earlier(lab):
        have_another(lab)
        promote_another(lab)
        settle(lab)


def roll_back(lab: Lab) -> Message:
    """A person puts an earlier champion back."""
    return lab.publish("rollback-requested", {"model": MODEL, "version": lab.dice.choice(_earlier(lab)), **BY_HAND})


def pause_and_resume(lab: Lab) -> None:
    """A person stops what goes on by itself, and lets it go on."""
    lab.publish("pause-requested", {"model": MODEL, **BY_HAND})
    settle(lab)
    lab.publish("resume-requested", {"model": MODEL, **BY_HAND})


def withdraw(lab: Lab) -> Message:
    """A person takes a drop out, or puts back the one that is out."""
    out = [drop for drop, is_out in lab.withdrawn.items() if is_out]
    drop = out[0] if out else lab.dice.choice(sorted({name for name, _ in lab.dropped}))
    lab.withdrawn[drop] = not out
    return lab.publish("withdrawal-requested", {"model": MODEL, "drop": drop, "undo": bool(out), **BY_HAND})


def _earlier(lab: Lab) -> list[int]:
    history = lab.services.decisions.history(MODEL)
    return sorted({each.champion for each in history if each.champion} - {history[-1].champion})


def _others(lab: Lab) -> list[int]:
    champion = lab.services.decisions.champion(MODEL)
    return [each.version for each in lab.services.registry.versions(MODEL) if each.counts and each.version != champion]


CAUSES: dict[str, Cause] = {
    "preprocess": Cause(
        step="preprocess",
        topic="drop-received",
        make=Lab.drop,
        kills=("claimed", "staged", "swapped", "worked", "outbox", "announced", "done"),
        freezes=("claimed", "staged", "swapped", "worked", "outbox", "announced"),
    ),
    "evaluate": Cause(
        step="evaluate",
        topic="data-prepared",
        make=lambda lab: lab.drop(days=30),
        kills=("claimed", "appended", "recorded", "worked", "outbox", "between", "announced", "done"),
        freezes=("claimed", "appended", "worked", "outbox", "between"),
    ),
    "launch_training": Cause(
        step="launch_training",
        topic="training-requested",
        make=ask_training,
        kills=("claimed", "placed", "launched", "worked", "outbox", "announced", "done"),
        freezes=("claimed", "placed", "worked"),
    ),
    "train": Cause(
        step="train",
        topic="training-requested",
        make=ask_training,
        kills=("claimed", "started", "fitted", "registered", "finished", "worked", "outbox", "announced", "done"),
        freezes=("claimed", "fitted", "registered", "worked", "outbox"),
    ),
    "decide": Cause(
        step="promote",
        topic="model-trained",
        make=queue_training,
        kills=("claimed", "decided", "closed", "worked", "outbox", "between", "announced", "done"),
        freezes=("claimed", "decided", "closed", "worked", "outbox", "between"),
    ),
    "promote": Cause(
        step="promote",
        topic="promotion-requested",
        prepare=have_another,
        make=promote_another,
        kills=("claimed", "decided", "alias", "worked", "outbox", "announced", "done"),
        freezes=("claimed", "decided", "alias", "worked", "outbox"),
    ),
    "rollback": Cause(
        step="promote",
        topic="rollback-requested",
        prepare=have_an_earlier_one,
        make=roll_back,
        kills=("claimed", "decided", "alias", "worked", "outbox", "announced", "done"),
        freezes=("claimed", "decided", "alias", "worked", "outbox"),
    ),
    "pause": Cause(
        step="promote",
        topic="pause-requested",
        make=pause_and_resume,
        kills=("claimed", "decided", "worked", "outbox", "announced", "done"),
    ),
    "withdraw": Cause(
        step="preprocess",
        topic="withdrawal-requested",
        make=withdraw,
        kills=("claimed", "withdrawn", "worked", "outbox", "announced", "done"),
        freezes=("claimed", "withdrawn", "worked", "outbox"),
    ),
    "reconcile": Cause(
        step="reconcile",
        topic="reconcile-requested",
        make=lambda lab: lab.publish("reconcile-requested", b"{}"),
        kills=("claimed", "worked", "outbox", "announced", "done"),
    ),
}
