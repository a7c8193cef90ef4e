"""One laptop's stack for all end-to-end tests: the real servers, the real functions, a home of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local import stack
from shared.lifecycle.services import Services
from tests.e2e.laptop import Laptop


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
    """The flights' first three months."""
    from cli.flights import monthly_drops

    return monthly_drops(tmp_path_factory.mktemp("flights"), range(1, 4))
