"""Values of Terraform's language, where some are known only once the cloud has made what they are of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_MARK = re.compile(r"\$\{([^{}]*)\}")
# A reference to a resource, also inside of a function's call that could not be evaluated.
_RESOURCE = re.compile(r"(?:(?:data|ephemeral)\.)?(?:google|random)_\w+\.\w+(?:\[[^\]]*\])?(?:\.\w+|\[\d+\])*")


@dataclass(frozen=True)
class Unknown:
    """What the cloud will say: a reference such as `google_pubsub_topic.events["drop-received"].id`."""

    path: str

    def __str__(self) -> str:
        """As in a template, so that a text with it inside can be told from one that is known."""
        return f"${{{self.path}}}"

    def attribute(self, name: str) -> Unknown:
        """One of its attributes."""
        return Unknown(f"{self.path}.{name}")

    def item(self, key: Any) -> Unknown:
        """One of its items; strings are quoted as Terraform quotes them in addresses."""
        return Unknown(f'{self.path}["{key}"]' if isinstance(key, str) else f"{self.path}[{key}]")


def references(value: Any) -> set[str]:
    """The paths of everything unknown in a value, however deep."""
    if isinstance(value, Unknown):
        return {value.path}
    if isinstance(value, str):
        return set(_MARK.findall(value))
    if isinstance(value, dict):
        return set().union(*(references(each) for each in (*value.keys(), *value.values())))
    if isinstance(value, list | tuple | set | frozenset):
        return set().union(*(references(each) for each in value))
    return set()


def resources(value: Any) -> set[str]:
    """The references to resources in a value, however deep, and whatever a function would make of them."""
    return {found for path in references(value) for found in _RESOURCE.findall(path)}


def is_known(value: Any) -> bool:
    """Whether nothing in it is left to the cloud."""
    return not references(value)


def as_text(value: Any) -> str:
    """As a template puts it in."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
