"""What a training says of its code and its surroundings, and how patient it is."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.adapters import registry_files
from shared.errors import LostLease, PassingError, PermanentError
from training_vm.environment import CodeVersion, code_version, environment
from training_vm.patience import deadline, patiently


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "file").write_text("first")
    git(tmp_path, "add", "file")
    git(tmp_path, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "first")
    return tmp_path


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def test_a_clean_tree_is_its_commit(repository: Path) -> None:
    assert code_version(repository) == CodeVersion(commit=git(repository, "rev-parse", "HEAD"), clean="true")


def test_a_tree_with_changes_is_told_apart(repository: Path) -> None:
    (repository / "file").write_text("second")
    assert code_version(repository).clean == "false"


def test_a_repository_around_the_code_is_not_the_codes(repository: Path) -> None:
    (repository / "unpacked").mkdir()
    assert code_version(repository / "unpacked") == CodeVersion()


def test_without_git_the_embedded_version_counts(tmp_path: Path) -> None:
    (tmp_path / "code_version.json").write_text(json.dumps({"commit": "abc", "clean": "true"}))
    assert code_version(tmp_path) == CodeVersion(commit="abc", clean="true")


def test_the_environment_names_python_and_every_package() -> None:
    found = environment()
    assert found["python"] and found["packages"]["scikit-learn"]
    assert json.loads(json.dumps(found)) == found


def test_a_failure_that_passes_is_waited_for() -> None:
    answers: Iterator[Exception | str] = iter([PassingError("away"), PassingError("away"), "there"])
    pauses: list[float] = []

    def ask() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert patiently(ask, sleep=pauses.append) == "there"
    assert pauses == [1.0, 2.0]


@pytest.mark.parametrize(("error", "seconds"), [(PassingError("away"), 0.0), (LostLease("taken"), 60.0)])
def test_what_does_not_pass_in_time_or_is_lost_is_raised(error: Exception, seconds: float) -> None:
    def ask() -> None:
        raise error

    with pytest.raises(type(error)):
        patiently(ask, seconds=seconds)


def test_a_deadline_stops_what_is_inside_and_nothing_after() -> None:
    with pytest.raises(PermanentError, match=r"after 0.05 s.*TIDEWHEEL_TRAINING_DEADLINE_SECONDS"), deadline(0.05):
        time.sleep(5)
    with deadline(0.05):
        pass
    time.sleep(0.1)


@pytest.mark.parametrize(("package", "version"), [("python", "3.1.0"), ("scikit-learn", "0.24.2")])
def test_a_version_of_another_python_or_scikit_learn_is_not_unpickled(package: str, version: str) -> None:
    packages = registry_files.needed_packages("flight_delay") | {package: version}
    with pytest.raises(PermanentError, match=f"trained with {package} {version}.*train it again"):
        registry_files.refuse_other_packages("version 1 of flight_delay", packages)


def test_what_a_models_file_imports_is_needed_to_load_it() -> None:
    needed = registry_files.needed_packages("taxi_fare")
    assert {"python", "scikit-learn", "pandas", "numpy", "cloudpickle"} <= set(needed)
    assert "shared" not in needed and "math" not in needed
