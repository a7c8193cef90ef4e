"""The rules of policy/*.toml: what has to be said at which place of what, and what would not hold otherwise.

A table is named by its promise and by what it is about: a type, a resource, or one of its instances. Where several have
a rule for the same place, that of the most special one holds.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path as File
from typing import Any

from deploy.gcp.checks.subjects import Path, Subject
from shared.errors import PermanentError

FOLDER = File(__file__).with_name("policy")
FREE = "free.toml"
# How a value has to be where it need not be just the one that is written, and how people say that.
AT_LEAST, AT_MOST, CONTAINS = "at_least", "at_most", "contains"
WORDS = {"": "be", AT_LEAST: "be at least", AT_MOST: "be at most", CONTAINS: "contain"}


@dataclass(frozen=True, kw_only=True)
class Rule:
    """`how` is one of WORDS; `wanted` is in Terraform's language, as it is written."""

    promise: str
    about: str
    path: Path
    how: str
    wanted: Any
    file: str


@cache
def rules() -> dict[str, dict[Path, Rule]]:
    """All rules of all files, by what they are about and by place.

    Raises:
        PermanentError: two are about the same place.
    """
    found: dict[str, dict[Path, Rule]] = {}
    for rule in (rule for file in sorted(FOLDER.glob("*.toml")) if file.name != FREE for rule in _of_file(file)):
        others = found.setdefault(rule.about, {})
        if rule.path in others:
            where = f"{rule.file} and {others[rule.path].file}"
            raise PermanentError(f"{where} say twice what {'.'.join(rule.path)} of {rule.about} is.", "Keep one.")
        others[rule.path] = rule
    return found


def rules_of(subject: Subject) -> dict[Path, Rule]:
    """The rules that hold for it, by place."""
    return {path: rule for name in subject.names for path, rule in rules().get(name, {}).items()}


def _of_file(file: File) -> Iterator[Rule]:
    for promise, things in tomllib.loads(file.read_text()).items():
        for about, table in things.items():
            for path, how, wanted in _places(table):
                yield Rule(promise=promise, about=about, path=path, how=how, wanted=wanted, file=file.name)


def _places(table: Mapping[str, Any], path: Path = ()) -> Iterator[tuple[Path, str, Any]]:
    for name, value in table.items():
        if name in WORDS:
            yield path, name, value
        elif isinstance(value, dict):
            yield from _places(value, (*path, name))
        else:
            yield (*path, name), "", value
