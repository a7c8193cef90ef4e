"""What each component's code uses of the cloud, read from its source: services, settings, and the events it makes.

A component's folder counts whole; of `shared.lifecycle` count the functions and classes that it mentions, and what
those mention. Names are compared and no types are known. That is enough, as every access goes through `services`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from shared.lifecycle.events import EVENTS

ROOT = Path(__file__).resolve().parents[3]
FOLDERS = {"trainer": "training_vm", "operator": "cli"}
SHARED = "shared.lifecycle"
# What is handed to these is a kind of event to look for, or to read.
LOOK_ONLY = {"isinstance", "from_dict"}


@dataclass(frozen=True)
class Uses:
    """`services` as in `warehouse.accounts`; `settings` by name; `makes` are kinds of events."""

    services: frozenset[str]
    settings: frozenset[str]
    makes: frozenset[str]

    def any(self, *services: str) -> bool:
        """Whether one of these is used, or anything in one of them."""
        return any(each == name or each.startswith(f"{name}.") for each in self.services for name in services)


@dataclass(frozen=True)
class _Part:
    """A function, a class or a constant of a module: what it mentions and uses."""

    mentions: frozenset[str]
    services: frozenset[str]
    makes: frozenset[str]


def functions() -> list[str]:
    """The functions that there are: a folder each."""
    return sorted(path.parent.name for path in (ROOT / "functions").glob("*/main.py"))


@cache
def uses(component: str) -> Uses:
    """What a function, the trainer, or an operator with the command uses."""
    folder = ROOT / FOLDERS.get(component, f"functions/{component}")
    modules = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in sorted(folder.glob("*.py"))]
    parts = _reached([(module, name) for module in modules for name in _parts(module)])
    services = frozenset[str]().union(*(each.services for each in parts))
    return Uses(
        services=services,
        settings=frozenset(name.partition(".")[2] for name in services if name.startswith("settings.")),
        makes=frozenset[str]().union(*(each.makes for each in parts)) & EVENTS.keys(),
    )


def _reached(waiting: list[tuple[str, str]]) -> list[_Part]:
    """These parts, and everything in our own modules that they mention."""
    known, found = set(waiting), []
    while waiting:
        module, name = waiting.pop()
        part = _parts(module)[name]
        found.append(part)
        fresh = {place for each in part.mentions for place in _place(module, each)} - known
        known |= fresh
        waiting += fresh
    return found


def _place(module: str, mention: str) -> Iterator[tuple[str, str]]:
    """Where a name is defined that a module mentions: in itself, or in one of SHARED that it imports from."""
    first, _, rest = mention.partition(".")
    if mention in _parts(module):
        yield module, mention
    elif (source := _imports(module).get(first)) is not None:
        where, name = (f"{SHARED}.{first}", rest) if source == SHARED else (source, first)
        if name in _parts(where):
            yield where, name


@cache
def _tree(module: str) -> ast.Module:
    path = ROOT / f"{module.replace('.', '/')}.py"
    return ast.parse(path.read_text() if path.exists() else "")


@cache
def _imports(module: str) -> dict[str, str]:
    nodes = (node for node in ast.walk(_tree(module)) if isinstance(node, ast.ImportFrom) and node.module)
    return {alias.name: str(node.module) for node in nodes if _is_ours(node) for alias in node.names}


def _is_ours(node: ast.ImportFrom) -> bool:
    return f"{node.module}.".startswith(f"{SHARED}.")


@cache
def _parts(module: str) -> dict[str, _Part]:
    return {name: _part(node) for node in _tree(module).body for name in _defined(node)}


def _part(node: ast.stmt) -> _Part:
    nodes = list(ast.walk(node))
    aliases = dict(each for inner in nodes for each in _aliases(inner))
    asked = {id(each.value) for each in nodes if isinstance(each, ast.Attribute)}
    asked |= {id(each) for each in aliases.values()}
    names = {name: each.attr for name, each in aliases.items()}
    return _Part(
        mentions=_gather(_mentioned(each) for each in nodes),
        services=_gather(_services(each, names, is_asked=id(each) in asked) for each in nodes),
        makes=_gather(_made(each) for each in nodes),
    )


def _aliases(node: ast.AST) -> Iterator[tuple[str, ast.Attribute]]:
    """`warehouse = services.warehouse`, alone or beside others."""
    if not isinstance(node, ast.Assign):
        return
    target, value = node.targets[0], node.value
    pairs: Iterable[tuple[ast.expr, ast.expr]] = [(target, value)]
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        pairs = zip(target.elts, value.elts, strict=False)
    for name, each in pairs:
        if isinstance(name, ast.Name) and isinstance(each, ast.Attribute) and _is_services(each.value):
            yield name.id, each


def _gather(found: Iterable[Iterator[str]]) -> frozenset[str]:
    return frozenset(name for each in found for name in each)


def _defined(node: ast.stmt) -> set[str]:
    """The names that a statement of a module gives a meaning; one that gives none, such as an `if`, has its line."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return {each.id for each in targets if isinstance(each, ast.Name)} or {f"line {node.lineno}"}


def _mentioned(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        yield f"{node.value.id}.{node.attr}"


def _services(node: ast.AST, aliases: Mapping[str, str], *, is_asked: bool) -> Iterator[str]:
    """`services.warehouse.accounts` as `warehouse.accounts`; handed on, it is `warehouse.*`: anything may follow."""
    if not isinstance(node, ast.Attribute):
        return
    owner = node.value
    if _is_services(owner):
        yield node.attr if is_asked else f"{node.attr}.*"
    elif isinstance(owner, ast.Attribute) and _is_services(owner.value):
        yield f"{owner.attr}.{node.attr}"
    elif isinstance(owner, ast.Name) and owner.id in aliases:
        yield f"{aliases[owner.id]}.{node.attr}"


def _is_services(node: ast.AST) -> bool:
    """`services`, `self.services`, or what a function of that name gives."""
    node = node.func if isinstance(node, ast.Call) else node
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    return name.lstrip("_") == "services"


def _made(node: ast.AST) -> Iterator[str]:
    """The class of an event that is made: called, chosen to be, or handed to what chooses."""
    chosen: list[ast.expr] = []
    if isinstance(node, ast.Call):
        chosen += [node.func, *([] if ast.unparse(node.func) in LOOK_ONLY else node.args)]
    elif isinstance(node, ast.IfExp):
        chosen += [node.body, node.orelse]
    elif isinstance(node, ast.Dict):
        chosen += node.values
    elif isinstance(node, ast.DictComp):
        chosen.append(node.value)
    yield from (each.id for each in chosen if isinstance(each, ast.Name))
