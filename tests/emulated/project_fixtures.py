"""One project for a whole session; a module asks for it with `pytest_plugins`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.emulated.project import Project, project


@pytest.fixture(scope="session")
def whole_project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """MLflow takes ten seconds to start: everybody shares one, and tells its own models and requests apart."""
    with project(tmp_path_factory.mktemp("project")) as running:
        yield running
