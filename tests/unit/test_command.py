"""The command: help with an example, one sentence for what is wrong, and reports that programs can read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from cli import main, stack
from cli.place import HOME
from deploy.local.layout import ROOT
from shared.errors import TidewheelError

NAMES = [name for _, name, _ in main.COMMANDS]
REPORTING = sorted(set(NAMES) - {"up", "down"})


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """The command in a place where no stack runs, and no project is named."""
    monkeypatch.setenv(HOME, str(tmp_path / ".tidewheel"))
    for name in ("GOOGLE_CLOUD_PROJECT", "PUBSUB_EMULATOR_HOST", main.TRACEBACK):
        monkeypatch.delenv(name, raising=False)
    return lambda *arguments: CliRunner().invoke(main.app, [str(each) for each in arguments])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "flights.csv"
    path.write_text("a,b\n1,2\n")
    return path


def refused(result: Result, *words: str, code: int = 2) -> None:
    """One line on standard error, nothing on standard output."""
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert len(result.stderr.strip().splitlines()) == 1
    for word in words:
        assert word in result.stderr


def test_the_command_does_what_the_issues_list() -> None:
    listed = {"up", "down", "env", "demo", "drop", "train", "publish", "timeline", "status", "logs"}
    listed |= {"rejects", "withdraw", "why", "replay", "dead-letters"}
    assert listed | {"rollback", "promote", "approve", "pause", "resume", "reproduce"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_help_with_an_example(name: str, run: Callable[..., Result]) -> None:
    result = run(name, "--help")
    assert result.exit_code == 0
    assert f"Example:\n    tidewheel {name}" in result.stdout


@pytest.mark.parametrize("name", REPORTING)
def test_every_command_that_reports_takes_json(name: str, run: Callable[..., Result]) -> None:
    assert "--json" in run(name, "--help").stdout


@pytest.mark.parametrize("name", NAMES)
def test_every_command_is_in_the_readme(name: str) -> None:
    readme = ROOT / "README.md"
    if not readme.exists():
        pytest.skip("there is no README yet")
    assert f"tidewheel {name}" in readme.read_text()


def test_alone_it_lists_its_commands(run: Callable[..., Result]) -> None:
    result = run()
    assert all(name in result.output for name in NAMES)


def test_a_command_that_does_not_exist_is_told_with_the_nearest(run: Callable[..., Result]) -> None:
    refused(run("tran"), "train")


def test_a_missing_argument_is_named(run: Callable[..., Result], file: Path) -> None:
    refused(run("drop", file), "--model")
    refused(run("train"), "MODEL")


def test_an_unknown_option_is_named(run: Callable[..., Result]) -> None:
    refused(run("status", "--jsn"), "--jsn")


def test_an_unknown_model_is_told_with_the_known_ones(run: Callable[..., Result], file: Path) -> None:
    refused(run("drop", file, "--model", "taxi_fair"), "taxi_fare", "flight_delay")
    refused(run("train", "taxi_fair"), "taxi_fare")
    refused(run("timeline", "taxi_fair"), "taxi_fare")


def test_a_file_that_is_not_there_is_told(run: Callable[..., Result], tmp_path: Path) -> None:
    refused(run("drop", tmp_path / "no.csv", "--model", "flight_delay"), "there is no file")
    refused(run("drop", tmp_path, "--model", "flight_delay"), "there is no file")


@pytest.mark.parametrize(
    "name",
    [
        "../x.csv",
        "/x.csv",
        "a//b.csv",
        "a/",
        "a\\b.csv",
        "a\nb.csv",
        "a;b.csv",
        ".x",
        "\udc80.csv",
        "x" * 512,
        "é" * 256,
    ],
)
def test_a_name_that_preprocess_would_refuse_is_refused_before_the_upload(
    name: str, run: Callable[..., Result], file: Path
) -> None:
    refused(run("drop", file, "--model", "flight_delay", "--name", name), "name")


def test_a_param_has_a_name_that_the_model_knows_and_a_value_like_its_own(run: Callable[..., Result]) -> None:
    refused(run("train", "flight_delay", "--set", "alhpa=1"), "alpha, min_frequency")
    refused(run("train", "flight_delay", "--set", "alpha=high"), "alpha")
    refused(run("train", "flight_delay", "--set", "alpha"), "NAME=VALUE")


def test_rows_and_dates_of_a_training_are_checked(run: Callable[..., Result]) -> None:
    refused(run("train", "flight_delay", "--rows", "5k"), "1k, 200k, all")
    refused(run("train", "flight_delay", "--from", "2013-01-01"), "--from and --to go together")
    refused(run("train", "flight_delay", "--from", "2013-02-01", "--to", "2013-01-01"), "is not before --to")
    refused(run("train", "flight_delay", "--from", "last week", "--to", "2013-01-01"), "ISO dates", "--to 2013-04-01")


def test_a_message_is_read_before_it_is_sent(run: Callable[..., Result]) -> None:
    refused(run("publish", "trainings", "{}"), "training-requested")
    refused(run("publish", "training-requested", "{"), "not JSON")
    refused(run("publish", "training-requested", ""), "without text")
    refused(run("publish", "training-requested", "", "--no-check"), "without text")
    refused(run("publish", "training-requested", '{"model": "taxi_fair"}'), "taxi_fare")
    refused(run("publish", "training-requested", '{"modell": "taxi_fare"}'), "modell")
    refused(run("publish", "training-requested", '{"model": "flight_delay", "params": {"a": 1}}'), "alpha")


def test_a_decision_by_hand_names_its_model_its_version_and_its_reason(run: Callable[..., Result]) -> None:
    refused(run("rollback", "taxi_fair", "--reason", "bad"), "flight_delay, taxi_fare")
    refused(run("rollback", "taxi_fare"), "--reason")
    refused(run("rollback", "taxi_fare", "--reason", " "), "Say why")
    refused(run("rollback", "taxi_fare", "--to", 0, "--reason", "bad"), "--to")
    refused(run("promote", "taxi_fare", "two", "--reason", "good"), "VERSION")
    refused(run("approve", "taxi_fare"), "VERSION")
    refused(run("pause", "taxi_fair"), "flight_delay, taxi_fare")
    refused(run("reproduce", "taxi_fair", 1), "flight_delay, taxi_fare")
    refused(run("reproduce", "taxi_fare", 0), "VERSION")


def test_a_port_is_fixed_for_a_part_that_there_is(run: Callable[..., Result]) -> None:
    refused(run("up", "--port", "mlfow=5000"), "mlflow")
    refused(run("up", "--port", "mlflow=high"), "NAME=PORT")
    refused(run("up", "--port", "mlflow=5000", "--port", "predict=5000"), "5000 is given twice")
    refused(run("up", "--pubsub", "kafka"), "tidewheel, google")


def test_without_a_stack_the_remedy_is_told(run: Callable[..., Result], file: Path) -> None:
    refused(run("env"), "tidewheel up", code=1)
    refused(run("timeline"), "tidewheel up", code=1)
    refused(run("publish", "training-requested", '{"model": "taxi_fare"}'), "tidewheel up", code=1)
    result = run("drop", file, "--model", "flight_delay")
    refused(result, "tidewheel up", code=1)


def test_without_a_stack_its_status_is_told_all_the_same(run: Callable[..., Result]) -> None:
    result = run("status", "--json")
    report = json.loads(result.stdout)
    assert result.exit_code == 0
    assert report["models"]["flight_delay"] == {"champion": None, "versions": []}
    assert (report["stack"], report["open"], report["failures"], report["parts"]) == ("down", [], [], [])
    assert run("status").exit_code == 0


@pytest.mark.parametrize("name", ["up", "down", "env", "demo", "faults"])
def test_what_is_for_the_laptop_says_so_where_a_project_is_named(
    name: str, run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "waves")
    refused(run(name), f'"tidewheel {name}" is for the laptop', "the project waves", code=1)


def test_a_functions_log_is_where_google_keeps_it(run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "waves")
    refused(run("logs", "launch_training"), "Cloud Logging", "gcloud functions logs read launch-training", code=1)


def test_down_is_content_when_nothing_runs(run: Callable[..., Result]) -> None:
    assert run("down").exit_code == 0


def test_a_log_that_does_not_exist_is_told_with_those_that_do(run: Callable[..., Result], tmp_path: Path) -> None:
    logs = tmp_path / ".tidewheel/logs"
    logs.mkdir(parents=True)
    (logs / "train-abc1.log").write_text("one\ntwo\n")
    (logs / "mlflow.log").write_text("")
    refused(run("logs", "nothing"), "abc1", "mlflow")
    assert run("logs", "abc1").stdout == "one\ntwo\n"
    assert run("logs", "ab", "--last", 1).stdout == "two\n"
    assert json.loads(run("logs", "abc1", "--json").stdout)["lines"] == ["one", "two"]


@pytest.mark.parametrize(
    ("error", "words", "code"),
    [
        (TidewheelError("The disk is full.", "Make room."), "The disk is full. Make room.\n", 1),
        (RuntimeError("odd\nthing"), "RuntimeError: odd thing (Set TIDEWHEEL_TRACEBACK=1 to see where.)\n", 1),
        (KeyboardInterrupt(), "", 130),
        (typer.Exit(3), "", 3),
    ],
)
def test_a_failure_is_a_sentence_and_never_a_traceback(
    error: BaseException, words: str, code: int, run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    from deploy.local import stack as laptop

    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(laptop, "stack_env", fail)
    result = run("env")
    assert (result.exit_code, result.stdout, result.stderr) == (code, "", words)


def test_env_is_what_a_shell_can_evaluate(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from deploy.local import stack as laptop

    monkeypatch.setattr(laptop, "stack_env", lambda _: {"A": "it's"})
    assert run("env").stdout.splitlines() == ["export A='it'\"'\"'s'", f"export {HOME}={tmp_path / '.tidewheel'}"]
    assert json.loads(run("env", "--json").stdout)["A"] == "it's"
    assert stack.PAGES["mlflow"]


def test_the_environment_that_the_code_reads_is_explained_in_envrc() -> None:
    explained = (ROOT / ".envrc").read_text()
    files = [
        path for room in ("cli", "deploy", "functions", "shared", "training_vm") for path in (ROOT / room).rglob("*.py")
    ]
    names = {word for path in files for word in path.read_text().replace("'", '"').split('"') if _is_variable(word)}
    assert "TIDEWHEEL_STATE_BUCKET" in names
    assert [name for name in sorted(names) if name not in explained] == []


def _is_variable(word: str) -> bool:
    return word.startswith("TIDEWHEEL_") and word.isupper() and word.isidentifier()
