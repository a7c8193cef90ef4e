"""Snapshots as BigQuery's client lists them, on the emulator."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from functions.reconcile.snapshots import prune
from shared.lifecycle.services import Services
from shared.lifecycle.standing import Standing
from shared.settings import Settings
from tests.emulated.bigquery_server import bigquery


@pytest.fixture
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    places = tmp_path_factory.mktemp("bigquery"), tmp_path_factory.mktemp("storage")
    with pytest.MonkeyPatch.context() as patch, bigquery(*places) as server:
        patch.setenv("BIGQUERY_EMULATOR_HOST", server.rest)
        services = Services(Settings.from_env({"GOOGLE_CLOUD_PROJECT": "tidewheel-test"}))
        services.warehouse.bigquery.client.create_dataset(services.settings.dataset)
        yield services


@pytest.fixture
def kept(services: Services) -> str:
    """A snapshot that was made just now."""
    warehouse = services.warehouse
    warehouse.prepare_common()
    name = warehouse.bigquery.name
    warehouse.bigquery.run(f"CREATE SNAPSHOT TABLE {name('drops_at_x')} CLONE {name('drops')}")
    return "drops_at_x"


def test_a_snapshot_is_told_from_a_table_and_one_that_nobody_needs_goes(services: Services, kept: str) -> None:
    nobody = SimpleNamespace(standing=lambda model: Standing())
    vars(services).update(decisions=nobody, registry=SimpleNamespace(versions=lambda model: []))
    assert [each.name for each in services.warehouse.snapshots()] == [kept]
    assert prune(30, services) == []
    (said,) = prune(0, services)
    assert said.startswith(f"deleted the snapshot {kept} of ")
    assert services.warehouse.snapshots() == []
