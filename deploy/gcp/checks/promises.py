"""Whether the files keep what policy/*.toml promises: values are compared by what they come to, however written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from deploy.gcp.checks.expressions import Expression, Scope
from deploy.gcp.checks.findings import Finding
from deploy.gcp.checks.order import Order
from deploy.gcp.checks.parser import template
from deploy.gcp.checks.plan import Plan
from deploy.gcp.checks.rules import AT_LEAST, AT_MOST, CONTAINS, WORDS, Rule, rules, rules_of
from deploy.gcp.checks.subjects import Subject, plain, subjects
from deploy.gcp.checks.values import as_text
from functions.preprocess.staging import STAGING

CHECK = "promises"
AFTER = ("depends_on",)
# What a policy can name beside Terraform's own.
CODE = {"staging": STAGING}
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)(s|Mi|Gi)?")
_UNITS = {None: 1, "s": 1, "Mi": 1, "Gi": 1024}


def check(plan: Plan) -> Iterator[Finding]:
    """Every promise that is not kept."""
    order, there = Order(plan), list(subjects(plan))
    for about in rules().keys() - {name for each in there for name in each.names}:
        yield _finding("deploy/gcp", f"there is no {about}", next(iter(rules()[about].values())))
    for subject in there:
        yield from _check(subject, order, {**plan.scope, "each": {"key": subject.key}, "code": CODE})


def _check(subject: Subject, order: Order, scope: Scope) -> Iterator[Finding]:
    for path, rule in rules_of(subject).items():
        said = order.before(subject.names[-1]) if path == AFTER else subject.at(path)
        wanted = plain(_value(rule.wanted, scope))
        if said is None or not _holds(rule.how, said, wanted):
            what = f"{subject.names[-1]}: {'.'.join(path)} {_fault(rule.how, said, wanted)}"
            yield _finding(subject.where, what, rule)


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
    if how == CONTAINS:
        return not _missing(said, wanted)
    if how == AT_LEAST:
        return _quantity(said) >= _quantity(wanted)
    if how == AT_MOST:
        return _quantity(said) <= _quantity(wanted)
    return bool(_form(said) == _form(wanted))


def _fault(how: str, said: Any, wanted: Any) -> str:
    """What is wrong, as the end of a sentence."""
    if said is None:
        return f"is not there, and should {WORDS[how]} {_shown(wanted)}"
    if how == CONTAINS:
        return f"lacks {', '.join(_missing(said, wanted))}"
    if isinstance(said, list) or isinstance(wanted, list):
        return _difference(_items(said), _items(wanted))
    return f"is {_shown(said)}, and should {WORDS[how]} {_shown(wanted)}"


def _missing(said: Any, wanted: Any) -> list[str]:
    there = said if isinstance(said, set | list) else as_text(said)
    return [text for text in map(as_text, wanted) if text not in there]


def _quantity(value: Any) -> float:
    """600, "600s" or "2Gi" as a number; what is none of these is neither enough nor little enough."""
    found = _QUANTITY.fullmatch(as_text(value))
    return float(found[1]) * _UNITS[found[2]] if found else float("nan")


def _form(value: Any) -> Any:
    """Two values that mean the same to Terraform are the same in this form: in any order, with any white space."""
    if isinstance(value, dict):
        return {name: _form(value[name]) for name in sorted(value)}
    if isinstance(value, list):
        return sorted((_form(each) for each in value), key=repr)
    return " ".join(as_text(value).split())


def _shown(value: Any) -> str:
    form = _form(value)
    return form if isinstance(form, str) else json.dumps(form)


def _items(value: Any) -> list[Any]:
    form = _form(value)
    return form if isinstance(form, list) else [form]


def _difference(said: list[Any], wanted: list[Any]) -> str:
    """Of a long list only what is not as it should be."""
    strange = ", ".join(json.dumps(each) for each in said if each not in wanted)
    missing = ", ".join(json.dumps(each) for each in wanted if each not in said)
    faults = [f"has {strange}, which it should not"] if strange else []
    faults += [f"lacks {missing}"] if missing else []
    return ", and ".join(faults) or "has something twice, or once less than it should"


def _finding(where: str, what: str, rule: Rule) -> Finding:
    remedy = f"If that is meant, change deploy/gcp/checks/policy/{rule.file}"
    return Finding(check=CHECK, where=where, what=f'{what}, or this would not hold: "{rule.promise}". {remedy}')
