"""Aliases that were moved by hand are put back; what cannot be asked holds up nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

from functions.reconcile.aliases import put_back
from shared.contract.catalog import known_models
from shared.errors import PassingError, PermanentError
from shared.lifecycle.services import Services


class World:
    """Version 3 of every model is in production; MLflow says what it is told to."""

    def __init__(self, **says: int | Exception) -> None:
        self.says, self.put, self.asked = says, dict[str, int](), list[str]()

    def champion_alias(self, model: str) -> int:
        self.asked.append(model)
        said = self.says.get(model, 3)
        if isinstance(said, Exception):
            raise said
        return said

    def set_champion(self, model: str, number: int) -> None:
        self.put[model] = number

    @property
    def services(self) -> Services:
        return cast(Services, SimpleNamespace(registry=self, decisions=SimpleNamespace(champion=lambda _: 3)))


def test_an_alias_that_was_moved_is_put_back_and_told() -> None:
    world = World(taxi_fare=1)
    assert put_back(world.services) == ["alias of taxi_fare put back to version 3"]
    assert world.put == {"taxi_fare": 3}


def test_where_it_is_as_it_should_be_nothing_is_told() -> None:
    world = World()
    assert (put_back(world.services), world.put) == ([], {})


def test_a_model_whose_champion_is_gone_from_mlflow_holds_up_no_other() -> None:
    world = World(flight_delay=PermanentError("it is gone."), taxi_fare=1)
    assert put_back(world.services) == ["alias of taxi_fare put back to version 3"]


def test_an_mlflow_that_is_away_is_asked_once() -> None:
    world = World(flight_delay=PassingError("it is away."))
    assert put_back(world.services) == []
    assert world.asked == known_models()[:1]
