"""Functions and a worker as they are deployed: each with its own packages and folder, and nothing of this checkout."""

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
from deploy.local import probe
from deploy.local.parts import HTTP_FUNCTIONS, MANNERS
from tests.emulated.laptop import free_port, wait_for


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

    @contextmanager
    def serving(self, env: Mapping[str, str], log: Path) -> Iterator[int]:
        """The function in functions-framework, as a buildpack starts it: the port where it answers."""
        port = free_port()
        kind = "http" if self.name in HTTP_FUNCTIONS else "cloudevent"
        command = [str(self.python), "-m", "functions_framework", "--source", "main.py", "--target", self.name]
        command += ["--signature-type", kind, "--host", "127.0.0.1", "--port", str(port)]
        with log.open("wb") as said:
            process = subprocess.Popen(command, cwd=self.folder, env=self._env(env), stdout=said, stderr=said)
        try:
            wait_for(lambda: probe.answers(port, None) or _refuse_end(process, log))
            yield port
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


def _refuse_end(process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    return False
