"""What nobody has thought about yet: types and arguments that neither a policy nor policy/free.toml has."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from deploy.gcp.checks.findings import Finding
from deploy.gcp.checks.plan import MODES, Plan
from deploy.gcp.checks.rules import FOLDER, FREE, rules, rules_of
from deploy.gcp.checks.subjects import OPEN, Subject, subjects
from deploy.gcp.checks.subjects import Path as Place

CHECK = "known"
# Terraform's other language, values that it takes unasked, and what goes over all else.
UNREAD = ("*.tf.json", "*.auto.tfvars*", "terraform.tfvars*", "*override.tf")
BLOCKS = (*MODES, "locals", "output", "provider", "terraform", "variable")
REMEDY = f"say in deploy/gcp/checks/policy/{FREE} why it does no harm, or in a policy beside it what it has to be"


def check_files(folder: Path) -> Iterator[Finding]:
    """What Terraform reads by itself, and no check here does."""
    for file in sorted(file for pattern in UNREAD for file in folder.glob(pattern)):
        what = "Terraform reads it for every deployment, and no check here does: say it in the other files"
        yield Finding(check=CHECK, where=file.name, what=what)


def check(plan: Plan) -> Iterator[Finding]:
    """Every kind of block, every type and every argument that is new here."""
    for block in plan.blocks:
        if block.kind in MODES and "provider" in block.attributes:
            what = "another provider may make it elsewhere, or as somebody else"
            yield Finding(check=CHECK, where=block.where, what=what)
        if block.kind not in BLOCKS:
            what = f"a block {block.kind} can do what no check here looks at"
            yield Finding(check=CHECK, where=block.where, what=what)
    about = (subject for subject in subjects(plan) if subject.names[0] not in OPEN)
    # All instances of a resource would say the same.
    yield from dict.fromkeys(finding for subject in about for finding in _check(subject))


def _check(subject: Subject) -> Iterator[Finding]:
    kind, resource = subject.names[0], subject.names[:2][-1]
    if not _is_known(kind):
        yield _finding(subject, f"a {kind} is not known here")
        return
    ruled = set(rules_of(subject))
    for path in subject.paths():
        if not _begins(path, ruled) and not _is_free(kind, ".".join(path)):
            yield _finding(subject, f'"{".".join(path)}" of {resource} is not known here')


def _begins(path: Place, ruled: set[Place]) -> bool:
    """Whether a rule is about this, or about what it is in."""
    return any(path[:length] in ruled for length in range(1, len(path) + 1))


@cache
def _is_known(kind: str) -> bool:
    """Whether something is said about a type."""
    about = any(name == kind or name.startswith(f"{kind}.") for name in rules())
    return about or _matches(kind, _free().keys() - {"*"})


@cache
def _is_free(kind: str, argument: str) -> bool:
    named = (arguments for pattern, arguments in _free().items() if fnmatchcase(kind, pattern))
    return _matches(argument, (each for arguments in named for each in arguments))


def _matches(text: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(text, each) for each in patterns)


@cache
def _free() -> dict[str, list[str]]:
    """Type = arguments that may say anything, whatever the reason."""
    found: dict[str, list[str]] = {}
    for reason in tomllib.loads((FOLDER / FREE).read_text()).values():
        for kind, arguments in reason.items():
            found.setdefault(kind, []).extend(arguments)
    return found


def _finding(subject: Subject, what: str) -> Finding:
    return Finding(check=CHECK, where=subject.where, what=f"{what}: {REMEDY}")
