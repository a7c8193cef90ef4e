"""Reading one step ahead of whoever works on what was read, and writing one step behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
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


class Behind:
    """Another thread that finishes one thing while the next one is made; an error comes up with the next one."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._pending: Future[None] | None = None

    def start(self, work: Callable[[T], None], what: T) -> None:
        """Wait for what was started before, then begin this."""
        self.finish()
        self._pending = self._thread.submit(work, what)

    def finish(self) -> None:
        """Wait for what was started."""
        if pending := self._pending:
            self._pending = None
            pending.result()

    def __enter__(self) -> Behind:
        """Until the block is left."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """What was started comes to its end; what the block raised is not covered up by it."""
        with self._thread:
            if error is None:
                self.finish()
