"""PostgreSQL and the MLflow server of Google Cloud on it, once for a session; a module asks with `pytest_plugins`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
import requests

from deploy.local.environment import ARTIFACTS, PROJECT
from tests.emulated import laptop, mlflow_servers
from tests.emulated.mlflow_servers import Starting
from tests.emulated.postgres import Postgres, binaries, postgres


@pytest.fixture(scope="session")
def cluster() -> Iterator[Postgres]:
    programs = binaries()
    if programs is None:
        pytest.skip("no PostgreSQL here: install Debian's package postgresql, or put initdb on the path")
    with postgres(programs) as running:
        yield running


@pytest.fixture(scope="session")
def google(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """Where Google's services are: a bucket is all that a server needs."""
    with laptop.storage(tmp_path_factory.mktemp("storage")) as storage:
        address = f"http://127.0.0.1:{storage.port}"
        requests.post(
            f"{address}/storage/v1/b?project={PROJECT}", json={"name": ARTIFACTS}, timeout=9
        ).raise_for_status()
        yield {"GOOGLE_CLOUD_PROJECT": PROJECT, "STORAGE_EMULATOR_HOST": address}


@pytest.fixture(scope="session")
def cloud_mlflow(
    cluster: Postgres, google: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Starting]:
    """MLflow as it is on Google Cloud."""
    env = {**google, **cluster.create("mlflow")}
    with mlflow_servers.start(env, tmp_path_factory.mktemp("mlflow")) as server:
        yield server.wait()
