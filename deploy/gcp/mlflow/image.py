"""The build folder of the MLflow server's image: its start command, and of requirements.txt only what it needs."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from deploy.gcp.packaging.pins import closure, read_pins
from shared.errors import PermanentError

HERE = Path(__file__).parent
REQUIREMENTS = HERE.parents[2] / "requirements.txt"
# The server, its database and its bucket.
ROOTS = ("mlflow", "psycopg", "psycopg-binary", "google-cloud-storage")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def stage(folder: Path, *, digest: str = "") -> None:
    """Write the folder anew; it is named so that any builder finds its way.

    Raises:
        PermanentError: the digest is none, or a package that is needed is not pinned.
    """
    if digest and not _DIGEST.fullmatch(digest):
        raise PermanentError(f'"{digest}" is no digest.', "It is sha256: and 64 hexadecimal digits.")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "requirements.txt").write_text("\n".join(requirements()) + "\n")
    shutil.copy(HERE / "start.py", folder)
    base = r"\1" + (f"@{digest}" if digest else "")
    recipe = (HERE / "Containerfile").read_text("utf-8")
    (folder / "Dockerfile").write_text(re.sub(r"(?m)^(FROM \S+)", base, recipe), "utf-8")


def requirements() -> list[str]:
    """The pins of the server and of all that it brings, in alphabetical order.

    Raises:
        PermanentError: one of them is not pinned.
    """
    pinned, needed = read_pins(REQUIREMENTS), sorted(closure(ROOTS))
    if missing := [name for name in needed if name not in pinned]:
        raise PermanentError(f"{', '.join(missing)}: needed, and not in requirements.txt.", "Pin them there.")
    return [pinned[name] for name in needed]
