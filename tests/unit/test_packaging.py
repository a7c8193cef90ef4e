"""What is deployed: lean, the same bytes for the same source, and changed only by what is in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import default_environment

from deploy.gcp.package import package
from deploy.gcp.packaging import pins
from deploy.gcp.packaging.reach import reach
from deploy.local.layout import ROOT
from shared.errors import PermanentError
from training_vm.environment import code_version

ROOMS = ("functions", "shared", "training_vm")
FUNCTIONS = sorted(main.parent.name for main in (ROOT / "functions").glob("*/main.py"))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The source, somewhere else and later."""
    for room in ROOMS:
        shutil.copytree(ROOT / room, tmp_path / "copy" / room, copy_function=shutil.copy)
    shutil.copy(ROOT / "requirements.txt", tmp_path / "copy")
    return tmp_path / "copy"


def digests(root: Path, out: Path) -> dict[str, str]:
    manifest = package(out, root)
    return {name: each["sha256"] for name, each in everything(manifest).items()}


def everything(manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {**manifest["functions"], "worker": manifest["worker"]}


def changed(root: Path, tmp_path: Path, file: str, more: str = "\n# Another line.\n") -> set[str]:
    """What has another digest once a file has another line."""
    before = digests(root, tmp_path / "out")
    with (root / file).open("a") as text:
        text.write(more)
    after = digests(root, tmp_path / "out")
    return {name for name in after if before.get(name) != after[name]}


def git(folder: Path, *arguments: str) -> str:
    own = ["-c", "user.name=a", "-c", "user.email=a@b"]
    return subprocess.run(["git", *own, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def commit(folder: Path) -> str:
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "a test")
    return git(folder, "rev-parse", "HEAD").strip()


def test_the_same_source_makes_the_same_bytes_wherever_it_is(copy: Path, tmp_path: Path) -> None:
    other = shutil.copytree(copy, tmp_path / "other")
    for file in other.rglob("*.py"):
        os.utime(file, (1, 1))
        file.chmod(0o600)
    assert digests(copy, tmp_path / "a") == digests(other, tmp_path / "b")


def test_who_packs_it_changes_nothing(copy: Path, tmp_path: Path) -> None:
    # Not every name and comment is in ASCII.
    (copy / "shared/errors.py").open("a", encoding="utf-8").write('\nPRÉCIS = "…"\n')
    ours = digests(copy, tmp_path / "ours")
    own = "import sys, pathlib, deploy.gcp.package as it; it.package(*map(pathlib.Path, sys.argv[1:]))"
    strange = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"}
    command = [sys.executable, "-c", own, str(tmp_path / "theirs"), str(copy)]
    subprocess.run(command, cwd=ROOT, env={**os.environ, **strange}, umask=0o077, check=True)
    theirs = json.loads((tmp_path / "theirs/manifest.json").read_text())
    assert {name: each["sha256"] for name, each in everything(theirs).items()} == ours


def test_what_is_needed_is_what_the_cloud_needs_and_not_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = ["inside; sys_platform == 'linux'", "outside; sys_platform == 'darwin'", "old; python_version < '3.12'"]
    monkeypatch.setattr("importlib.metadata.requires", lambda name: wanted if name == "entry" else [])
    a_mac = {**default_environment(), "sys_platform": "darwin", "platform_system": "Darwin"}
    monkeypatch.setattr("packaging.markers.default_environment", lambda: dict(a_mac))
    assert pins.closure(["entry"]) == {"entry", "inside", "old"}


def test_the_manifest_lists_every_function_and_the_worker_with_the_zips_digests(copy: Path, tmp_path: Path) -> None:
    import hashlib

    package(tmp_path / "out", copy)
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert list(manifest) == ["commit", "functions", "worker"] and sorted(manifest["functions"]) == FUNCTIONS
    for name, each in everything(manifest).items():
        content = (tmp_path / "out" / each["file"]).read_bytes()
        assert each == {
            "file": f"{name}.zip",
            "sha256": hashlib.sha256(content).hexdigest(),
            "size_bytes": len(content),
        }


def test_a_zip_holds_what_its_folder_holds(copy: Path, tmp_path: Path) -> None:
    package(tmp_path / "out", copy)
    with zipfile.ZipFile(tmp_path / "out/promote.zip") as archive:
        for name in archive.namelist():
            assert archive.read(name) == (tmp_path / "out/promote" / name).read_bytes()
        assert "main.py" in archive.namelist() and archive.getinfo("main.py").external_attr >> 16 == 0o100644


@pytest.mark.parametrize(
    ("file", "whose"),
    [
        ("functions/promote/step.py", {"promote"}),
        ("shared/contract/csv_reading.py", {"preprocess"}),
        ("shared/adapters/sql/swap.sql", {"preprocess"}),
        ("training_vm/worker.py", {"worker"}),
        ("shared/errors.py", {*FUNCTIONS, "worker"}),
        ("shared/models/taxi_fare.py", {*FUNCTIONS, "worker"}),
    ],
)
def test_only_what_carries_a_file_changes_with_it(copy: Path, tmp_path: Path, file: str, whose: set[str]) -> None:
    changes = changed(copy, tmp_path, file, "\n-- More.\n" if file.endswith(".sql") else "\n# More.\n")
    # SQL travels with whoever reads any of it.
    assert whose <= changes
    assert file.endswith(".sql") or whose == changes


def test_a_pin_changes_those_that_need_it(copy: Path, tmp_path: Path) -> None:
    before = digests(copy, tmp_path / "out")
    text = (copy / "requirements.txt").read_text()
    (copy / "requirements.txt").write_text(text.replace("duckdb==1.5.5", "duckdb==1.5.6"))
    after = digests(copy, tmp_path / "out")
    assert {name for name in after if before[name] != after[name]} == {"preprocess"}


def test_a_new_model_is_carried_by_all(copy: Path, tmp_path: Path) -> None:
    package(tmp_path / "out", copy)
    (copy / "shared/models/another.py").write_text("another = None\n")
    package(tmp_path / "out", copy)
    assert all((tmp_path / "out" / name / "shared/models/another.py").exists() for name in [*FUNCTIONS, "worker"])


def test_the_newest_commit_that_touched_it_is_embedded(copy: Path, tmp_path: Path) -> None:
    git(copy, "init", "--quiet")
    first = commit(copy)
    before = digests(copy, tmp_path / "out")
    (copy / "functions/promote/step.py").open("a").write("\n# Mended.\n")
    assert code_version_of(copy, tmp_path, "promote")[:2] == (first, "false")
    second = commit(copy)
    assert code_version_of(copy, tmp_path, "promote")[:2] == (second, "true")
    assert code_version_of(copy, tmp_path, "worker")[:2] == (first, "true")
    after = digests(copy, tmp_path / "out")
    assert {name for name in after if before[name] != after[name]} == {"promote"}


def code_version_of(root: Path, tmp_path: Path, name: str) -> tuple[str, str, str]:
    """As what runs there finds it."""
    package(tmp_path / "out", root)
    code_version.cache_clear()
    found = code_version(tmp_path / "out" / name)
    return found.commit, found.clean, found.digest


def test_a_slice_has_what_its_function_imports_and_not_what_others_do(copy: Path, tmp_path: Path) -> None:
    package(tmp_path / "out", copy)
    slices = {
        name: set(pins.read_pins(tmp_path / "out" / name / "requirements.txt")) for name in [*FUNCTIONS, "worker"]
    }
    whole = pins.read_pins(ROOT / "requirements.txt")
    for name, pinned in slices.items():
        text = (tmp_path / "out" / name / "requirements.txt").read_text().splitlines()
        assert set(text[1:]) == {whole[each] for each in pinned}
        assert not pinned & {"mlflow", "bqemulator", "gcp-storage-emulator", "pytest", "typer", "matplotlib"}, name
        assert ("functions-framework" in pinned) == (name != "worker")
    assert {"scikit-learn", "pandas", "mlflow-skinny"} <= slices["predict"] & slices["evaluate"] & slices["worker"]
    assert not slices["predict"] & {"google-cloud-bigquery", "google-cloud-pubsub", "grpcio", "duckdb"}
    assert "duckdb" in slices["preprocess"] and "scikit-learn" not in slices["preprocess"]
    assert not slices["launch_training"] & {"mlflow-skinny", "numpy", "pyarrow"}


def test_what_has_no_pin_is_named(copy: Path, tmp_path: Path) -> None:
    text = (copy / "requirements.txt").read_text()
    (copy / "requirements.txt").write_text(text.replace("joblib==", "# joblib=="))
    with pytest.raises(PermanentError, match=r"joblib: needed, and not in requirements\.txt"):
        package(tmp_path / "out", copy)
    (copy / "requirements.txt").write_text(text)
    (copy / "shared/errors.py").open("a").write("\nimport no_such_package\n")
    with pytest.raises(PermanentError, match="nothing that is installed here provides no_such_package"):
        package(tmp_path / "out", copy)


def small(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / "shared" / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return root


def test_what_a_function_imports_counts_once_somebody_mentions_it(tmp_path: Path) -> None:
    tools = "import first\ndef used():\n    import second\ndef unused():\n    import third\n"
    root = small(tmp_path, entry="from shared.tools import used\nused()\n", tools=tools)
    assert reach(root, "shared.entry").others == {"first", "second"}
    assert reach(root, "shared.entry").files == {"shared/entry.py", "shared/tools.py"}


def test_a_method_is_reached_by_its_name_and_takes_along_what_it_mentions(tmp_path: Path) -> None:
    tools = (
        "class Tool:\n"
        "    def __init__(self): import first\n"
        "    def use(self): return self._inner()\n"
        "    def _inner(self): import second\n"
        "    def leave(self): import third\n"
    )
    root = small(tmp_path, entry="from shared.tools import Tool\nTool().use()\n", tools=tools)
    assert reach(root, "shared.entry").others == {"first", "second"}


def test_what_is_imported_for_types_only_is_left(tmp_path: Path) -> None:
    entry = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import first\n    from shared.tools import Tool\n"
    root = small(tmp_path, entry=entry, tools="import second")
    assert reach(root, "shared.entry").others == {"typing", "typing.TYPE_CHECKING"}
