"""Which snapshots may go: those that are old, and that nothing that serves, served or waits was trained on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

from functions.reconcile.snapshots import in_use, unneeded
from shared.adapters.warehouse_snapshots import Snapshot
from shared.contract import catalog
from shared.lifecycle.decisions import Decision
from shared.lifecycle.services import Services
from shared.lifecycle.standing import NOT_ENOUGH, PROMOTE, Standing

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def test_what_is_old_and_used_by_nobody_goes_oldest_first() -> None:
    there = [
        Snapshot(name, NOW - timedelta(days=days)) for name, days in [("c", 401), ("a", 500), ("b", 10), ("d", 600)]
    ]
    assert [each.name for each in unneeded(there, {"d"}, NOW - timedelta(days=400))] == ["a", "c"]


def test_whoever_serves_has_served_or_waits_keeps_theirs() -> None:
    history = [decision(1, PROMOTE, 1), decision(2, PROMOTE, 2), decision(3, PROMOTE, 3), decision(4, NOT_ENOUGH, 3)]
    versions = [SimpleNamespace(version=each, data_version={"snapshot": f"s{each}"}) for each in range(1, 6)]
    services = SimpleNamespace(
        decisions=SimpleNamespace(standing=lambda model: Standing(history if model == first() else ())),
        registry=SimpleNamespace(versions=lambda model: versions if model == first() else []),
    )
    assert in_use(cast(Services, services)) == {"s1", "s2", "s3", "s4"}


def first() -> str:
    return catalog.known_models()[0]


def decision(version: int, verdict: str, champion: int) -> Decision:
    said: dict[str, Any] = {"model": first(), "version": version, "champion": champion, "verdict": verdict, "why": "."}
    return Decision(**said)
