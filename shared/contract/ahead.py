"""Reading one step ahead of whoever works on what was read."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def one_ahead(steps: Iterator[T]) -> Iterator[T]:
    """The same steps; while one is worked on, another thread makes the next: two cores are busy, memory stays flat."""
    end = object()
    with ThreadPoolExecutor(max_workers=1) as thread:
        coming = thread.submit(next, steps, end)
        while (step := coming.result()) is not end:
            coming = thread.submit(next, steps, end)
            yield step  # type: ignore[misc]  # It is not the end.
