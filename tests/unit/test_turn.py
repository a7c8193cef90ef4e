"""Drops of one model are evaluated in the order of their data: who waits for whom, and for how long."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, NoReturn, cast

import pytest

from functions.evaluate import turn
from shared.adapters.warehouse import Account
from shared.errors import PassingError
from shared.lifecycle.ledger import Ledger
from shared.lifecycle.lineage import prepared
from shared.lifecycle.services import Services
from tests.unit.bucket import SETTINGS, STATE, Bucket, storage_of

NAME = "flight_delay"


class World:
    """A January and a February that were prepared some minutes ago, and a ledger in memory."""

    def __init__(self) -> None:
        storage = storage_of(Bucket())
        self.ledger = Ledger(storage, STATE)
        self.accounts: list[Account] = []
        warehouse = SimpleNamespace(accounts=lambda model: self.accounts)
        known = {"settings": SETTINGS, "storage": storage, "ledger": self.ledger, "warehouse": warehouse}
        self.services = cast(Services, SimpleNamespace(**known))

    def prepared(self, minutes_ago: float) -> None:
        at = datetime.now(UTC) - timedelta(minutes=minutes_ago)
        self.accounts = [account(month, at) for month in (1, 2)]

    def january_fails(self) -> None:
        """As a message that comes back and has to wait once more."""

        def work() -> NoReturn:
            raise PassingError("of a test")

        with suppress(PassingError):
            self.ledger.run("evaluate", prepared(self.accounts[0]), work, lambda _: None)

    def february_may_begin(self) -> bool:
        try:
            return bool(turn.await_turn(prepared(self.accounts[1]), self.services))
        except PassingError as error:
            assert "flight_delay/1.csv comes first" in str(error)
            return False


def account(month: int, at: datetime) -> Account:
    first, last = (datetime(2013, month, day, tzinfo=UTC) for day in (1, 28))
    counts: dict[str, Any] = {"rows": 9, "accepted": 9, "rejected": 0, "duplicate": 0}
    drop = f"{NAME}/{month}.csv"
    return Account(
        model=NAME, drop=drop, generation=1, outcome="prepared", first_event=first, last_event=last, prepared_at=at,
        **counts,
    )  # fmt: skip


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(turn, "WAIT_SECONDS", 0.0)
    monkeypatch.setattr(turn, "PAUSE_SECONDS", 0.0)
    yield World()


def test_a_drop_waits_for_earlier_data_that_was_prepared_just_now(world: World) -> None:
    world.prepared(minutes_ago=1)
    assert not world.february_may_begin()
    world.ledger.run("evaluate", prepared(world.accounts[0]), list, lambda _: None)
    assert world.february_may_begin()


def test_a_drop_that_nobody_is_at_holds_up_nobody(world: World) -> None:
    world.prepared(minutes_ago=6)
    assert world.february_may_begin()


def test_a_drop_that_still_comes_back_is_waited_for(world: World) -> None:
    world.prepared(minutes_ago=6)
    world.january_fails()
    assert not world.february_may_begin()


def test_a_drop_that_fails_again_and_again_holds_others_up_for_half_an_hour_only(world: World) -> None:
    world.prepared(minutes_ago=31)
    world.january_fails()
    assert world.february_may_begin()
