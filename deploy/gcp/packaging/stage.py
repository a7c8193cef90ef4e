"""A folder with all that a function, or the worker, is: code, pins, and which version of the code that is."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.gcp.packaging import versions
from deploy.gcp.packaging.pins import slice_of
from deploy.gcp.packaging.reach import reach

WORKER = "worker"
# Where training_vm/environment.py looks for it.
VERSION = "code_version.json"
MAIN = '''"""What functions-framework loads: the function `{name}`."""

from functions.{name}.main import {name}

__all__ = ["{name}"]
'''


@dataclass(frozen=True)
class Stage:
    """The files of a folder, by their paths in it."""

    name: str
    files: Mapping[str, bytes]

    def write(self, folder: Path) -> None:
        """Make the folder, in place of what was there."""
        shutil.rmtree(folder, ignore_errors=True)
        for path, content in self.files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)


def function_names(root: Path) -> list[str]:
    """Each folder with a main.py is a function."""
    return sorted(main.parent.name for main in (root / "functions").glob("*/main.py"))


def of_function(root: Path, name: str) -> Stage:
    """The folder that is deployed as a function."""
    return _stage(root, name, f"functions.{name}.main", {"main.py": MAIN.format(name=name)})


def of_worker(root: Path) -> Stage:
    """The folder that a training machine runs `python -m training_vm` in."""
    return _stage(root, WORKER, "training_vm.__main__", {})


def _stage(root: Path, name: str, entry: str, made: dict[str, str]) -> Stage:
    reached = reach(root, entry)
    pins = slice_of(root / "requirements.txt", reached.others)
    made = {**made, "requirements.txt": f"# What {entry} needs, of the project's own.\n" + "\n".join(pins) + "\n"}
    files = {path: (root / path).read_bytes() for path in reached.files}
    files |= {path: text.encode() for path, text in made.items()}
    version = {**versions.of_files(root, reached.files), "digest": digest(files)}
    files[VERSION] = (json.dumps(version, indent=2) + "\n").encode()
    return Stage(name, dict(sorted(files.items())))


def digest(files: Mapping[str, bytes]) -> str:
    """Of names and contents: the same source has the same, wherever and whenever it is packed."""
    whole = hashlib.sha256()
    for path, content in sorted(files.items()):
        whole.update(f"{path}\0{len(content)}\0".encode() + content)
    return whole.hexdigest()[:16]
