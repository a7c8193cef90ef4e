"""`status` tells what it could not learn apart from what is not there, and an outage from an answer in disorder."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NoReturn, cast

import pytest

from cli.status import Report, _add_lifecycle, _show
from shared.errors import PassingError
from shared.lifecycle.desk import Page
from shared.lifecycle.services import Services


def world(**more: Any) -> Services:
    """A project in which nothing has happened yet."""
    there: dict[str, Any] = {
        "decisions": SimpleNamespace(head=lambda model: None),
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
    report = report_of(world(decisions=SimpleNamespace(head=fails(PassingError("it is away.")))))
    assert report["notes"] == ["storage does not answer: it is away."]
    assert report["models"]["flight_delay"]["unknown"] == ["champion", "open"]
    assert [word.strip() for word in shown(report, capsys)].count("not known") == 2


def test_an_answer_in_disorder_is_no_outage() -> None:
    report = report_of(world(decisions=SimpleNamespace(head=fails(KeyError("champion")))))
    assert set(report["notes"]) == {"what storage says cannot be read: KeyError: 'champion'"}
    assert {tuple(model["unknown"]) for model in report["models"].values()} == {("champion",)}
