"""A function or the worker as it is deployed, to try and to measure it: its own packages, nothing of this checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from deploy.gcp.packaging.pins import canonical, read_pins
from deploy.local.parts import HTTP_FUNCTIONS, MANNERS


def install(slices: Sequence[Slice], pool: Path) -> None:
    """Give each slice exactly its pins.

    All of them are installed once, without what they require besides; each slice gets the files of its own packages.
    """
    pins = [f"--requirement={each.folder / 'requirements.txt'}" for each in slices]
    _new_venv(pool)
    _pip(pool, "install", "--quiet", "--no-deps", "--no-compile", *pins)
    installed = {canonical(each.metadata["Name"]): each for each in metadata.distributions(path=[str(_packages(pool))])}
    for each in slices:
        _new_venv(each.venv)
        for name in read_pins(each.folder / "requirements.txt"):
            _link(installed[name], _packages(pool), _packages(each.venv))
        # Whatever a pinned package requires is pinned, too.
        _pip(each.venv, "check")


def _new_venv(folder: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)


def _pip(venv: Path, *words: str) -> None:
    command = [sys.executable, "-m", "pip", "--python", str(venv / "bin/python"), "--disable-pip-version-check", *words]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def _packages(venv: Path) -> Path:
    return next(venv.glob("lib/python*/site-packages"))


def _link(package: metadata.Distribution, source: Path, target: Path) -> None:
    for file in package.files or []:
        if ".." not in file.parts:
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            os.link(source / file, target / file)


@dataclass(frozen=True)
class Slice:
    """A staged folder, and a virtual environment with exactly its pins."""

    name: str
    folder: Path
    venv: Path

    @property
    def python(self) -> Path:
        return self.venv / "bin/python"

    def serve_command(self, port: int) -> list[str]:
        """How a buildpack starts the function: in its folder."""
        kind = "http" if self.name in HTTP_FUNCTIONS | {"empty"} else "cloudevent"
        command = [str(self.python), "-m", "functions_framework", "--source", "main.py", "--target", self.name]
        return [*command, "--signature-type", kind, "--host", "127.0.0.1", "--port", str(port)]

    @contextmanager
    def serving(self, port: int, env: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
        """The function in functions-framework until the end of the block; what it says goes to a file."""
        with log.open("ab") as said:
            process = subprocess.Popen(
                self.serve_command(port), cwd=self.folder, env=self._env(env), stdout=said, stderr=said
            )
        try:
            yield process
        finally:
            process.terminate()
            process.wait()

    def run(self, *arguments: str, env: Mapping[str, str]) -> str:
        """What a Python program of the slice says until its end."""
        command = [str(self.python), *arguments]
        ended = subprocess.run(
            command, cwd=self.folder, env=self._env(env), capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    def _env(self, env: Mapping[str, str]) -> dict[str, str]:
        manners = {name: value for name, value in MANNERS.items() if name != "PYTHONPATH"}
        # gunicorn puts a socket into the home.
        home = self.venv.parent
        return {"PATH": os.environ["PATH"], "HOME": str(home), "WORKERS": "1", "THREADS": "4", **manners, **env}
