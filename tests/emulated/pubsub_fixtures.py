"""Fixtures of the Pub/Sub suites that run on two servers; a module asks for them with `pytest_plugins`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.emulated.pubsub_servers import PubSub, google, ours


@pytest.fixture(scope="module", params=["ours", "google"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PubSub]:
    """Either server; a module that defines a `server` of its own has its own."""
    folder = tmp_path_factory.mktemp("pubsub")
    with ours(folder / "pubsub.sqlite") if request.param == "ours" else google(folder) as running:
        yield running


@pytest.fixture
def topic(server: PubSub) -> str:
    """A new topic."""
    return server.topic()
