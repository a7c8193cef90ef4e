"""One laptop's stack for all end-to-end tests: the real servers, the real functions, a home of its own.

And what three months of flights lead to: a first version, one that waits for the next drop, and one that was promoted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local import stack
from shared.lifecycle.services import Services
from tests.e2e.laptop import ENDS, Command, Laptop


@pytest.fixture(scope="session")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    """Up for the whole session; its environment is the tests'."""
    home = tmp_path_factory.mktemp("home") / ".tidewheel"
    stack.up(home, detach=True, on_progress=lambda _: None)
    before = dict(os.environ)
    try:
        os.environ.update(stack.stack_env(home))
        yield Laptop(home=home, services=Services())
    finally:
        os.environ.clear()
        os.environ.update(before)
        stack.down(home)


@pytest.fixture(scope="session")
def drops(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The flights' first four months."""
    from cli.flights import monthly_drops

    return monthly_drops(tmp_path_factory.mktemp("flights"), range(1, 5))


@pytest.fixture(scope="session")
def tidewheel(laptop: Laptop) -> Command:
    return Command(laptop.home)


@pytest.fixture(scope="session")
def first(laptop: Laptop, drops: list[Path]) -> list[dict[str, Any]]:
    """The story of the first drop: a version that beats its baseline."""
    laptop.drop(drops[0], "flight_delay/january.csv")
    return laptop.story("flight_delay/january.csv", *ENDS)


@pytest.fixture(scope="session")
def second(laptop: Laptop, drops: list[Path], first: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The story of the second drop: a challenger whose gain shows only there."""
    laptop.drop(drops[1], "flight_delay/2013/february.csv")
    return laptop.story("flight_delay/2013/february.csv", *ENDS)


@pytest.fixture(scope="session")
def third(laptop: Laptop, drops: list[Path], second: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The story of the third drop, which decides about that challenger; it has one of its own, which waits in turn."""
    laptop.drop(drops[2], "flight_delay/march.csv")
    return laptop.story("flight_delay/march.csv", "ModelKept", "StepFailed")
