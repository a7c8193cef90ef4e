"""What is published about speed is what was measured. No test asserts a time."""

from __future__ import annotations

import re

import pytest

from benchmarks import results
from benchmarks.__main__ import MEASUREMENTS
from benchmarks.figures import percentile

UNITS = re.compile(r"_(s|ms|mb|gb|bytes|usd|per_s|ratio|share|count|number|rows)(_p\d\d)?$")
FIGURES = results.read()


def test_every_measurement_has_figures() -> None:
    for prefixes in MEASUREMENTS.values():
        assert any(name.startswith(prefixes) for name in FIGURES)


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_a_number_with_its_unit_in_its_name(name: str) -> None:
    assert isinstance(FIGURES[name], int | float)
    assert FIGURES[name] >= 0
    assert UNITS.search(name)


def test_the_readme_says_what_was_measured_and_keeps_its_prose() -> None:
    text = results.README.read_text()
    assert results.with_table(text, FIGURES) == text
    assert results.with_table(f"before\n{results.BEGIN}\nold\n{results.END}\nafter\n", {"x_s": 1.5}) == (
        f"before\n{results.BEGIN}\n| figure | value |\n|---|---:|\n| x_s | 1.5 |\n{results.END}\nafter\n"
    )


def test_percentiles_are_measured_values() -> None:
    assert percentile([5.0, 1.0, 3.0], 50) == 3.0
    assert percentile([5.0, 1.0, 3.0], 95) == 5.0
