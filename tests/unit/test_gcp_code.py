"""What the deployment grants follows from what the code uses: code that changes, and files that do not, are noticed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.gcp.checks import access, code, grants, services
from deploy.gcp.checks.__main__ import FOLDER
from deploy.gcp.checks.plan import Plan


@pytest.fixture(scope="module")
def plan() -> Plan:
    return Plan.of(FOLDER)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the code, which the checks look at."""
    for folder in ("cli", "functions", "shared", "training_vm"):
        shutil.copytree(code.ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(code, "ROOT", tmp_path)
    monkeypatch.setattr(access, "ROOT", tmp_path)
    forget()
    yield tmp_path
    forget()


def forget() -> None:
    for each in (code.uses, code._tree, code._imports, code._parts):
        each.cache_clear()


def add(path: Path, text: str) -> None:
    path.write_text(f"{path.read_text()}\n\n{text}\n")
    forget()


def test_a_function_that_begins_to_ask_mlflow_has_to_be_let_in_and_told_where_it_is(root: Path, plan: Plan) -> None:
    add(root / "functions/launch_training/step.py", "def f(services):\n    services.registry.versions('m')")
    found = [str(each) for each in (*grants.check(plan), *services.check(plan))]
    assert any("missing: launch_training: roles/run.invoker on service mlflow" in each for each in found)
    assert any("launch_training is not told MLFLOW_TRACKING_URI" in each for each in found)


def test_a_function_that_begins_to_write_rows_has_to_be_an_editor(root: Path, plan: Plan) -> None:
    add(root / "functions/promote/step.py", "def f(services):\n    services.warehouse.withdraw('m', 'd')")
    found = [str(each) for each in grants.check(plan)]
    assert any("missing: promote: roles/bigquery.dataEditor on dataset" in each for each in found)
    assert any("nothing needs this grant: promote: roles/bigquery.dataViewer" in each for each in found)


@pytest.mark.parametrize(
    "body",
    [
        "warehouse = services.warehouse\n    warehouse.withdraw('m', 'd')",
        "name, warehouse = 'm', self.services.warehouse\n    warehouse.withdraw(name, 'd')",
        "g(services.warehouse)",
    ],
)
def test_a_service_under_another_name_or_handed_on_counts_too(root: Path, body: str) -> None:
    add(root / "functions/promote/step.py", f"def f(self, services):\n    {body}")
    wanted = access.Grant("promote", "roles/bigquery.dataEditor", "dataset")
    assert wanted in access.expected()


def test_an_event_that_a_function_begins_to_make_has_to_find_its_topic(root: Path, plan: Plan) -> None:
    add(root / "functions/preprocess/step.py", "def f():\n    return [ModelEvaluated()]")
    found = [str(each) for each in grants.check(plan)]
    assert any("missing: preprocess: roles/pubsub.publisher on topic model-evaluated" in each for each in found)
    # Whatever anybody may have decided to announce, the reconciler may have to.
    assert access.publishes("reconcile") >= access.publishes("preprocess")


def test_what_is_used_by_way_of_a_shared_function_counts(root: Path) -> None:
    add(root / "shared/lifecycle/lineage.py", "def g(services):\n    services.machines.there()")
    add(
        root / "functions/promote/step.py",
        "from shared.lifecycle import lineage\n\ndef f(services):\n    lineage.g(services)",
    )
    assert code.uses("promote").any("machines")


def test_what_nobody_uses_any_more_must_not_be_granted(root: Path, plan: Plan) -> None:
    for path in (root / "functions/predict").glob("*.py"):
        path.write_text(path.read_text().replace("services.registry", "services.other"))
    forget()
    found = [str(each) for each in grants.check(plan)]
    assert any("nothing needs this grant: predict: roles/run.invoker on service mlflow" in each for each in found)


def test_a_call_of_compute_engine_that_nobody_has_thought_about_is_refused(root: Path, plan: Plan) -> None:
    add(root / "shared/adapters/compute.py", "class More(Compute):\n    def f(self):\n        self._instances.stop()")
    with pytest.raises(Exception, match=r"nobody knows which permissions instances\.stop takes"):
        list(grants.check(plan))


def test_predict_only_reads_and_publishes_nothing() -> None:
    granted = {str(grant) for grant in access.expected() if grant.who == "predict"}
    assert granted == {
        "predict: roles/storage.objectViewer on bucket state",
        "predict: roles/run.invoker on service mlflow",
    }
