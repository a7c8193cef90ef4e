"""The house's rules that no linter knows: which room may use which, what a cold start imports, how small a room is."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# What each room may import of ours; the first entry that a file's path begins with holds.
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "shared/models": ("shared.contract", "shared.errors"),
    "shared/contract": ("shared.contract", "shared.settings", "shared.errors", "shared.models"),
    "shared/evaluation": ("shared.evaluation", "shared.contract", "shared.errors"),
    "shared/adapters": ("shared.adapters", "shared.contract", "shared.settings", "shared.errors"),
    "shared/lifecycle": ("shared",),
    "shared/settings.py": ("shared.errors",),
    "shared/errors.py": (),
    "training_vm": ("shared", "training_vm"),
    # A training that is done again runs where the command does.
    "cli": ("shared", "cli", "deploy", "training_vm.reproducing"),
    "deploy/local": ("shared", "deploy", "benchmarks"),
}
OURS = {"benchmarks", "cli", "deploy", "functions", "shared", "tests", "training_vm"}
HEAVY = {"pandas", "numpy", "sklearn", "scipy", "pyarrow", "duckdb", "mlflow", "google", "cloudpickle", "requests"}
# They are numbers through and through, and imported only where numbers are wanted.
NUMERIC = {f"shared/evaluation/{room}.py" for room in ("comparison", "drift", "judging", "scores")}
MOST_LINES, MOST_EDGE_LINES = 300, 15
# A table of contents may be long.
LONG = {"shared/lifecycle/events.py": 500}


def sources(*folders: str) -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return [path for path in listed.stdout.splitlines() if path.startswith(folders) and (ROOT / path).exists()]


def imports(path: str) -> Iterator[str]:
    """Everything that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        yield from named(node)


def named(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield node.module
        # `from shared.contract import catalog` imports a module, too.
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imports_at_start(path: str) -> Iterator[str]:
    """What importing the file imports at once: neither inside functions nor for the type checker."""
    for node in ast.parse((ROOT / path).read_text()).body:
        yield from named(node)


def is_under(module: str, rooms: tuple[str, ...]) -> bool:
    return any(module == room or module.startswith(f"{room}.") for room in rooms)


def rooms_of(path: str) -> tuple[str, ...]:
    if path.startswith("functions/"):
        # A function knows no other function.
        return ("shared", ".".join(Path(path).parts[:2]))
    return next(rooms for place, rooms in MAY_IMPORT.items() if path.startswith(place))


@pytest.mark.parametrize("path", sources("shared/", "functions/", "training_vm/", "cli/", "deploy/local/"))
def test_a_room_uses_only_what_lies_below_it(path: str) -> None:
    ours = {module for module in imports(path) if module.split(".")[0] in OURS}
    strange = sorted(module for module in ours if not is_under(module, rooms_of(path)) and module != "functions")
    assert not [module for module in strange if not _is_package_of(module, rooms_of(path))]


def _is_package_of(module: str, rooms: tuple[str, ...]) -> bool:
    """`from functions.evaluate import step` names the package on the way."""
    return any(room.startswith(f"{module}.") for room in rooms)


@pytest.mark.parametrize("path", sources("shared/", "functions/", "training_vm/"))
def test_importing_a_file_makes_no_cold_start_pay_for_what_it_may_not_need(path: str) -> None:
    heavy = {module.split(".")[0] for module in imports_at_start(path)} & HEAVY
    assert not heavy or path in NUMERIC


@pytest.mark.parametrize("path", sources("shared/", "functions/", "training_vm/"))
def test_vendors_are_known_only_to_the_adapters(path: str) -> None:
    vendors = {module for module in imports(path) if is_under(module, ("google", "mlflow"))}
    assert not vendors or path.startswith("shared/adapters/")


@pytest.mark.parametrize("path", [path for path in sources("functions/") if path.endswith("/main.py")])
def test_an_edge_is_small(path: str) -> None:
    assert len((ROOT / path).read_text().splitlines()) < MOST_EDGE_LINES


@pytest.mark.parametrize("path", sources("shared/", "functions/", "training_vm/", "cli/", "deploy/"))
def test_a_room_is_small(path: str) -> None:
    assert len((ROOT / path).read_text().splitlines()) <= LONG.get(path, MOST_LINES)


def test_only_who_went_through_the_ledger_publishes() -> None:
    publishers = {path for path in sources("shared/", "functions/", "training_vm/") if ".publish" in _text(path)}
    # The edge and the worker hand it to the ledger; services and the bus are what it is made of.
    allowed = {"shared/lifecycle/edge.py", "shared/lifecycle/services.py", "shared/adapters/bus.py"}
    # It has the ledger publish what was decided there.
    allowed.add("functions/reconcile/step.py")
    assert publishers <= allowed | {"training_vm/worker.py"}
    for path in ("shared/lifecycle/edge.py", "training_vm/worker.py"):
        assert "ledger.run" in _text(path).replace("\n", "").replace(" ", "")


def test_every_function_with_events_hands_them_to_the_edge() -> None:
    edges = [path for path in sources("functions/") if path.endswith("/main.py")]
    for path in edges:
        assert "edge.handle(" in _text(path) or "functions_framework.http" in _text(path), path


def _text(path: str) -> str:
    return (ROOT / path).read_text()
