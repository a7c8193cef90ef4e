"""PostgreSQL and the MLflow server of Google Cloud on it, once for a session; a module asks with `pytest_plugins`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from tests.emulated import mlflow_servers
from tests.emulated.mlflow_servers import Starting
from tests.emulated.postgres import Postgres, binaries, postgres
from tests.emulated.project import Project


@pytest.fixture(scope="session")
def cluster() -> Iterator[Postgres]:
    programs = binaries()
    if programs is None:
        pytest.skip("no PostgreSQL here: install Debian's package postgresql, or put initdb on the path")
    with postgres(programs) as running:
        yield running


@pytest.fixture(scope="session")
def google(whole_project: Project) -> Mapping[str, str]:
    """Where Google's services are, for a server."""
    return {name: whole_project.env[name] for name in ("GOOGLE_CLOUD_PROJECT", "STORAGE_EMULATOR_HOST")}


@pytest.fixture(scope="session")
def cloud_mlflow(
    cluster: Postgres, google: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Starting]:
    """MLflow as it is on Google Cloud."""
    env = {**google, **cluster.create("mlflow")}
    with mlflow_servers.start(env, tmp_path_factory.mktemp("mlflow")) as server:
        yield server.wait()
