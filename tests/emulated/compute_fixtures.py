"""A Compute Engine with a template, and settings to use it; a module asks for it with `pytest_plugins`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from shared.settings import Settings
from tests.emulated.compute_server import Cloud, compute
from tests.emulated.state_fixtures import SETTINGS

TEMPLATE = "projects/tidewheel-test/global/instanceTemplates/training-1"


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with compute() as cloud:
        items = [{"key": "startup-script", "value": "true"}, {"key": "tidewheel-task", "value": "an old one"}]
        metadata, labels = {"items": items}, {"team": "waves"}
        properties = {"machineType": "e2-standard-4", "metadata": metadata, "labels": labels}
        cloud.templates["training-1"] = {"name": "training-1", "properties": properties}
        yield cloud


@pytest.fixture
def settings(cloud: Cloud) -> Settings:
    return replace(
        SETTINGS,
        machine_template=TEMPLATE,
        zones=("a", "b"),
        most_machines=2,
        spot_starts=2,
        training_deadline_seconds=600.0,
        compute_url=cloud.url,
    )
