"""Reading one step ahead of whoever works on what was read, and writing one step behind."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import cycle
from types import TracebackType
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def one_ahead(steps: Iterator[T]) -> Iterator[T]:
    """The same steps; while one is worked on, another thread makes the next: two cores are busy, memory stays flat."""
    end = object()
    with ThreadPoolExecutor(max_workers=1) as thread:
        coming = thread.submit(next, steps, end)
        while (step := coming.result()) is not end:
            coming = thread.submit(next, steps, end)
            yield step  # type: ignore[misc]  # It is not the end.


def side_by_side(items: Iterator[T], workers: Sequence[Callable[[T], R]]) -> Iterator[tuple[T, R]]:
    """Each item with what its worker makes of it, in order; the workers take turns, and work while one's is used."""
    waiting: deque[tuple[T, Future[R]]] = deque()
    with ThreadPoolExecutor(len(workers)) as threads:
        for item, worker in zip(items, cycle(workers), strict=False):
            waiting.append((item, threads.submit(worker, item)))
            # A worker's turn comes again only when what it made before has been taken.
            if len(waiting) == len(workers):
                yield _made(*waiting.popleft())
        while waiting:
            yield _made(*waiting.popleft())


def _made(item: T, making: Future[R]) -> tuple[T, R]:
    return item, making.result()


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
