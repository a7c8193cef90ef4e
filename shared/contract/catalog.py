"""Finds the models: every file in `shared/models/` is one."""

from __future__ import annotations

import importlib
from dataclasses import replace
from functools import cache
from pathlib import Path

from shared.contract.spec import ModelSpec
from shared.errors import PermanentError
from shared.settings import IDENTIFIER

MODELS = Path(__file__).parent.parent / "models"


def known_models() -> list[str]:
    """The names of all models, in alphabetical order."""
    return sorted(path.stem for path in MODELS.glob("*.py") if path.stem != "__init__")


@cache
def model(name: str) -> ModelSpec:
    """The specification of a model.

    Raises:
        PermanentError: there is no such model, or its file does not define it.
    """
    if name not in known_models():
        known = ", ".join(known_models()) or "none"
        raise PermanentError(f'no model "{name}"; known: {known}.', "A model is one file in shared/models/.")
    if not IDENTIFIER.fullmatch(name):
        raise PermanentError(f'"{name}" cannot be a model.', "Name its file with a-z, 0-9 and _, a letter first.")
    spec = getattr(importlib.import_module(f"shared.models.{name}"), name, None)
    if not isinstance(spec, ModelSpec):
        raise PermanentError(f"shared/models/{name}.py defines no ModelSpec called {name}.", "See docs/add-a-model.md.")
    return replace(spec, name=name)
