"""Work side by side: in order, each worker at one thing at a time, and an error where its item would have come."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from shared.contract.ahead import side_by_side


class Worker:
    """Doubles numbers, the even ones slowly; notices when it is asked for two at a time."""

    def __init__(self) -> None:
        self._busy = threading.Lock()

    def __call__(self, number: int) -> int:
        assert self._busy.acquire(blocking=False), "it is at work on another one"
        time.sleep(0.01 * (number % 2 == 0))
        self._busy.release()
        if number == 7:
            raise ValueError("seven")
        return 2 * number


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("count", [0, 1, 2, 6])
def test_results_come_in_order_each_with_its_item(workers: int, count: int) -> None:
    found = list(side_by_side(iter(range(count)), [Worker() for _ in range(workers)]))
    assert found == [(number, 2 * number) for number in range(count)]


def test_workers_are_at_work_at_the_same_time() -> None:
    together = threading.Barrier(2, timeout=20)
    found = side_by_side(iter([1, 2]), [lambda _: together.wait()] * 2)
    assert sorted(result for _, result in found) == [0, 1]


def test_an_error_comes_up_in_the_place_of_its_item() -> None:
    found = side_by_side(iter(range(20)), [Worker() for _ in range(3)])
    assert [next(found) for _ in range(7)] == [(number, 2 * number) for number in range(7)]
    with pytest.raises(ValueError, match="seven"):
        next(found)


def test_no_more_is_begun_than_there_are_workers() -> None:
    begun: list[int] = []

    def items() -> Iterator[int]:
        for number in range(20):
            begun.append(number)
            yield number

    found = side_by_side(items(), [Worker() for _ in range(3)])
    next(found)
    assert begun == [0, 1, 2]
