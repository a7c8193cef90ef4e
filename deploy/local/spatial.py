"""The BigQuery emulator wants DuckDB's spatial extension; it comes from PyPI and is linked where DuckDB looks."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from shared.errors import TidewheelError

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def private_home(folder: Path) -> Path:
    """A HOME in which DuckDB finds the extension, so that it asks no network for it."""
    home, release = folder.absolute() / "home", version("duckdb")
    link = home / ".duckdb" / "extensions" / f"v{release}" / _platform() / "spatial.duckdb_extension"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(_extension(release))
    return home


def _platform() -> str:
    """This machine, as DuckDB names it (`PRAGMA platform`, without the 30 MB of asking)."""
    system = "osx" if sys.platform == "darwin" else "linux"
    return f"{system}_{ARCHITECTURES.get(platform.machine(), platform.machine())}"


def _extension(release: str) -> Path:
    spec = find_spec("duckdb_extension_spatial")
    folders = (spec.submodule_search_locations if spec else None) or []
    for folder in folders:
        for file in Path(folder).glob(f"extensions/v{release}/*.duckdb_extension"):
            return file
    error = f"DuckDB's spatial extension for version {release} is not installed."
    raise TidewheelError(error, f"Install duckdb-extension-spatial=={release}.")
