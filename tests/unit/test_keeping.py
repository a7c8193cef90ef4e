"""What a person asks about drops and dead letters: refused in a sentence, safe to show, and with advice."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from typer.testing import Result

from cli import withdrawals
from cli.output import show_table, visible
from cli.rejects import by_reason, safe, write_csv
from cli.replays import of_replay
from cli.telling import line
from shared.lifecycle.decisions import Decision
from shared.lifecycle.events import DropReceived
from shared.lifecycle.lineage import known_account, model_of
from shared.lifecycle.messages import decode, encode
from shared.lifecycle.services import Services
from tests.unit.test_command import refused, run

DROP = "flight_delay/a.csv"
__all__ = ["run"]
ABOUT_DROPS = [("rejects",), ("withdraw", "--reason", "no"), ("replay",), ("why", "--drop")]


@pytest.mark.parametrize("command", ABOUT_DROPS, ids=lambda command: command[0])
def test_a_drop_is_named_by_its_model_and_its_file(command: tuple[str, ...], run: Callable[..., Result]) -> None:
    refused(run(*command, "a.csv"), "<model>/<file>", "flight_delay, taxi_fare")
    refused(run(*command, "flight_delay/"), "<model>/<file>")
    refused(run(*command, "flight_delai/a.csv"), 'no model "flight_delai"')
    refused(run(*command, DROP), "tidewheel up", code=1)


def test_what_is_left_out_is_named(run: Callable[..., Result], tmp_path: Path) -> None:
    refused(run("withdraw", DROP), "--reason")
    refused(run("why"), "a model's version or about a drop")
    refused(run("why", "flight_delay", "--drop", DROP), "a model's version or about a drop")
    refused(run("why", "flight_delai"), "flight_delay")
    refused(run("rejects", DROP, "--csv", tmp_path), "cannot be written")
    refused(run("rejects", DROP, "--csv", tmp_path / "no/a.csv"), "cannot be written")
    refused(run("dead-letters", "--redrive"), "tidewheel up", code=1)


def services(*drops: str, **more: Any) -> Services:
    """A warehouse that knows these drops, and no rows."""
    accounts = [SimpleNamespace(drop=drop) for drop in drops]
    warehouse = SimpleNamespace(account=lambda *_: None, accounts=lambda _: accounts)
    return cast(Services, SimpleNamespace(warehouse=warehouse, **more))


def test_an_unknown_drop_is_told_with_the_nearest() -> None:
    for drops, told in (
        (["flight_delay/2013-01.csv", "flight_delay/2013-02.csv", "flight_delay/zz"], "Nearest: flight_delay/2013-01"),
        ([f"flight_delay/{letter * 9}" for letter in "vwxyz"], "and 2 more"),
        ([], "It has none yet"),
    ):
        with pytest.raises(Exception, match=told):
            known_account("flight_delay/2013-1.csv", services(*drops))
    assert model_of(DROP) == "flight_delay"


def test_a_row_with_two_reasons_counts_for_both() -> None:
    assert by_reason({"a is null": 3, "b is null; a is null": 2, "b is null": 2}) == {"a is null": 5, "b is null": 4}


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx"])
def test_no_cell_is_a_formula(cell: str, tmp_path: Path) -> None:
    assert safe(cell) == f"'{cell}"
    file = tmp_path / "r.csv"
    assert (
        write_csv(file, [{"line": 2, "reason": "a; b", "raw": cell}, {"line": None, "reason": "b", "raw": "1=1"}]) == 2
    )
    with file.open(newline="") as opened:
        assert list(csv.reader(opened)) == [["line", "reason", "raw"], ["2", "a; b", f"'{cell}"], ["", "b", "1=1"]]
    assert '"a; b"' in file.read_text(), "nobody splits a cell at another sign"


def test_nothing_that_is_shown_steers_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert visible("a\x1b[31m\r\u202eü€") == "a\\x1b[31m\\r\\u202eü€"
    show_table("Title", ("a",), [["\x1b[2J"]])
    assert "\x1b" not in capsys.readouterr().out
    told = {
        "event": "StepFailed",
        "topic": "step-failed",
        "time": "2026-01-02T00:00:00+00:00",
        "data": {"error": "\x1b"},
    }
    assert "\x1b" not in line(told)


def test_a_replay_follows_only_what_comes_of_it() -> None:
    def event(kind: str, **data: Any) -> dict[str, Any]:
        return {"event": kind, "data": {"generation": 7, **data}}

    first = [event("DropReceived", generation="7"), event("DataPrepared")]
    again = [event("DropReceived", epoch=1), event("DataPrepared", epoch=1)]
    other = event("DropReceived", generation="8")
    pick = of_replay(DropReceived(bucket="b", name=DROP, generation=7, epoch=1), 7)
    assert pick([*first, other, *again]) == again
    assert pick(first) == []


def test_a_replay_is_another_piece_of_work_than_the_arrival() -> None:
    event = DropReceived(bucket="b", name=DROP, generation=7, epoch=2, story=DROP)
    topic, data, attributes = encode(event)
    assert decode(topic, data, attributes, "1") == event
    assert decode(topic, data, attributes, "1").identity.endswith("#7.2")


def advice(versions: list[int], *champions: int, training: str | None = None, undo: bool = False) -> list[str]:
    """What is told after a withdrawal to whoever had these champions, the last one today."""
    history = [
        Decision(model="flight_delay", version=each, champion=each, verdict="promote", why="") for each in champions
    ]
    decisions = SimpleNamespace(champion=lambda _: champions[-1] if champions else None, history=lambda _: history)
    desk = SimpleNamespace(read=lambda _: SimpleNamespace(request=training, started=training is not None))
    event = withdrawals.asked(DROP, reason="no", who="me", undo=undo)
    said = withdrawals.report_of(event, versions, services(decisions=decisions, desk=desk))
    assert (said["withdrawn"], said["who"], said["versions"]) == (not undo, "me", versions)
    return list(said["advice"])


def test_what_to_do_is_told_if_the_champion_has_seen_a_withdrawn_drop() -> None:
    assert advice([1], 1, 2) == []
    assert advice([], 1) == advice([1]) == []
    [only] = advice([1, 2], 1, 2)
    assert "tidewheel train flight_delay" in only
    assert "rollback" not in only
    [back] = advice([2, 3], 1, 2, 3)
    assert "tidewheel rollback flight_delay --to 1 " in back
    assert advice([2, 3], 1, 2, 3, undo=True) == []
    assert "r1 is in training" in advice([], 1, training="r1")[0]
