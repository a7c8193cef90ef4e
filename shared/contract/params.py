"""The hyper-parameters of one training: the model's own, with those that were asked for in their place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.contract.spec import ModelSpec
from shared.errors import PermanentError


def with_defaults(spec: ModelSpec, asked: Mapping[str, Any]) -> dict[str, Any]:
    """All params of a training.

    Raises:
        PermanentError: one is unknown, or of another type than the model's own.
    """
    for name, value in asked.items():
        if name not in spec.params:
            known = ", ".join(spec.params) or "none"
            raise PermanentError(f'{spec.name} has no param "{name}"; known: {known}.')
        if not _is_like(spec.params[name], value):
            usual = spec.params[name]
            raise PermanentError(f'param "{name}" of {spec.name} is {value!r}; its usual value is {usual!r}.')
    return {**spec.params, **asked}


def _is_like(usual: Any, value: Any) -> bool:
    """A whole number does where a fraction is usual; whatever is usually nothing may be anything."""
    if usual is None or value is None:
        return True
    if isinstance(usual, bool) or isinstance(value, bool):
        return isinstance(usual, bool) and isinstance(value, bool)
    if isinstance(usual, float):
        return isinstance(value, int | float)
    return isinstance(value, type(usual))
