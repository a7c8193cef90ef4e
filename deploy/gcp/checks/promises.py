"""What the files promise, as policy/*.toml has it: what each thing has to say, and what would not hold otherwise.

A table of a policy is named by its promise and by what it is about: a type, a resource, or one of its instances; the
most special rule holds. Values are in Terraform's language, and compared by what they come to, however written.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path as File
from typing import Any

from deploy.gcp.checks.expressions import Expression, Scope
from deploy.gcp.checks.findings import Finding
from deploy.gcp.checks.order import Order
from deploy.gcp.checks.parser import template
from deploy.gcp.checks.plan import Plan
from deploy.gcp.checks.subjects import Path, Subject, plain, subjects
from deploy.gcp.checks.values import as_text
from functions.preprocess.staging import STAGING

CHECK = "promises"
FOLDER = File(__file__).with_name("policy")
FREE = "free.toml"
# How a value has to be, where it has not to be the one that is written.
AT_LEAST, AT_MOST, CONTAINS = "at_least", "at_most", "contains"
WORDS = {AT_LEAST: "be at least", AT_MOST: "be at most", CONTAINS: "contain"}
AFTER = ("depends_on",)
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)(s|Mi|Gi)?")
_UNITS = {None: 1, "s": 1, "Mi": 1, "Gi": 1024}


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What has to be said at one place of one thing; `how` is one of WORDS, or nothing: it has to be just that."""

    promise: str
    about: str
    path: Path
    how: str
    wanted: Any
    file: str


@cache
def rules() -> dict[str, dict[Path, Rule]]:
    """All rules of all files, by what they are about and by place."""
    found: dict[str, dict[Path, Rule]] = {}
    for file in sorted(FOLDER.glob("*.toml")):
        if file.name != FREE:
            for rule in _of_file(file):
                found.setdefault(rule.about, {})[rule.path] = rule
    return found


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


def rules_of(subject: Subject) -> dict[Path, Rule]:
    """The rules that hold for it."""
    return {path: rule for name in subject.names for path, rule in rules().get(name, {}).items()}


def check(plan: Plan) -> Iterator[Finding]:
    """Every promise that the files do not keep."""
    order, there = Order(plan), list(subjects(plan))
    names = {name for each in there for name in each.names}
    for about in rules().keys() - names:
        rule = next(iter(rules()[about].values()))
        yield _finding("deploy/gcp", f"there is no {about}", rule)
    for subject in there:
        scope = _scope(plan, subject)
        for path, rule in rules_of(subject).items():
            said = order.before(subject.names[-1]) if path == AFTER else plain(subject.at(path))
            wanted = plain(_value(rule.wanted, scope))
            if not _holds(rule.how, said, wanted):
                yield _finding(subject.where, _sentence(subject, rule, said, wanted), rule)


def _scope(plan: Plan, subject: Subject) -> Scope:
    return {**plan.scope, "each": {"key": subject.key}, "code": {"staging": STAGING}}


def _value(written: Any, scope: Scope) -> Any:
    if isinstance(written, str):
        return _template(written).value(scope)
    if isinstance(written, list):
        return [_value(each, scope) for each in written]
    return {name: _value(each, scope) for name, each in written.items()} if isinstance(written, dict) else written


@cache
def _template(text: str) -> Expression:
    return template(text.strip(), line=1)


def _holds(how: str, said: Any, wanted: Any) -> bool:
    if said is None:
        return False
    if how == CONTAINS:
        return not _missing(said, wanted)
    if how in (AT_LEAST, AT_MOST):
        least, most = (said, wanted) if how == AT_MOST else (wanted, said)
        return _quantity(least) <= _quantity(most)
    return _form(said) == _form(wanted)


def _missing(said: Any, wanted: Any) -> list[str]:
    there = said if isinstance(said, set | list) else as_text(said)
    return [text for text in map(as_text, wanted) if text not in there]


def _quantity(value: Any) -> float:
    """600, "600s" or "2Gi" as a number; what is none of these is never enough, and always too much."""
    found = _QUANTITY.fullmatch(as_text(value))
    return float(found[1]) * _UNITS[found[2]] if found else float("nan")


def _form(value: Any) -> Any:
    """A value so that two that mean the same to Terraform are the same: in any order, with any white space."""
    if isinstance(value, dict):
        return {name: _form(each) for name, each in value.items()}
    if isinstance(value, list):
        return sorted((_form(each) for each in value), key=repr)
    return " ".join(as_text(value).split())


def _sentence(subject: Subject, rule: Rule, said: Any, wanted: Any) -> str:
    place = f"{subject.names[-1]}: {'.'.join(rule.path)}"
    if rule.how == CONTAINS and said is not None:
        return f"{place} lacks {', '.join(_missing(said, wanted))}"
    if said is not None and (isinstance(said, list) or isinstance(wanted, list)):
        return f"{place} {_difference(_items(said), _items(wanted))}"
    is_now = "is not there" if said is None else f"is {as_text(said)}"
    return f"{place} {is_now}, and should {WORDS.get(rule.how, 'be')} {as_text(_form(wanted))}"


def _items(value: Any) -> list[Any]:
    form = _form(value)
    return form if isinstance(form, list) else [form]


def _difference(said: list[Any], wanted: list[Any]) -> str:
    """Of a long list only what is not as it should be."""
    strange = [json.dumps(each) for each in said if each not in wanted]
    missing = [json.dumps(each) for each in wanted if each not in said]
    faults = ([f"has {', '.join(strange)}, which it should not"] if strange else []) + (
        [f"lacks {', '.join(missing)}"] if missing else []
    )
    return " and ".join(faults) or "has something twice, or once less than it should"


def _finding(where: str, what: str, rule: Rule) -> Finding:
    remedy = f"If that is meant, change deploy/gcp/checks/policy/{rule.file}"
    return Finding(check=CHECK, where=where, what=f'{what}, or this would not hold: "{rule.promise}". {remedy}')
