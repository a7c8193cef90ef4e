"""What the text of a module says: what it imports and mentions, at once and in each of its functions."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

# What they call `register` is DuckDB's, and not the registry's: they know no cloud, and are given none.
WITHOUT_CLOUD = ("shared.contract", "shared.evaluation")
_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Mention:
    """A name, and where it counts: in one module or one room, or wherever something is called so."""

    name: str
    place: str = ""


@dataclass(frozen=True)
class Code:
    """What a piece of code imports, and which names it mentions."""

    name: str
    imports: frozenset[str]
    mentions: frozenset[Mention]


@dataclass(frozen=True)
class Module:
    """What runs when it is imported, its functions and methods, and every text in it."""

    at_import: Code
    functions: tuple[Code, ...]
    words: frozenset[str]


@lru_cache(maxsize=1024)
def read(name: str, text: bytes) -> Module:
    """The module of that name; what is only there for the type checker is left out."""
    tree = ast.parse(text)
    functions = tuple(_code(name, each.name, ast.walk(each)) for each in _functions(tree))
    texts = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    words = frozenset(each for each in texts if isinstance(each, str))
    return Module(_code(name, "", _at_import(tree)), functions, words)


def _code(module: str, name: str, nodes: Iterable[ast.AST]) -> Code:
    all_nodes = list(nodes)
    imports = frozenset(each for node in all_nodes for each in _imported(node))
    return Code(name, imports, frozenset(each for node in all_nodes for each in _mentioned(module, node)))


def _functions(tree: ast.Module) -> Iterator[_Function]:
    """Functions and methods; what is defined inside of one belongs to it."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, _Function):
            yield node
        elif not _is_for_types(node):
            waiting += ast.iter_child_nodes(node)


def _at_import(tree: ast.Module) -> Iterator[ast.AST]:
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, _Function):
            waiting += [*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)]
        elif isinstance(node, ast.AnnAssign):
            waiting += filter(None, [node.value])
        elif not _is_for_types(node):
            yield node
            waiting += ast.iter_child_nodes(node)


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield node.module
        # `from shared.contract import catalog` imports a module, too.
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _mentioned(module: str, node: ast.AST) -> Iterator[Mention]:
    if isinstance(node, ast.Name):
        yield Mention(node.id, module)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield from (Mention(alias.name, node.module) for alias in node.names)
    elif isinstance(node, ast.Attribute):
        yield from (Mention(node.attr, place) for place in _places(module, node.attr))
        if isinstance(node.value, ast.Name):
            yield Mention(f"{node.value.id}.{node.attr}")


def _places(module: str, attribute: str) -> tuple[str, ...]:
    """Where what is called so may be; anywhere, as a rule."""
    room = module.rpartition(".")[0]
    if attribute.startswith("_"):
        # A class may be built on one in the module beside.
        return (room,)
    return WITHOUT_CLOUD if room in WITHOUT_CLOUD else ("",)
