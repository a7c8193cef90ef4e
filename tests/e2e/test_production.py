"""What people decide about production, with the command, on the whole stack: predictions follow, and it is kept to."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deploy.local import probe
from deploy.local.layout import ROOT
from deploy.local.parts import MANNERS
from shared.lifecycle.events import ModelTrained, ReconcileRequested
from shared.lifecycle.standing import AWAITING, BY_HAND, ROLLBACK
from shared.lifecycle.story import told
from tests.e2e.laptop import ENDS, PATIENCE_SECONDS, Command, Laptop
from tests.e2e.test_lifecycle import FLIGHT, only
from tests.emulated.laptop import free_port

MODEL = "flight_delay"
PREDICT, FIRST = f"/models/{MODEL}/predict", f"/models/{MODEL}/versions/1/predict"
# Five seconds is what an instance may lag behind the log; the rest is a busy machine's.
FOLLOWED_SECONDS = 15.0
ROOMS = ("cli", "deploy", "functions", "shared", "training_vm")


@dataclass(frozen=True)
class Instance(Laptop):
    """The same stack, with another instance of `predict`."""

    predict_port: int = 0

    def port(self, part: str) -> int:
        return self.predict_port if part == "predict" else super().port(part)


@contextmanager
def another_instance(laptop: Laptop, tree: Path = ROOT) -> Iterator[Instance]:
    """One more instance of `predict`, as the stack starts it, from the code in a tree."""
    port = free_port()
    command = [sys.executable, "-m", "deploy.local.function", "--source", str(tree / "functions/predict/main.py")]
    command += ["--target", "predict", "--signature-type", "http", "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(command, cwd=tree, env={**os.environ, **MANNERS, "PYTHONPATH": str(tree)})
    try:
        until(lambda: probe.answers(port, "/healthz"))
        yield Instance(home=laptop.home, services=laptop.services, predict_port=port)
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="module")
def edited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code in which somebody has edited the model's features and its estimator."""
    tree = tmp_path_factory.mktemp("edited")
    for room in ROOMS:
        shutil.copytree(ROOT / room, tree / room, ignore=shutil.ignore_patterns("__pycache__", "gcp"))
    file = tree / f"shared/models/{MODEL}.py"
    text = file.read_text()
    for then, now in (('route=flights["carrier"]', 'route=flights["dest"]'), ('params["alpha"]', "1e9")):
        assert then in text
        text = text.replace(then, now)
    file.write_text(text)
    return tree


def until(is_so: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def champion(laptop: Laptop) -> int | None:
    return laptop.services.decisions.champion(MODEL)


def test_a_rollback_is_followed_by_every_instance_and_stays_until_a_person_says_otherwise(
    laptop: Laptop, tidewheel: Command, second: Any, third: Any
) -> None:
    assert champion(laptop) == 2
    with another_instance(laptop) as other:
        for each in (laptop, other):
            assert each.predict(PREDICT, FLIGHT)[1]["version"] == 2
        report = tidewheel.json("rollback", MODEL, "--reason", "complaints", "--who", "ann")
        for each in (laptop, other):
            until(lambda each=each: each.predict(PREDICT, FLIGHT)[1]["version"] == 1, FOLLOWED_SECONDS)  # type: ignore[misc]
    assert (report["verdict"], report["champion"], report["before"], report["who"]) == (ROLLBACK, 1, 2, "ann")
    record = laptop.services.decisions.history(MODEL)[report["decision"] - 1]
    assert (record.verdict, record.champion, record.why, record.who) == (ROLLBACK, 1, "complaints", "ann")
    assert laptop.services.registry.champion_alias(MODEL) == 1
    _nothing_brings_it_back(laptop, tidewheel, second)
    assert "has no earlier champion" in tidewheel("rollback", MODEL, "--reason", "more", code=1).stderr
    report = tidewheel.json("promote", MODEL, 2, "--reason", "it was not that")
    assert (report["verdict"], report["champion"], champion(laptop)) == (BY_HAND, 2, 2)
    told_by_why = tidewheel.json("why", MODEL, 2)
    verdicts = ["not enough evidence", "promote", "keep", BY_HAND]
    assert [each["verdict"] for each in told_by_why["decisions"]] == verdicts
    assert [each["verdict"] for each in told_by_why["replaced"]] == [ROLLBACK]
    assert "Replaced by version 1 with decision" in tidewheel("why", MODEL, 2).stdout


def _nothing_brings_it_back(laptop: Laptop, tidewheel: Command, second: list[dict[str, Any]]) -> None:
    """Neither a drop that is done again, nor the message that a machine sent when it had trained it."""
    [trained] = [event for event in second if event["kind"] == "ModelTrained"]
    fields = {name: trained[name] for name in ("model", "request", "version", "run", "data_version")}
    laptop.services.publish([ModelTrained(**fields, epoch=1, story="trained again")])
    decided = laptop.story("trained again", *ENDS)[-1]
    assert (decided["kind"], decided["version"], decided["champion"]) == ("ModelKept", 2, 1)
    assert "Version 2 was rolled back: only a person puts it back" in decided["why"]
    tidewheel("replay", f"{MODEL}/march.csv", "--wait")
    assert champion(laptop) == 1


def test_a_verdict_is_explained_with_the_evidence_of_each_part(tidewheel: Command, third: Any) -> None:
    waited, promoted = tidewheel.json("why", MODEL, 2)["decisions"][:2]
    assert (waited["rival"], waited["unit"], waited["news"]) == (1, "RMSE", [f"{MODEL}/2013/february.csv"])
    assert {"all", "alike", "drop_1", "drop_2", "slice_newark"} <= set(waited["evidence"])
    assert {"rows", "groups", "challenger", "rival", "gain", "low", "high"} <= set(waited["evidence"]["all"])
    assert (promoted["drops"], promoted["champion"]) == ([f"{MODEL}/march.csv"], 2)
    assert len(promoted["policy"]["digest"]) >= 12
    shown = tidewheel("why", MODEL, 2).stdout
    assert f"{MODEL}/2013/february.csv (new to version 1)" in shown
    assert "Version 2 beside version 1: gain in RMSE, over 0 is better, 95 % interval" in shown


def test_what_cannot_be_done_is_refused_in_a_sentence(tidewheel: Command, third: Any) -> None:
    assert "is in production already" in tidewheel("promote", MODEL, 2, "--reason", "again", code=1).stderr
    assert "has no version 99. Known: 1, 2" in tidewheel("promote", MODEL, 99, "--reason", "no", code=1).stderr
    assert "does not wait for approval" in tidewheel("approve", MODEL, 1, code=1).stderr
    assert "is not paused" in tidewheel("resume", MODEL, code=1).stderr
    assert "known: flight_delay" in tidewheel("pause", "flight_delai", code=2).stderr
    assert "--reason is empty" in tidewheel("rollback", MODEL, "--reason", " ", code=2).stderr
    assert "has no version 99" in tidewheel("reproduce", MODEL, 99, code=2).stderr


def test_while_it_is_paused_nothing_is_trained_by_itself_and_a_verdict_waits_for_approval(
    laptop: Laptop, tidewheel: Command, drops: list[Path], third: Any
) -> None:
    bad = tidewheel.json("train", MODEL, "--rows", "1k", "--set", "alpha=1000000", "--wait")
    tidewheel("promote", MODEL, bad["version"], "--reason", "to have something to improve")
    tidewheel("pause", MODEL, "--reason", "holidays", "--who", "ann")
    assert "is paused already" in tidewheel("pause", MODEL, code=1).stderr
    laptop.drop(drops[3], f"{MODEL}/april.csv")
    evaluated = only(laptop.story(f"{MODEL}/april.csv", "ModelEvaluated", "StepFailed"), "ModelEvaluated")
    assert evaluated["verdict"] == "keep"
    assert f"But {MODEL} is paused by ann: holidays" in evaluated["why"]
    good = tidewheel.json("train", MODEL, "--wait")
    assert (good["outcome"], good["verdict"]) == ("kept", AWAITING)
    assert f"tidewheel approve {MODEL} {good['version']}" in good["why"]
    now = tidewheel.json("status")["models"][MODEL]
    assert (now["champion"], now["awaiting"]["version"]) == (bad["version"], good["version"])
    assert (now["paused"]["who"], now["paused"]["why"]) == ("ann", "holidays")
    assert f"{MODEL} is paused by ann" in tidewheel("status").stdout
    report = tidewheel.json("approve", MODEL, good["version"], "--reason", "agreed")
    assert (report["champion"], champion(laptop)) == (good["version"], good["version"])
    assert "does not wait for approval" in tidewheel("approve", MODEL, good["version"], code=1).stderr
    assert "goes on" in tidewheel("resume", MODEL).stdout
    now = tidewheel.json("status")["models"][MODEL]
    assert (now["paused"], now["awaiting"]) == (None, None)


def test_an_edited_model_changes_no_version_that_exists(laptop: Laptop, edited: Path, third: Any) -> None:
    with another_instance(laptop, edited) as other:
        assert other.predict(FIRST, FLIGHT) == laptop.predict(FIRST, FLIGHT)
    env = {**os.environ, "PYTHONPATH": str(edited), "TIDEWHEEL_HOME": str(laptop.home)}
    command = [sys.executable, "-m", "cli.main", "reproduce", MODEL, "2", "--json"]
    ran = subprocess.run(command, cwd=edited, env=env, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    again = json.loads(ran.stdout)
    assert again["agrees"]
    assert again["code"]["model_file_digest"]["agrees"] is False, "it ran the edited tree"
    assert {each["difference"] for each in again["scores"].values()} == {0.0}
    assert again["scores"]["holdout_rmse"]["then"] == laptop.services.registry.version(MODEL, 2).metrics["holdout_rmse"]
    assert (again["predictions"]["rows"], again["predictions"]["different"]) == (1_000, 0)


def test_a_version_whose_rows_are_gone_says_that_it_cannot_be_trained_again(
    laptop: Laptop, tidewheel: Command, third: Any
) -> None:
    made = tidewheel.json("train", MODEL, "--rows", "1k", "--wait")["version"]
    snapshot = laptop.services.registry.version(MODEL, made).data_version["snapshot"]
    laptop.services.warehouse.bigquery.drop(snapshot)
    assert f"there is no table {snapshot} any more" in tidewheel("reproduce", MODEL, made, code=1).stderr


def test_an_alias_that_was_moved_by_hand_is_put_back_and_that_is_announced(laptop: Laptop, third: Any) -> None:
    registry, rightful = laptop.services.registry, champion(laptop)
    registry.set_champion(MODEL, 1)
    assert rightful != 1
    laptop.services.publish([ReconcileRequested(request="look", story="look")])
    until(lambda: registry.champion_alias(MODEL) == rightful)
    sentence = f"alias of {MODEL} put back to version {rightful}"
    until(lambda: any(sentence in each for each in _mended(laptop)))


def _mended(laptop: Laptop) -> list[str]:
    events = [told(row) for row in laptop.services.warehouse.log()]
    return [each for event in events if event["event"] == "Reconciled" for each in event["data"]["mended"]]
