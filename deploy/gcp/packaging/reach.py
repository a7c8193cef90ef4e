"""Which of our files, and which modules of others, an entry can reach: what a function carries, and nothing else.

Everything that is imported counts, also inside of functions, but only of functions that something reached mentions by
name. Names are compared and no types are known: a method that shares its name with a used one counts as used. So too
much may be carried, and never too little, as long as nobody makes up a name while running. Who does is listed here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from deploy.gcp.packaging.reading import Code, Mention, Module, read

ROOMS = ("functions", "shared", "training_vm")
# The catalog imports each file in there by a name that it makes up.
CATALOG, MODELS = "shared.contract.catalog", "shared.models"
# What a model is made of: called through its specification, by whoever works with models.
PARTS_OF_MODELS = (f"{MODELS}.", "shared.contract.metrics")
# Who names one of these builds, slices or unpickles a model: only then its functions, and what they import, are needed.
WORKS_WITH_MODELS = {Mention("spec.pipeline"), Mention("spec.slices"), Mention("unpickle")}


@dataclass(frozen=True)
class Reached:
    """Files of ours, relative to the root, and dotted names of what others have to provide."""

    files: set[str]
    others: set[str]


def reach(root: Path, entry: str) -> Reached:
    """Everything that the module called `entry` needs, with all of its functions."""
    walk = _Walk(root)
    walk.enter(entry, whole=True)
    walk.go_on()
    return Reached(walk.files(), walk.others)


class _Walk:
    """Follows imports and names until nothing new comes."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._paths: dict[str, Path] = {}
        self._modules: dict[str, Module] = {}
        self._waiting: dict[str, list[Code]] = {}
        self._mentions: set[Mention] = set()
        self.others: set[str] = set()

    def files(self) -> set[str]:
        """The modules, and beside them the files that are no code, such as SQL."""
        paths = {*self._paths.values()}
        for name, path in self._paths.items():
            paths |= _called_by_name(path.parent, self._modules[name].words)
        return {str(path.relative_to(self._root)) for path in paths}

    def enter(self, module: str, *, whole: bool = False) -> None:
        """Take in what importing a module runs; with `whole`, also what its functions do."""
        path = _file(self._root, module)
        if path is None or module in self._paths:
            return
        code = read(module, path.read_bytes())
        self._paths[module], self._modules[module] = path, code
        self._waiting[module] = [] if whole else list(code.functions)
        if "." in module:
            self.enter(module.rpartition(".")[0])
        for each in (code.at_import, *(code.functions if whole else ())):
            self._take(module, each)
        if module == CATALOG:
            for file in sorted((self._root / "shared/models").glob("*.py")):
                self.enter(f"{MODELS}.{file.stem}")

    def go_on(self) -> None:
        """Take in the functions that are mentioned by now, and those that they mention."""
        while used := [(module, each) for module in list(self._waiting) for each in self._used(module)]:
            for module, each in used:
                self._take(module, each)

    def _used(self, module: str) -> list[Code]:
        waiting = self._waiting[module]
        if module.startswith(PARTS_OF_MODELS):
            used = waiting if self._mentions & WORKS_WITH_MODELS else []
        else:
            used = [each for each in waiting if self._is_mentioned(module, each.name)]
        self._waiting[module] = [each for each in waiting if each not in used]
        return used

    def _is_mentioned(self, module: str, name: str) -> bool:
        places = (module, module.rpartition(".")[0], "")
        return name.startswith("__") or any(Mention(name, place) in self._mentions for place in places)

    def _take(self, module: str, code: Code) -> None:
        if not module.startswith(PARTS_OF_MODELS):
            self._mentions |= code.mentions
        for each in code.imports:
            if each.partition(".")[0] in ROOMS:
                self.enter(each)
            else:
                self.others.add(each)


def _file(root: Path, module: str) -> Path | None:
    """A module's file; a folder without an __init__.py has none."""
    path = root.joinpath(*module.split("."))
    found = [each for each in (path.with_suffix(".py"), path / "__init__.py") if each.exists()]
    return found[0] if found else None


def _called_by_name(folder: Path, words: Iterable[str]) -> set[Path]:
    """The files of no code in the folders beside a module that it calls by their names."""
    folders = [each for each in folder.iterdir() if each.is_dir() and each.name in words]
    return {file for each in folders for file in each.iterdir() if file.suffix not in (".py", "")}
