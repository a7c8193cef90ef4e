"""Terraform's functions, as far as these files use them; of what is not known yet, none says anything."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from itertools import product
from typing import Any

from deploy.gcp.checks.values import Unknown, as_text, is_known
from shared.errors import PermanentError

# They look at a file, which is made by packaging, or is the business of whoever wrote it.
OF_FILES = ("file", "filesha256", "templatefile")


def call(name: str, arguments: list[Any]) -> Any:
    """The function's value.

    Raises:
        PermanentError: it is none of those that are known here.
    """
    if name in OF_FILES:
        return Unknown(f"{name}({as_text(arguments[0])})")
    if name in _OF_PARTS:
        return _OF_PARTS[name](*arguments)
    if name not in _OF_WHOLES:
        known = ", ".join(sorted({*OF_FILES, *_OF_PARTS, *_OF_WHOLES}))
        raise PermanentError(
            f"no function {name} is known.", f"Write it in deploy/gcp/checks/functions.py. Known: {known}."
        )
    if not is_known(arguments):
        return Unknown(f"{name}({', '.join(map(as_text, arguments))})".replace("${", "").replace("}", ""))
    return _OF_WHOLES[name](*arguments)


def _merge(*maps: dict[str, Any]) -> dict[str, Any]:
    return {key: value for each in maps for key, value in each.items()}


def _flatten(items: list[Any]) -> list[Any]:
    return [deep for each in items for deep in (_flatten(each) if isinstance(each, list) else [each])]


def _in_order(items: Any) -> list[Any]:
    return sorted(dict.fromkeys(items), key=as_text)


def _matches(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise ValueError(f"{text} does not match {pattern}")
    return found[0]


# They look at keys and lengths, and hand on what is in there.
_OF_PARTS: dict[str, Callable[..., Any]] = {
    "concat": lambda *lists: [each for some in lists for each in some],
    "flatten": _flatten,
    "keys": sorted,
    "length": len,
    "lookup": dict.get,
    "merge": _merge,
    "values": lambda mapping: [mapping[key] for key in sorted(mapping)],
    "tostring": as_text,
    "join": lambda separator, items: separator.join(map(as_text, items)) if isinstance(items, list) else items,
}
_OF_WHOLES: dict[str, Callable[..., Any]] = {
    "alltrue": all,
    "base64encode": lambda text: base64.b64encode(text.encode()).decode(),
    "contains": lambda items, item: item in items,
    "endswith": str.endswith,
    "jsondecode": json.loads,
    "jsonencode": lambda value: json.dumps(value, separators=(",", ":"), sort_keys=True),
    "regex": _matches,
    "replace": str.replace,
    "setproduct": lambda *sets: [list(each) for each in product(*map(_in_order, sets))],
    "setsubtract": lambda some, less: [each for each in _in_order(some) if each not in less],
    "startswith": str.startswith,
    "substr": lambda text, start, length: text[int(start) : int(start) + int(length)],
    "tolist": list,
    "toset": _in_order,
    "trimprefix": str.removeprefix,
}
