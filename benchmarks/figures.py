"""What is made of many measurements: percentiles, and the seconds that something took."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that so many percent of the measurements do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def median(values: Sequence[float]) -> float:
    """The one in the middle: on a shared machine a mean says more about the neighbours."""
    return percentile(values, 50)


def seconds(work: Callable[[], object]) -> float:
    """How long it took."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def spread_ms(name: str, values: Sequence[float]) -> dict[str, float]:
    """p50 and p95 of seconds, in milliseconds."""
    return {f"{name}_ms_p{percent}": percentile(values, percent) * 1000 for percent in (50, 95)}
