"""What sets a step off, so that a fault can be made on its way."""

from __future__ import annotations

from collections.abc import Callable

from deploy.local.faults.flights import MODEL
from deploy.local.faults.lab import Lab, Message, until

POINTS: dict[str, tuple[str, ...]] = {
    "preprocess": ("claimed", "staged", "swapped", "worked", "outbox", "announced", "done"),
    "evaluate": ("claimed", "appended", "recorded", "worked", "outbox", "announced", "done"),
    "launch_training": ("claimed", "placed", "launched", "worked", "outbox", "announced", "done"),
    "train": ("claimed", "started", "fitted", "registered", "finished", "worked", "outbox", "announced", "done"),
    "promote": ("claimed", "decided", "alias", "worked", "outbox", "announced", "done", "closed"),
    "reconcile": ("claimed", "worked", "outbox", "announced", "done"),
}
OTHER_CAUSES = {"promote.closed": "train"}


def cause_of(lab: Lab, point: str) -> Callable[[], object]:
    """What leads a process to a crash point."""
    step = OTHER_CAUSES.get(point, point.partition(".")[0])
    if step in ("preprocess", "evaluate"):
        return lab.drop
    if step == "promote":
        return lambda: promote_another(lab)
    if step == "reconcile":
        return lambda: lab.publish("reconcile-requested", b"{}")
    return lambda: ask_training(lab)


def ask_training(lab: Lab) -> Message:
    """A person asks for a training."""
    return lab.publish("training-requested", {"model": MODEL, "reason": "the fault lab asks"})


def promote_another(lab: Lab) -> Message:
    """A person puts another version into production."""
    champion = lab.services.decisions.champion(MODEL)
    known = [each.version for each in lab.services.registry.versions(MODEL) if each.counts]
    others = [version for version in known if version != champion]
    if not others:
        ask_training(lab)
        others = until(lambda: _others(lab, known), "a second version")
    asked = {"model": MODEL, "version": lab.dice.choice(others), "reason": "the fault lab asks", "who": "the lab"}
    return lab.publish("promotion-requested", asked)


def _others(lab: Lab, known: list[int]) -> list[int]:
    from deploy.local.faults.quiet import settle

    settle(lab)
    champion = lab.services.decisions.champion(MODEL)
    return [each.version for each in lab.services.registry.versions(MODEL) if each.counts and each.version != champion]
