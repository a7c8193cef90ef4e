"""A state bucket on a storage server of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage as google_storage

from shared.adapters.storage import Storage
from shared.settings import Settings
from tests.emulated import laptop

BUCKET = "tidewheel-test-state"
SETTINGS = Settings(project="tidewheel-test", landing_bucket="l", quarantine_bucket="q", state_bucket=BUCKET)


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Storage]:
    with laptop.storage(tmp_path / "storage") as server:
        address = f"http://127.0.0.1:{server.port}"
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", address)
        google_storage.Client(project="tidewheel-test", credentials=AnonymousCredentials()).create_bucket(BUCKET)
        yield Storage(SETTINGS)
