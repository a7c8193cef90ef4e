"""From a dropped file to a prediction, through every real part."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from google.cloud import pubsub_v1  # type: ignore[attr-defined]  # It has no types.

from tests.e2e.laptop import ENDS, Laptop

PAYLOADS = Path(__file__).parent / "payloads"
FLIGHT = {
    "time_hour": "2013-04-01T12:00:00Z",
    "carrier": "UA",
    "origin": "EWR",
    "dest": "IAH",
    "distance": 1400,
    "dep_delay": 30.0,
}


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["kind"] for event in events]


def payload(name: str) -> Any:
    return json.loads((PAYLOADS / f"{name}.json").read_text())


def test_a_first_drop_is_cleaned_trained_on_and_promoted(first: list[dict[str, Any]]) -> None:
    assert kinds(first) == [
        "DropReceived",
        "DataPrepared",
        "ModelEvaluated",
        "TrainingRequested",
        "TrainingScheduled",
        "ModelTrained",
        "ModelPromoted",
    ]
    prepared, trained, decided = first[1], first[5], first[6]
    assert (prepared["accepted"], prepared["rejected"], prepared["duplicate"]) == (26_398, 606, 0)
    assert trained["version"] == decided["version"] == decided["champion"] == decided["decision"] == 1
    assert "it beats its baseline, and there is no champion yet" in decided["why"]


def only(events: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    [found] = [event for event in events if event["kind"] == kind]
    return found


def test_a_second_drop_is_scored_by_the_champion_and_a_gain_that_shows_only_there_waits(
    second: list[dict[str, Any]],
) -> None:
    evaluated, decided = only(second, "ModelEvaluated"), only(second, "ModelKept")
    assert (evaluated["champion"], evaluated["challenger"]) == (1, None)
    assert evaluated["rows"] == only(second, "DataPrepared")["accepted"]
    assert 0 < evaluated["scores"]["champion"] < evaluated["scores"]["baseline"]
    assert (decided["version"], decided["champion"], decided["verdict"]) == (2, 1, "not enough evidence")
    assert "the gain shows only on flight_delay/2013/february.csv" in decided["why"]


def test_a_third_drop_decides_about_the_challenger_that_waited_for_it(
    laptop: Laptop, third: list[dict[str, Any]]
) -> None:
    evaluated, decided = only(third, "ModelEvaluated"), only(third, "ModelPromoted")
    assert (evaluated["champion"], evaluated["challenger"]) == (1, 2)
    assert evaluated["scores"]["challenger"] < evaluated["scores"]["champion"]
    assert (decided["version"], decided["champion"], decided["verdict"]) == (2, 2, "promote")
    assert "version 1's" in decided["why"]
    assert laptop.services.registry.champion_alias("flight_delay") == 2


def test_everything_that_was_asked_for_is_logged_with_the_version(laptop: Laptop, second: Any) -> None:
    version = laptop.services.registry.version("flight_delay", 2)
    data = version.data_version
    assert data["rows"] > 50_000
    assert data["drops"] == 2
    [drops] = laptop.services.registry.drops([version])
    assert list(drops) == ["flight_delay/january.csv", "flight_delay/2013/february.csv"]
    assert {"timestamp", "digest", "snapshot", "selection"} <= set(data)
    assert {"alpha", "min_frequency", "code.commit", "code.clean", "environment.python"} <= set(version.params)
    assert {"preprocessing.type", "environment.scikit-learn", "data.digest"} <= set(version.params)
    scores = {"train_rmse", "holdout_rmse", "baseline_holdout_rmse", "vs_1/all/gain", "vs_1/slice_newark/error"}
    assert scores <= set(version.metrics)
    assert laptop.services.registry.judged_on(version)["drops"] == list(reversed(drops))


def test_a_prediction_comes_from_the_champion_or_from_the_version_that_was_named(laptop: Laptop, third: Any) -> None:
    status, champion = laptop.predict("/models/flight_delay/predict", FLIGHT)
    assert (status, champion["version"]) == (200, 2)
    status, older = laptop.predict("/models/flight_delay/versions/1/predict", FLIGHT, FLIGHT)
    assert (status, older["version"], len(older["predictions"])) == (200, 1, 2)
    assert older["predictions"][0] != champion["predictions"][0]
    assert laptop.predict("/models/flight_delai/predict", FLIGHT)[0] == 404
    assert laptop.predict("/models/flight_delay/versions/99/predict", FLIGHT)[0] == 404
    assert laptop.predict("/models/flight_delay/predict", {**FLIGHT, "dep_delay": "late"})[0] == 400


def test_a_message_by_the_plain_client_trains_with_other_params(laptop: Laptop, second: Any) -> None:
    settings = laptop.services.settings
    publisher = pubsub_v1.PublisherClient()
    topic = publisher.topic_path(settings.project, "training-requested")
    asked = {"model": "flight_delay", "rows": "1k", "params": {"alpha": 100}, "reason": "to see"}
    story = publisher.publish(topic, json.dumps(asked).encode()).result()
    told = laptop.story(story, *ENDS)
    assert {"TrainingScheduled", "ModelTrained"} <= set(kinds(told))
    version = laptop.services.registry.version("flight_delay", told[-1]["version"])
    assert (version.params["alpha"], version.data_version["train_rows"]) == ("100", 1_000)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"model": "flight_delai"}, 'no model "flight_delai"; known: flight_delay, taxi_fare'),
        ({"model": "flight_delay", "rowz": "1k"}, 'no field "rowz". Known:'),
        ({"model": "flight_delay", "params": {"alfa": 1}}, 'has no param "alfa"; known: alpha, min_frequency.'),
    ],
)
def test_a_mistake_by_hand_is_announced_in_a_sentence(laptop: Laptop, asked: dict[str, Any], sentence: str) -> None:
    publisher = pubsub_v1.PublisherClient()
    topic = publisher.topic_path(laptop.services.settings.project, "training-requested")
    story = publisher.publish(topic, json.dumps(asked).encode()).result()
    failed = laptop.story(story, "StepFailed")[-1]
    assert sentence in f"{failed['error']} {failed['remedy']}"


@pytest.mark.parametrize(
    ("topic", "asked", "sentence"),
    [
        ("data-prepared", {"model": "flight_delay", "drop": "flight_delay/nope.csv"}, "no rows of 'flight_delay/nope"),
        ("data-prepared", {"model": "taxi_fare", "drop": "flight_delay/january.csv"}, "are prepared for taxi_fare"),
        ("drop-received", {"bucket": "elsewhere", "name": "taxi_fare/x.csv"}, 'not in "elsewhere"'),
    ],
)
def test_what_a_message_by_hand_claims_is_held_against_the_stores(
    laptop: Laptop, first: Any, topic: str, asked: dict[str, Any], sentence: str
) -> None:
    claimed = {"generation": 7} | asked
    if topic == "data-prepared":
        claimed |= {"accepted": 1, "rejected": 0, "duplicate": 0}
        claimed |= {"first_event_time": "yesterday", "last_event_time": "yesterday"}
    publisher = pubsub_v1.PublisherClient()
    path = publisher.topic_path(laptop.services.settings.project, topic)
    story = f"by hand: {sentence}"
    publisher.publish(path, json.dumps(claimed).encode(), story=story).result()
    failed = laptop.story(story, "StepFailed")[-1]
    assert sentence in failed["error"]


def test_a_dry_run_tells_the_plan_and_changes_nothing(laptop: Laptop, third: Any) -> None:
    publisher = pubsub_v1.PublisherClient()
    topic = publisher.topic_path(laptop.services.settings.project, "training-requested")
    known = laptop.services.registry.versions("flight_delay")
    story = publisher.publish(topic, b'{"model": "flight_delay", "dry_run": true}').result()
    planned = laptop.story(story, "TrainingScheduled")[-1]
    assert planned["outcome"] == "planned"
    assert "3 drops" in planned["why"]
    assert laptop.services.registry.versions("flight_delay") == known
    assert laptop.services.desk.read("flight_delay").request is None


def test_a_cloud_event_of_the_bucket_is_taken_as_it_is(laptop: Laptop, drops: list[Path], tmp_path: Path) -> None:
    few = tmp_path / "few.csv"
    few.write_text("".join(drops[2].open().readlines()[:20]))
    generation = laptop.drop(few, "flight_delay/few.csv")
    body = payload("object_finalized") | {"name": "flight_delay/few.csv", "generation": str(generation)}
    headers = payload("object_finalized_headers")
    status, _ = laptop.post("preprocess", "/", body, headers)
    assert status in (200, 500), "500: the notification has come first, and is being worked on"
    failed = laptop.story("flight_delay/few.csv", *ENDS)[-1]
    assert failed["kind"] == "StepFailed"
    assert "19" in failed["error"]


def test_the_same_push_three_times_is_one_preparation(laptop: Laptop, first: list[dict[str, Any]]) -> None:
    resource = payload("object_finalized") | {
        "name": "flight_delay/january.csv",
        "generation": str(first[1]["generation"]),
    }
    for number in range(3):
        push = payload("pubsub_push")
        push["message"] |= {"data": _base64(resource), "messageId": f"again-{number}"}
        path = f"/projects/{laptop.services.settings.project}/topics/drop-received"
        assert laptop.post("preprocess", path, push)[0] == 200
    told = laptop.story("flight_delay/january.csv", *ENDS)
    assert kinds(told).count("DataPrepared") == 1
    repeats = [name for name in _ledger(laptop, "preprocess") if "january" in name and "/repeat-" in name]
    assert len(repeats) == 3


def test_every_step_has_gone_through_the_ledger(laptop: Laptop, second: Any) -> None:
    for step in ("preprocess", "evaluate", "launch_training", "train", "promote"):
        names = _ledger(laptop, step)
        folders = {name.rpartition("/")[0] for name in names}
        assert len(folders) >= 2, step
        assert {f"{folder}/done" for folder in folders} <= set(names), step


def _ledger(laptop: Laptop, step: str) -> list[str]:
    return laptop.services.storage.names(laptop.services.settings.state_bucket, f"ledger/{step}/")


def _base64(raw: dict[str, Any]) -> str:
    import base64

    return base64.b64encode(json.dumps(raw).encode()).decode()
