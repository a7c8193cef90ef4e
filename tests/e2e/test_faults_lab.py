"""The fault lab finds nothing where nothing is wrong, and finds what is wrong where a guard is switched off."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from deploy.local.faults import run as lab
from deploy.local.faults.causes import CAUSES
from deploy.local.faults.deliveries import VALID, poisons
from deploy.local.faults.lab import Lab
from deploy.local.faults.outages import PHASES
from deploy.local.faults.report import Outcome, as_json
from deploy.local.layout import ROOT
from shared.contract import catalog
from shared.errors import PermanentError, TidewheelError
from shared.lifecycle.events import CONSUMERS
from shared.lifecycle.messages import decode
from tests.e2e.mutations import mutated

QUICK = ("poison", "reorder", "kill-preprocess.worked", "still-mlflow.promoting")
SHORT_SECONDS = 3.0
# With this seed come first the duplicates, then what leaves drops behind that later ones wait for.
LOST_LAST = 7


def quiet(_: str) -> None:
    """Nobody is watching."""


def by_name(outcomes: list[Outcome]) -> dict[str, str]:
    return {outcome.name: "\n".join(outcome.broken) for outcome in outcomes}


def test_promises_hold_under_a_few_faults(tmp_path: Path) -> None:
    outcomes = lab.run(Lab(tmp_path / "home", seed=1, away_seconds=SHORT_SECONDS), only=QUICK, say=quiet)
    report = as_json(outcomes)
    assert report["held"], by_name(outcomes)
    assert {fault["name"] for fault in report["faults"]} == set(QUICK)
    assert all(fault["injected"] >= 1 and fault["checked"] >= 10 for fault in report["faults"])


@pytest.mark.skipif("TIDEWHEEL_TEST_LAB" not in os.environ, reason="it takes minutes; make faults runs it")
def test_the_lab_sees_that_a_guard_is_switched_off(tmp_path: Path) -> None:
    # The reconciler reads outboxes, too, and would mend what preprocess leaves undone.
    guards = {"preprocess": "outbox_and_fence", "reconcile": "outbox", "launch_training": "claim"}
    functions = mutated(tmp_path / "functions", **guards)
    only = ["reorder", "kill-preprocess.outbox", "duplicates"]
    mine = Lab(tmp_path / "home", seed=LOST_LAST, functions=functions, patience_seconds=25)
    outcomes = lab.run(mine, only=only, say=quiet)
    broken = by_name(outcomes)
    assert "rows: " in broken["reorder"]
    assert "DataPrepared of ledger/preprocess/" in broken["kill-preprocess.outbox"]
    assert "was never published" in broken["kill-preprocess.outbox"]
    assert "wait in the subscription launch_training-training-requested" in broken["duplicates"]
    assert not as_json(outcomes)["held"]


@pytest.mark.skipif("TIDEWHEEL_TEST_LAB" not in os.environ, reason="it takes minutes; make faults runs it")
def test_the_lab_sees_that_the_workers_claim_is_switched_off(tmp_path: Path) -> None:
    mine = Lab(tmp_path / "home", seed=1, worker="tests.e2e.mutated_worker", patience_seconds=25)
    outcomes = lab.run(mine, only=["freeze-train.fitted", "freeze-train.outbox"], say=quiet)
    broken = by_name(outcomes)
    assert "which does not count" in broken["freeze-train.fitted"]
    assert "was announced by somebody who had no claim" in broken["freeze-train.outbox"]


def test_the_poisons_are_made_of_a_good_message_for_every_topic() -> None:
    assert set(VALID) == set(CONSUMERS)
    for topic, fields in VALID.items():
        assert decode(topic, json.dumps(fields).encode(), {}, "1").topic == topic
        for poison in poisons(fields):
            with pytest.raises(PermanentError):
                decode(topic, poison, {}, "1")
                catalog.model(json.loads(poison)["name"].split("/")[0])


def test_every_crash_point_of_the_code_is_one_of_the_labs() -> None:
    files = [file for room in ("functions", "shared", "training_vm") for file in (ROOT / room).rglob("*.py")]
    there = {point for file in files for point in re.findall(r'crash\.point\(f?"([^"]+)"\)', file.read_text())}
    steps = {cause.step for cause in CAUSES.values()}
    known = {cause.point(each) for cause in CAUSES.values() for each in (*cause.kills, *cause.freezes)}
    assert {point for point in there if "{" not in point} <= known
    assert known <= {point.replace("{step}", step) for point in there for step in steps}
    assert {f"{step}.{point}" for step, points in PHASES.values() for point in points} <= known


def test_an_unknown_fault_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(TidewheelError, match=r"no fault is called .* Known: duplicates, at-once, poison"):
        lab.chosen(["kill-evrything"])


def test_a_fault_that_did_not_happen_has_shown_nothing() -> None:
    assert not Outcome(name="a", injected=0, checked=12, broken=(), seconds=1.0).held
