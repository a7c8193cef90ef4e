"""Lists in pages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

PAGE_SIZE = 1000


def page(names: Iterable[str], prefix: str, request: Any) -> tuple[list[str], str]:
    """The page of sorted names that a request asks for, and the token of the next one: the last name given."""
    rest = sorted(name for name in names if name.startswith(prefix) and name > request.page_token)
    size = request.page_size if request.page_size > 0 else PAGE_SIZE
    return rest[:size], rest[size - 1] if len(rest) > size else ""
