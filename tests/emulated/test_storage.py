"""What the storage adapter promises beside what the ledger's and the emulator's tests ask."""

from __future__ import annotations

import pytest

from shared.adapters.storage import Storage
from tests.emulated.state_fixtures import BUCKET


def test_a_proxy_to_the_internet_is_not_asked_for_the_laptop(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert storage.create(BUCKET, "a", {"b": 1})
    assert (storage.read(BUCKET, "a") or ({}, 0))[0] == {"b": 1}
