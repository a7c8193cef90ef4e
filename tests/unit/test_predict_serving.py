"""Who answers a request, and with which status: everything that needs no registry, beside one that is played."""

from __future__ import annotations

import io
import json
import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from functions.predict.serving import FOLLOW_SECONDS, MOST_LOADED, Serving
from functions.predict.step import Predictor
from shared.adapters.registry_records import NoSuchVersion
from shared.contract.catalog import model
from shared.errors import PassingError, PermanentError

NAME = "flight_delay"
FLIGHT = {
    "time_hour": "2013-03-01T10:00:00Z",
    "carrier": "UA",
    "origin": "EWR",
    "dest": "IAH",
    "distance": 1400,
    "dep_delay": 5.0,
}


class Played:
    """A project in which versions 1 to 99 predict their own number."""

    def __init__(self) -> None:
        self.head: int | None = 1
        self.now, self.looks, self.loads = 0.0, 0, []  # type: ignore[var-annotated]
        self.fault: Exception | None = None
        self.answer: float | None = None
        self.decisions = SimpleNamespace(champion=self._champion)
        self.registry = SimpleNamespace(load=self._load, versions=self._versions)

    def _champion(self, _: str) -> int | None:
        self.looks += 1
        if self.fault:
            raise self.fault
        return self.head

    def _load(self, name: str, version: int) -> Any:
        if version > 99:
            raise NoSuchVersion(f"{name} has no version {version}.", "Known: 1, 2.")
        if self.fault:
            raise self.fault
        self.loads.append(version)
        value = version if self.answer is None else self.answer
        predictions = lambda frame: np.full(len(frame), float(value))  # noqa: E731
        return SimpleNamespace(version=version, columns=tuple(model(name).columns), predictions=predictions)

    def _versions(self, _: str) -> list[Any]:
        return [SimpleNamespace(version=number, counts=number != 2) for number in (1, 2, 3)]


@pytest.fixture
def played() -> Played:
    return Played()


@pytest.fixture
def serving(played: Played) -> Serving:
    return Serving(played, clock=lambda: played.now)  # type: ignore[arg-type]


@pytest.fixture
def predictor(played: Played, serving: Serving) -> Predictor:
    return Predictor(played, serving)  # type: ignore[arg-type]


def ask(predictor: Predictor, method: str, path: str, content: Any = None) -> tuple[int, Any]:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    text, status, headers = predictor.answer(method, path, io.BytesIO(body))
    assert headers["Content-Type"] == "application/json"
    return status, json.loads(text, parse_constant=pytest.fail)


def predict(predictor: Predictor, path: str = f"/models/{NAME}/predict") -> tuple[int, Any]:
    return ask(predictor, "POST", path, {"instances": [FLIGHT, FLIGHT]})


def test_the_champion_answers_and_says_which_version_it_is(predictor: Predictor) -> None:
    assert predict(predictor) == (200, {"predictions": [1.0, 1.0], "model": NAME, "version": 1})


def test_any_version_answers_under_its_number(predictor: Predictor) -> None:
    assert predict(predictor, f"/models/{NAME}/versions/7/predict")[1]["version"] == 7


def test_a_promotion_is_followed_after_five_seconds_at_most(predictor: Predictor, played: Played) -> None:
    predict(predictor)
    played.head, played.now = 2, FOLLOW_SECONDS - 0.1
    assert predict(predictor)[1]["version"] == 1 and played.looks == 1
    played.now = FOLLOW_SECONDS
    assert predict(predictor)[1]["version"] == 2


def test_while_the_log_is_away_the_last_champion_goes_on(predictor: Predictor, played: Played) -> None:
    predict(predictor)
    played.fault, played.now = PassingError("the storage is away"), 60.0
    assert predict(predictor)[1]["version"] == 1


def test_a_store_that_is_away_is_503_and_says_when_to_come_again(predictor: Predictor, played: Played) -> None:
    played.fault = PassingError("MLflow is not ready")
    assert predict(predictor) == (503, {"error": "MLflow is not ready", "remedy": ""})
    assert predictor.answer("POST", f"/models/{NAME}/predict", io.BytesIO())[2]["Retry-After"] == "5"


def test_without_a_champion_the_versions_are_named(predictor: Predictor, played: Played) -> None:
    played.head = None
    status, said = predict(predictor)
    assert (status, said["error"]) == (404, "flight_delay has no champion yet.")
    assert "1, 3" in said["remedy"]


def test_a_version_that_cannot_be_loaded_is_refused_with_a_sentence(predictor: Predictor, played: Played) -> None:
    played.fault = PermanentError("version 1 of flight_delay cannot be loaded: no module named x.", "Install it.")
    status, said = predict(predictor, f"/models/{NAME}/versions/1/predict")
    assert status == 500 and "no module named x" in said["error"] and said["remedy"] == "Install it."


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("POST", "/models/flight_dely/predict", 404, 'no model "flight_dely"; known: flight_delay'),
        ("POST", f"/models/{NAME}/versions/100/predict", 404, "has no version 100"),
        ("POST", f"/models/{NAME}/versions/0/predict", 404, '"0" is not a version'),
        ("POST", f"/models/{NAME}/versions/champion/predict", 404, "is not a version"),
        ("GET", f"/models/{NAME}/predict", 405, "takes POST, not GET"),
        ("POST", f"/models/{NAME}", 405, "takes GET, not POST"),
        ("GET", "/model", 404, "there is nothing at /model."),
    ],
)
def test_what_is_not_there_is_told_with_what_is(
    predictor: Predictor, method: str, path: str, status: int, said: str
) -> None:
    answered, error = ask(predictor, method, path, {"instances": [FLIGHT]})
    assert answered == status and said in error["error"]


def test_a_body_that_is_too_long_is_413(predictor: Predictor) -> None:
    assert ask(predictor, "POST", f"/models/{NAME}/predict", b" " * 10_000_001)[0] == 413


def test_a_row_that_breaks_the_contract_is_400(predictor: Predictor) -> None:
    status, said = ask(predictor, "POST", f"/models/{NAME}/predict", {"instances": [{**FLIGHT, "distance": 0}]})
    assert (status, said["error"]) == (400, "instance 1: distance is 0, under 1.")


def test_a_prediction_that_is_no_number_is_null(predictor: Predictor, played: Played) -> None:
    played.answer = float("nan")
    assert predict(predictor)[1]["predictions"] == [None, None]


def test_a_model_tells_its_champion_and_the_versions_that_count(predictor: Predictor) -> None:
    assert ask(predictor, "GET", f"/models/{NAME}/") == (200, {"model": NAME, "champion": 1, "versions": [1, 3]})
    assert ask(predictor, "GET", "/models")[1]["models"][0] == NAME
    assert ask(predictor, "GET", "/healthz") == (200, {"status": "ok"})


def test_versions_stay_loaded_while_they_are_used(serving: Serving, played: Played) -> None:
    for version in [*range(1, MOST_LOADED + 1), 1, MOST_LOADED + 1, 1, 2]:
        serving.load(NAME, version)
    assert played.loads == [*range(1, MOST_LOADED + 2), 2]


def test_many_at_once_load_a_version_once(serving: Serving, played: Played) -> None:
    threads = [threading.Thread(target=serving.load, args=(NAME, 5)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert played.loads == [5]
