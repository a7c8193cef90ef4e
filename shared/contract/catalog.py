"""Finds the models: every file in `shared/models/` is one."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from shared.contract.spec import ModelSpec
from shared.errors import PermanentError
from shared.settings import IDENTIFIER

MODELS = Path(__file__).parent.parent / "models"


def known_models() -> list[str]:
    """The names of all models, in alphabetical order."""
    return sorted(path.stem for path in MODELS.glob("*.py") if path.stem != "__init__")


def model(name: str) -> ModelSpec:
    """The specification of a model, as its file has it now: a function that runs sees what is edited beside it.

    Raises:
        PermanentError: there is no such model, or its file does not define it.
    """
    if name not in known_models():
        known = ", ".join(known_models()) or "none"
        raise PermanentError(f'no model "{name}"; known: {known}.', "A model is one file in shared/models/.")
    if not IDENTIFIER.fullmatch(name):
        raise PermanentError(f'"{name}" cannot be a model.', "Name its file with a-z, 0-9 and _, a letter first.")
    written = (MODELS / f"{name}.py").stat()
    return _read(name, written.st_mtime_ns, written.st_size)


@lru_cache(maxsize=64)
def _read(name: str, _written_ns: int, _size: int) -> ModelSpec:
    spec = getattr(_imported(name), name, None)
    if not isinstance(spec, ModelSpec):
        raise PermanentError(f"shared/models/{name}.py defines no ModelSpec called {name}.", "See docs/add-a-model.md.")
    return replace(spec, name=name)


def _imported(name: str) -> ModuleType:
    """A module of its own for each edit: what was made by an earlier one keeps the code and the constants it had."""
    sys.modules.pop(f"shared.models.{name}", None)
    importlib.invalidate_caches()
    try:
        return importlib.import_module(f"shared.models.{name}")
    except PermanentError as error:
        raise PermanentError(f"shared/models/{name}.py: {error.error}", error.remedy) from error
    except Exception as error:
        fault = f"shared/models/{name}.py cannot be imported: {type(error).__name__}: {error}."
        raise PermanentError(fault, "Mend it; docs/add-a-model.md has a complete one.") from error
