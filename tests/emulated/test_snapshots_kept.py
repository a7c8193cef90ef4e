"""Snapshots as BigQuery's client lists them, on the emulator."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deploy.gcp.snapshots import snapshots
from shared.adapters.warehouse import Warehouse
from shared.lifecycle.services import Services
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


def test_a_snapshot_is_told_from_a_table_and_goes_when_it_is_dropped(services: Services) -> None:
    warehouse: Warehouse = services.warehouse
    warehouse.prepare_common()
    name = warehouse.bigquery.name
    warehouse.bigquery.run(f"CREATE SNAPSHOT TABLE {name('drops_at_x')} CLONE {name('drops')}")
    assert [each.name for each in snapshots(services)] == ["drops_at_x"]
    warehouse.bigquery.drop("drops_at_x")
    assert snapshots(services) == []
