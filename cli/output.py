"""What the command says: reports on standard output, everything else on standard error."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from shared.errors import TidewheelError

LONGEST_UNBROKEN = 20


class WrongArgument(TidewheelError):
    """The command was called in a way that cannot be meant: exit code 2."""


@contextmanager
def arguments() -> Iterator[None]:
    """What is refused in here is the fault of an argument."""
    try:
        yield
    except TidewheelError as error:
        raise WrongArgument(error.error, error.remedy) from error


def say(text: str) -> None:
    """Progress, for whoever is watching."""
    print(text, file=sys.stderr, flush=True)


def show_json(report: Any, *, indent: int | None = 2) -> None:
    """A report for programs."""
    print(json.dumps(_finite(report), default=str, indent=indent, ensure_ascii=False), flush=True)


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A report for people; numbers stand on the right."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for position, name in enumerate(columns):
        is_number = any(isinstance(row[position], int | float) for row in rows)
        is_short = all(len(shown(row[position])) <= LONGEST_UNBROKEN for row in rows)
        table.add_column(name, justify="right" if is_number else "left", overflow="fold", no_wrap=is_short)
    for row in rows:
        # What a file or a message says is no markup.
        table.add_row(*(Text(visible(shown(value))) for value in row))
    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        # A pipe has no width: nothing is folded there that is not very long.
        console = Console(highlight=False, width=180)
    with console.capture() as drawn:
        console.print(table)
    print("\n".join(line.rstrip() for line in drawn.get().splitlines()), flush=True)


def visible(text: str) -> str:
    """What a file or a message says, without what would steer a terminal, or show it in another order."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def shown(value: Any) -> str:
    """A value in a table or a sentence."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:#,.4g}" if abs(value) < 1_000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _finite(value: Any) -> Any:
    """JSON has no NaN."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(name): _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return value
