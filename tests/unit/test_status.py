"""`status` tells what it could not learn apart from what is not there, and an outage from an answer in disorder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, NoReturn, cast

import pytest

from cli.status import Report, _add_lifecycle, _show
from shared.errors import PassingError
from shared.lifecycle.decisions import Decision
from shared.lifecycle.desk import Page
from shared.lifecycle.services import Services
from shared.lifecycle.standing import AWAITING, NOT_ENOUGH, PAUSE, PROMOTE, Standing


def world(**more: Any) -> Services:
    """A project in which nothing has happened yet."""
    there: dict[str, Any] = {
        "decisions": SimpleNamespace(standing=lambda model: Standing()),
        "registry": SimpleNamespace(versions=lambda model: []),
        "desk": SimpleNamespace(read=lambda model: Page()),
        "warehouse": SimpleNamespace(log=lambda: []),
        "dead_letters": SimpleNamespace(peek=lambda: []),
    }
    return cast(Services, SimpleNamespace(**(there | more)))


def fails(error: Exception) -> Any:
    def ask(*_: Any) -> NoReturn:
        raise error

    return ask


def report_of(services: Services) -> Report:
    report: Report = {"stack": "ready", "models": {}, "open": [], "failures": [], "parts": [], "notes": []}
    _add_lifecycle(report, services)
    return report


def shown(report: Report, capsys: pytest.CaptureFixture[str]) -> list[str]:
    _show(report)
    return next(line for line in capsys.readouterr().out.splitlines() if "flight_delay" in line).split("  ")


def test_where_nothing_has_happened_everything_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    report = report_of(world())
    assert report["notes"] == []
    assert report["models"]["flight_delay"]["unknown"] == []
    assert "not known" not in " ".join(shown(report, capsys))


def test_a_store_that_is_away_leaves_unknown_what_it_knows(capsys: pytest.CaptureFixture[str]) -> None:
    report = report_of(world(decisions=SimpleNamespace(standing=fails(PassingError("it is away.")))))
    assert report["notes"] == ["storage does not answer: it is away."]
    assert report["models"]["flight_delay"]["unknown"] == ["champion", "open"]
    assert [word.strip() for word in shown(report, capsys)].count("not known") == 2


def test_an_answer_in_disorder_is_no_outage() -> None:
    report = report_of(world(decisions=SimpleNamespace(standing=fails(KeyError("champion")))))
    assert set(report["notes"]) == {"what storage says cannot be read: KeyError: 'champion'"}
    assert {tuple(model["unknown"]) for model in report["models"].values()} == {("champion",)}


def decided(number: int, version: int, verdict: str, *, champion: int, before: int | None) -> Decision:
    return Decision(
        model="flight_delay", number=number, version=version, verdict=verdict, champion=champion, before=before,
        why="of a test", who="ann", at="2026-01-02T00:00:00",
    )  # fmt: skip


def proposed(champion: int) -> dict[str, Any]:
    said = {"model": "flight_delay", "champion": champion, "version": 1, "why": "It is worse.", "drop": "d"}
    return {
        "subscription_name": "projects/p/subscriptions/log-rollback-proposed", "message_id": str(champion),
        "publish_time": "2026-01-02T00:00:00", "data": json.dumps(said), "attributes": "{}",
    }  # fmt: skip


HISTORY = [
    decided(1, 1, PROMOTE, champion=1, before=None),
    decided(2, 2, PROMOTE, champion=2, before=1),
    decided(3, 3, NOT_ENOUGH, champion=2, before=2),
]


def of(*history: Decision, proposals: Sequence[int] = ()) -> Report:
    decisions = SimpleNamespace(standing=lambda model: Standing(history if model == "flight_delay" else ()))
    log = [proposed(champion) for champion in proposals]
    return report_of(world(decisions=decisions, warehouse=SimpleNamespace(log=lambda: log)))


def test_what_waits_for_a_drop_or_for_a_person_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    report = of(*HISTORY, decided(4, 2, PAUSE, champion=2, before=2))
    model = report["models"]["flight_delay"]
    assert (model["champion"], model["pending"], model["awaiting"]) == (2, 3, None)
    assert (model["paused"]["who"], model["paused"]["number"]) == ("ann", 4)
    shown(report, capsys)
    awaits = of(*HISTORY, decided(4, 3, AWAITING, champion=2, before=2))["models"]["flight_delay"]
    assert (awaits["pending"], awaits["awaiting"]["version"], awaits["paused"]) == (None, 3, None)


def test_it_is_told_in_sentences_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    _show(of(*HISTORY, decided(4, 2, PAUSE, champion=2, before=2), proposals=[2]))
    told = capsys.readouterr().out
    assert "flight_delay is paused by ann since 2026-01-02T00:00:00: of a test" in told
    assert "flight_delay version 3 waits for the next drop." in told
    assert "It is worse. To go back: tidewheel rollback flight_delay" in told
    _show(of(*HISTORY, decided(4, 3, AWAITING, champion=2, before=2)))
    assert "tidewheel approve flight_delay 3" in capsys.readouterr().out


def test_a_proposal_about_another_champion_is_void() -> None:
    assert of(*HISTORY, proposals=[2])["models"]["flight_delay"]["proposal"]["version"] == 1
    assert of(*HISTORY, proposals=[5])["models"]["flight_delay"]["proposal"] is None
