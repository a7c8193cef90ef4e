"""What a person does about drops and dead letters, with the command, on the whole stack."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.taxi_drops import COLUMNS, NO_DIRT, TaxiDrop, write
from shared.contract.catalog import model
from shared.lifecycle.events import CONSUMERS, DEAD_LETTERS
from tests.e2e.laptop import PATIENCE_SECONDS, Command, Laptop

MODEL = "taxi_fare"
FIRST, SECOND, FEW = (f"{MODEL}/{name}.csv" for name in ("first", "second", "few"))
ROWS = 1_000
# A spreadsheet would run it, and a terminal would turn red.
HOSTILE = "=cmd|' /C calc'!A0,-1.0,2013-01-05 10:00:00 UTC,-73.98,40.75,-73.95,40.78,\x1b[31m1"


@pytest.fixture(scope="session")
def taxis(laptop: Laptop, tidewheel: Command, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What became of a drop that a version was trained on, of half its rows in another drop, and of too few rows."""
    folder = tmp_path_factory.mktemp("taxis")
    write(TaxiDrop(rows=ROWS, dirt=NO_DIRT), folder / "all.csv")
    head, *lines = (folder / "all.csv").read_text().splitlines()
    assert head.split(",") == COLUMNS
    kept = {FIRST: [*lines, HOSTILE], SECOND: lines[ROWS // 2 :], FEW: lines[:5]}
    return {name: _dropped(tidewheel, folder, name, [head, *rows]) for name, rows in kept.items()}


def _dropped(tidewheel: Command, folder: Path, name: str, lines: list[str]) -> Any:
    file = folder / name.rpartition("/")[2]
    file.write_text("\n".join(lines) + "\n")
    return tidewheel.json("drop", file, "--model", MODEL, "--wait")


def current(laptop: Laptop) -> dict[str, int]:
    """How many rows of each drop stand."""
    warehouse = laptop.services.warehouse
    table = f"{warehouse.bigquery.name(f'{MODEL}_current')}(TIMESTAMP '2000-01-01', TIMESTAMP '2030-01-01')"
    rows = warehouse.bigquery.run(f"SELECT _drop AS name, COUNT(*) AS counted FROM {table} GROUP BY name")
    return {row["name"]: row["counted"] for row in rows}


def test_rejected_rows_are_shown_and_written_safely(tidewheel: Command, taxis: Any, tmp_path: Path) -> None:
    file = tmp_path / "rejects.csv"
    report = tidewheel.json("rejects", FIRST, "--csv", file)
    assert (report["accepted"], report["rejected"], report["rows"]) == (ROWS, 1, ROWS + 1)
    [row] = report["rejects"]
    assert (row["line"], row["raw"]) == (ROWS + 2, HOSTILE)
    assert any("fare_amount is under 0.01" in reason for reason in report["reasons"])
    assert f'''"'{HOSTILE}"''' in file.read_text()
    shown = tidewheel("rejects", FIRST).stdout
    assert "\\x1b[31m" in shown
    assert "\x1b" not in shown


def test_a_refused_drop_is_in_quarantine_with_its_reason(laptop: Laptop, tidewheel: Command, taxis: Any) -> None:
    report = tidewheel.json("rejects", FEW)
    assert report["outcome"] == "refused"
    assert taxis[FEW]["reason"].startswith(report["quarantine"]["error"])
    bucket = laptop.services.settings.quarantine_bucket
    assert report["quarantine"]["file"] == f"gs://{bucket}/{FEW}@{taxis[FEW]['generation']}"
    assert "Refused" in tidewheel("rejects", FEW).stdout


def test_an_unknown_drop_is_told_with_the_nearest(tidewheel: Command, taxis: Any) -> None:
    for command in (("rejects",), ("withdraw", "--reason", "no"), ("replay",), ("why", "--drop")):
        assert f"Nearest: {FIRST}" in tidewheel(*command, f"{MODEL}/frist.csv", code=2).stderr


def test_a_withdrawn_drop_leaves_and_the_same_rows_in_another_stay(
    laptop: Laptop, tidewheel: Command, taxis: Any
) -> None:
    half = ROWS // 2
    assert current(laptop) == {FIRST: half, SECOND: half}
    report = tidewheel.json("withdraw", FIRST, "--reason", "the meter was broken", "--who", "ann")
    assert (report["withdrawn"], report["champion_has_seen_it"]) == (True, True)
    assert 1 in report["versions"]
    assert current(laptop) == {SECOND: half}
    data = laptop.services.warehouse.data_version(MODEL, model(MODEL), request="after-the-withdrawal")
    assert (data.drop_names, data.rows) == ([SECOND], half)
    told = tidewheel.json("why", "--drop", FIRST)
    [by] = told["withdrawals"]
    assert (by["who"], by["reason"], by["withdrawn"]) == ("ann", "the meter was broken", True)
    assert (told["withdrawn"], told["in_use"]) == (True, None)
    assert [each["version"] for each in told["versions"]] == report["versions"]
    assert "It is withdrawn" in tidewheel("why", "--drop", FIRST).stdout
    states = {each["drop"]: each["state"] for each in tidewheel.json("why", MODEL, 1)["drops"]}
    assert states == {FIRST: "withdrawn"}
    again = tidewheel.json("replay", FIRST, "--wait")["events"]
    assert "It is withdrawn" in next(event for event in again if event["event"] == "ModelEvaluated")["data"]["why"]
    assert current(laptop) == {SECOND: half}, "a replay puts nothing back"
    tidewheel("withdraw", FIRST, "--reason", "it was not", "--undo")
    assert current(laptop) == {FIRST: half, SECOND: half}
    assert tidewheel.json("why", "--drop", FIRST)["in_use"] == taxis[FIRST]["generation"]


def test_a_mistake_in_a_withdrawal_by_hand_is_announced(laptop: Laptop, taxis: Any) -> None:
    asked = {"model": MODEL, "drop": f"{MODEL}/frist.csv", "reason": "no"}
    [story] = laptop.services.bus.publish([("withdrawal-requested", json.dumps(asked).encode(), {})])
    failed = laptop.story(story, "StepFailed")[-1]
    assert (failed["step"], failed["about"]) == ("preprocess", story)
    assert f"Nearest: {FIRST}" in failed["remedy"]


def test_a_version_is_explained_back_to_its_files(laptop: Laptop, tidewheel: Command, taxis: Any) -> None:
    told = tidewheel.json("why", MODEL, 1)
    assert told["decisions"][0]["verdict"] == "promote"
    assert told["run"] == laptop.services.registry.version(MODEL, 1).run
    [drop] = told["drops"]
    assert (drop["drop"], drop["generation"]) == (FIRST, taxis[FIRST]["generation"])
    assert drop["file"] == f"gs://{laptop.services.settings.landing_bucket}/{FIRST}"
    assert "Version 1 of taxi_fare" in tidewheel("why", MODEL, 1).stdout


def test_a_replay_is_another_preparation_and_evaluation(tidewheel: Command, taxis: Any) -> None:
    report = tidewheel.json("replay", SECOND, "--wait")
    # The withdrawal of the other drop may have had this one evaluated in the first epoch already.
    assert report["epoch"] in {1, 2} and (report["outcome"], report["accepted"]) == ("prepared", ROWS // 2)
    kinds = [event["event"] for event in report["events"]]
    assert kinds[:3] == ["DropReceived", "DataPrepared", "ModelEvaluated"]
    refused = tidewheel.json("replay", FEW, "--wait")
    assert (refused["epoch"], refused["outcome"]) == (1, "refused")


def test_a_drop_that_is_gone_is_not_replayed(laptop: Laptop, tidewheel: Command, taxis: Any) -> None:
    laptop.services.storage.delete(laptop.services.settings.landing_bucket, FEW)
    assert "is kept at gs://" in tidewheel("replay", FEW, code=2).stderr


def test_a_version_is_trained_again_from_its_record_whatever_was_dropped_since(tidewheel: Command, taxis: Any) -> None:
    again = tidewheel.json("reproduce", MODEL, 1)
    assert again["agrees"], again
    assert {"train_mae", "holdout_mae", "train_rows", "holdout_rows"} <= set(again["scores"])
    assert {each["difference"] for each in again["scores"].values()} == {0.0}
    assert again["predictions"]["rows"] == again["scores"]["holdout_rows"]["now"]
    assert again["predictions"]["different"] == 0
    assert again["packages"] == {}


def bury(laptop: Laptop, data: bytes, topic: str) -> None:
    """What Pub/Sub does with a message after its last attempt."""
    source = "CloudPubSubDeadLetterSource"
    about = {f"{source}Subscription": f"{CONSUMERS[topic]}-{topic}", f"{source}DeliveryCount": "40"}
    laptop.services.bus.publish([(DEAD_LETTERS, data, about)])


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_dead_letters_are_listed_and_sent_again(laptop: Laptop, tidewheel: Command, taxis: Any) -> None:
    assert tidewheel.json("dead-letters") == []
    bury(laptop, b'{"model": "taxi_fare", "dry_run": true}', "training-requested")
    bury(laptop, b"{", "drop-received")
    until(lambda: tidewheel.json("status")["dead_letters"] == 2)
    asked, poison = tidewheel.json("dead-letters")
    assert (asked["event"], asked["topic"], asked["attempts"]) == ("TrainingRequested", "training-requested", 40)
    assert "not JSON" in poison["error"]
    assert asked["id"] in tidewheel("dead-letters", "nothing", code=2).stderr
    [sent] = tidewheel.json("dead-letters", asked["id"], "--redrive")
    assert sent["redriven_as"]
    assert laptop.story(asked["first_id"], "TrainingScheduled")[-1]["outcome"] == "planned"
    assert poison["id"] in tidewheel("dead-letters").stdout
    tidewheel("dead-letters", "--redrive")
    assert tidewheel.json("dead-letters") == []
    assert "not JSON" in laptop.story(poison["first_id"], "StepFailed")[-1]["error"]
