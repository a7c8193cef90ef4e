"""The checks of the deployment's files, tested by wrong changes of those: each has to be found, and said in words."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

import pytest

from deploy.gcp.checks.__main__ import FOLDER, check
from deploy.gcp.checks.schema import SCHEMA, Schema

SEEDS = tomllib.loads((Path(__file__).parent / "gcp_seeds.toml").read_text())
pytestmark = pytest.mark.skipif(
    not SCHEMA.exists(), reason='the provider\'s schema is not there: "make check" makes it'
)


@pytest.fixture(scope="module")
def schema() -> Schema:
    return Schema.read()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for path in FOLDER.glob("*.tf"):
        shutil.copy(path, tmp_path)
    return tmp_path


def test_nothing_is_wrong_with_the_files_as_they_are(folder: Path, schema: Schema) -> None:
    assert [str(each) for each in check(folder, schema)] == []


@pytest.mark.parametrize("name", SEEDS)
def test_a_wrong_change_is_found(name: str, folder: Path, schema: Schema) -> None:
    seed = SEEDS[name]
    file = folder / seed["file"]
    text = file.read_text()
    assert seed["was"] in text, "the files have changed: seed this elsewhere"
    file.write_text(text.replace(seed["was"], seed["becomes"], 1))
    found = [str(each) for each in check(folder, schema)]
    assert any(seed["found"] in each for each in found), found


@pytest.mark.parametrize("name", ["more.tf.json", "x.auto.tfvars", "terraform.tfvars", "topics_override.tf"])
def test_a_file_that_terraform_reads_by_itself_is_found(name: str, folder: Path, schema: Schema) -> None:
    (folder / name).write_text("{}" if name.endswith("json") else "")
    assert f"{name}: Terraform reads it for every deployment" in str(next(check(folder, schema)))


def test_a_resource_that_has_lost_a_grant_by_a_renamed_component_is_found(folder: Path, schema: Schema) -> None:
    text = (folder / "grants.tf").read_text()
    (folder / "grants.tf").write_text(text.replace('["preprocess", "evaluate", "promote"', '["evaluate", "promote"'))
    found = " ".join(str(each) for each in check(folder, schema))
    assert "a grant is missing: preprocess: roles/run.invoker on service mlflow" in found
    assert "preprocess is not told MLFLOW_TRACKING_URI, which it reads" in found
