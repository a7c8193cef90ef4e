"""A request that fails for good is closed with its failure: nobody waits behind it for ever."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from functions.launch_training.step import launch
from functions.promote.step import decide
from shared.adapters.storage import Storage
from shared.errors import PermanentError
from shared.lifecycle.events import ModelTrained, StepFailed, TrainingRequested
from shared.lifecycle.services import Services
from tests.emulated.state_fixtures import SETTINGS

REQUEST = TrainingRequested(model="taxi_fare", request="one", story="one")
NEXT = TrainingRequested(model="taxi_fare", request="two", rows="1k", story="two")


@pytest.fixture
def services(storage: Storage) -> Services:
    return Services(replace(SETTINGS, machines_dir=None))


def test_a_request_that_nobody_can_train_is_closed_with_its_failure(services: Services) -> None:
    (failed,) = launch(REQUEST, services)
    assert isinstance(failed, StepFailed)
    assert "nowhere to train" in failed.error
    assert services.desk.read("taxi_fare").request is None


def test_a_version_that_cannot_be_judged_closes_its_request_and_the_next_goes_on(services: Services) -> None:
    def no_version(model: str, version: int) -> None:
        raise PermanentError(f"{model} has no version {version}.")

    vars(services)["registry"] = SimpleNamespace(version=no_version)
    services.desk.place(REQUEST)
    services.desk.place(NEXT)
    failed, followed = decide(ModelTrained(model="taxi_fare", request="one", version=9, run="r"), services)
    assert isinstance(failed, StepFailed)
    assert isinstance(followed, TrainingRequested)
    assert (failed.error, followed.request) == ("taxi_fare has no version 9.", "two")
