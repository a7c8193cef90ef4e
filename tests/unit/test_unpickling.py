"""Unpickling imports what a version needs, and imports of two threads must not cross."""

from __future__ import annotations

import pickle
import threading
import time
from pathlib import Path

import pytest

from shared.adapters import registry_files

inside: list[str] = []
most: list[int] = []


def slowly() -> str:
    """What a pickle calls while it is read, in place of an import."""
    inside.append(threading.current_thread().name)
    most.append(len(inside))
    time.sleep(0.05)
    inside.remove(threading.current_thread().name)
    return "a pipeline"


class Slow:
    """Read back by a call of `slowly`."""

    def __reduce__(self) -> tuple[object, tuple[()]]:
        return slowly, ()


def test_two_versions_are_unpickled_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_files, "refuse_other_packages", lambda name, packages: None)
    file = tmp_path / "model.pkl"
    file.write_bytes(pickle.dumps(Slow()))
    readers = [threading.Thread(target=registry_files.unpickle, args=(file, "a version", {})) for _ in range(4)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert most == [1, 1, 1, 1]
