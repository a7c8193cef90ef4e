"""The command `tidewheel`: one sentence and an exit code for what goes wrong, never a traceback."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperGroup

from cli import (
    dead_letters,
    demo,
    drops,
    faults,
    logs,
    messages,
    production,
    rejects,
    replays,
    reproduce,
    stack,
    status,
    timeline,
    why,
    withdrawals,
)
from cli.output import WrongArgument, say
from shared.errors import TidewheelError

TRACEBACK = "TIDEWHEEL_TRACEBACK"


class Sentences(TyperGroup):
    """Ends with 0, with 2 for a wrong argument, or with 1, and then says why."""

    def main(self, *args: Any, standalone_mode: bool = True, **kwargs: Any) -> Any:
        """Run the command that was typed."""
        try:
            code = self._run(*args, **kwargs)
        except typer.TyperException as error:
            code = _usage(error)
        except (KeyboardInterrupt, typer.Abort):
            code = 130
        except TidewheelError as error:
            say(str(error))
            code = 2 if isinstance(error, WrongArgument) else 1
        except Exception as error:  # noqa: BLE001  # A person typed this: said in a sentence, and not swallowed.
            code = _unforeseen(error)
        if not standalone_mode:
            return code
        sys.exit(code if isinstance(code, int) else 0)

    def _run(self, *args: Any, **kwargs: Any) -> Any:
        kwargs["standalone_mode"] = False
        return super().main(*args, **kwargs)


def _usage(error: typer.TyperException) -> int:
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    context = getattr(error, "ctx", None)
    say(message if "\n" in message or context is None else f"{message} See {context.command_path} --help.")
    return int(getattr(error, "exit_code", 2))


def _unforeseen(error: Exception) -> int:
    if os.environ.get(TRACEBACK):
        traceback.print_exception(error)
    text = " ".join(str(error).split()) or "no more is known"
    say(f"{type(error).__name__}: {text[:500]} (Set {TRACEBACK}=1 to see where.)")
    return 1


app = typer.Typer(
    cls=Sentences,
    help="From a dropped file to a better model in production, on a laptop and on Google Cloud.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
COMMANDS: list[tuple[Callable[..., None], str, str]] = [
    (stack.up, "up", "up --detach"),
    (stack.down, "down", "down"),
    (stack.env, "env", 'env        (in a shell: eval "$(tidewheel env)")'),
    (demo.demo, "demo", "demo --keep"),
    (drops.drop, "drop", "drop flights_2013-01.csv --model flight_delay --wait"),
    (messages.train, "train", "train flight_delay --rows 200k --set alpha=30 --wait"),
    (messages.publish, "publish", """publish training-requested '{"model": "taxi_fare"}'"""),
    (timeline.timeline, "timeline", "timeline flight_delay --follow"),
    (status.status, "status", "status --json"),
    (logs.logs, "logs", "logs evaluate --follow"),
    (rejects.rejects, "rejects", "rejects flight_delay/flights_2013-01.csv --csv rejects.csv"),
    (withdrawals.withdraw, "withdraw", 'withdraw flight_delay/flights_2013-01.csv --reason "the clock was wrong"'),
    (why.why, "why", "why --drop flight_delay/flights_2013-01.csv"),
    (production.rollback, "rollback", 'rollback flight_delay --to 1 --reason "complaints about Newark"'),
    (production.promote, "promote", 'promote flight_delay 2 --reason "seen by eye"'),
    (production.approve, "approve", 'approve flight_delay 3 --reason "agreed on Monday"'),
    (production.pause, "pause", 'pause flight_delay --reason "holidays"'),
    (production.resume, "resume", 'resume flight_delay --reason "back again"'),
    (reproduce.reproduce, "reproduce", "reproduce flight_delay 2"),
    (replays.replay, "replay", "replay flight_delay/flights_2013-01.csv --wait"),
    (dead_letters.dead_letters, "dead-letters", "dead-letters --redrive"),
    (faults.faults, "faults", "faults --only kill-train --seed 7"),
]
for _function, _name, _example in COMMANDS:
    app.command(_name, epilog=f"\b\nExample:\n  tidewheel {_example}")(_function)


def main() -> None:
    """What the shell calls."""
    app(prog_name="tidewheel")


if __name__ == "__main__":
    main()
