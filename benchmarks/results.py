"""`results.json`, flat names and numbers; and the table of them in the README."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).parent
RESULTS, README = HERE / "results.json", HERE / "README.md"
BEGIN, END = "<!-- figures: made by `make bench` -->", "<!-- end of figures -->"
Figures = dict[str, float]


def machine() -> Figures:
    """Where it was measured, in numbers."""
    major, minor, _ = platform.python_version_tuple()
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    python = {"machine_python_major_number": int(major), "machine_python_minor_number": int(minor)}
    return {"machine_cores_count": os.cpu_count() or 0, "machine_memory_gb": memory_gb, **python}


def read(path: Path = RESULTS) -> Figures:
    """All that was measured so far."""
    return json.loads(path.read_text()) if path.exists() else {}


def keep(measured: Mapping[str, float], prefixes: tuple[str, ...]) -> Figures:
    """Put a measurement's figures in the place of its older ones; the other measurements' stay."""
    old = {name: value for name, value in read().items() if not name.startswith(prefixes)}
    figures = {name: rounded(value) for name, value in sorted({**old, **measured, **machine()}.items())}
    RESULTS.write_text(json.dumps(figures, indent=2) + "\n")
    README.write_text(with_table(README.read_text(), figures))
    return figures


def rounded(value: float) -> float:
    """Three digits tell all that a shared machine lets one know."""
    return float(f"{value:.3g}") if abs(value) < 1000 else round(value)


def with_table(text: str, figures: Mapping[str, float]) -> str:
    """The README with a new table; what is written around it is kept."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table(figures)}\n{END}{after}"


def table(figures: Mapping[str, float]) -> str:
    """One line for each figure."""
    lines = [f"| {name} | {value:,} |" for name, value in figures.items()]
    return "\n".join(["| figure | value |", "|---|---:|", *lines])
