"""The registry on real MLflow servers, the laptop's and the cloud's, with artifacts in a real emulated bucket."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import mlflow
import pandas as pd
import pytest
import requests

from deploy.local.layout import ROOT
from shared.adapters.registry import NoSuchVersion, Registry
from shared.adapters.warehouse import DataVersion
from shared.contract.catalog import model
from shared.errors import LostLease, PassingError, PermanentError
from shared.evaluation.drift import profile, watched
from shared.settings import Settings
from tests.emulated import laptop
from tests.emulated.project import Project
from tests.unit.test_models import fitted, rows
from training_vm import record

pytest_plugins = ["tests.emulated.project_fixtures", "tests.emulated.mlflow_fixtures"]
NAME = "taxi_fare"
SPEC = model(NAME)
FRAME = rows(SPEC)
FEATURES = FRAME[[column.name for column in SPEC.features]]
PROFILE = profile(FRAME, watched(SPEC))
DATA = DataVersion(
    model=NAME,
    timestamp="2013-03-01T00:00:00+00:00",
    window_from=None,
    window_to=None,
    selection="all",
    rows=7,
    train_rows=5,
    first_event="2013-01-01T00:00:00+00:00",
    last_event="2013-02-01T00:00:00+00:00",
    digest="0123456789abcde",
    snapshot="taxi_fare_snapshot",
    drops=(("taxi_fare/a.csv", 1),),
)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def env(request: pytest.FixtureRequest, whole_project: Project) -> Mapping[str, str]:
    """With the MLflow of a laptop, and with that of Google Cloud."""
    if request.param == "sqlite":
        return whole_project.env
    return {**whole_project.env, "MLFLOW_TRACKING_URI": request.getfixturevalue("cloud_mlflow").url}


@pytest.fixture(scope="module")
def registry(env: Mapping[str, str]) -> Registry:
    return Registry(Settings.from_env(env))


@pytest.fixture(scope="module")
def pipeline() -> Any:
    return fitted(SPEC, FRAME)


def begin(registry: Registry, request: str = "") -> str:
    return registry.begin(NAME, request or f"r-{uuid4().hex[:8]}", tags={"tidewheel.story": "a story"})


def register(registry: Registry, run: str, pipeline: Any) -> int:
    tags = {"tidewheel.data_version": json.dumps({"rows": 7, "drops": [["a/b.csv", 1]]})}
    return registry.register(NAME, SPEC, run, pipeline, FEATURES.head(9), profile=PROFILE, tags=tags)


@pytest.fixture(scope="module")
def version(registry: Registry, pipeline: Any) -> int:
    run = begin(registry)
    registry.log(run, metrics={"holdout_mae": 2.0})
    number = register(registry, run, pipeline)
    registry.finish(run)
    return number


def test_what_is_logged_is_read_again_and_nan_stays_nan(registry: Registry) -> None:
    run = begin(registry)
    registry.log(
        run, params={f"p{i}": i for i in range(150)}, metrics={"mae": 2.0, "skill": math.nan}, tags={"own": "tag"}
    )
    read = registry.client.get_run(run).data
    assert len(read.params) == 150 and read.params["p149"] == "149"
    assert (read.tags["own"], read.tags["tidewheel.story"]) == ("tag", "a story")
    metrics = registry.run_metrics(run)
    assert metrics["mae"] == 2.0 and math.isnan(metrics["skill"])


def test_a_version_counts_when_its_run_is_finished(registry: Registry, pipeline: Any) -> None:
    run = begin(registry, request := f"r-{uuid4().hex[:8]}")
    number = register(registry, run, pipeline)
    assert registry.version(NAME, number).status == "unfinished"
    with pytest.raises(NoSuchVersion, match="unfinished"):
        registry.load(NAME, number)
    registry.finish(run)
    version = registry.version(NAME, number)
    assert (version.counts, version.run, version.request) == (True, run, request)
    assert version.data_version == {"rows": 7, "drops": [["a/b.csv", 1]]}
    # That was all in the tag, as of old.
    assert registry.drops([version]) == [{"a/b.csv": 1}]


def test_thousands_of_drops_are_told_whole_and_leave_the_tag_small(registry: Registry, pipeline: Any) -> None:
    data = replace(
        DATA, drops=tuple((f"{NAME}/2013/a-month-with-a-long-name-{i}.csv", 10**15 + i) for i in range(2_000))
    )
    tags = {"tidewheel.data_version": json.dumps(record.data(data))}
    run = registry.begin(NAME, f"r-{uuid4().hex[:8]}", tags=tags)
    registry.log_data(run, data.to_dict())
    number = registry.register(NAME, SPEC, run, pipeline, FEATURES.head(9), profile=PROFILE, tags=tags)
    registry.finish(run)
    version = registry.version(NAME, number)
    assert len(version.tags["tidewheel.data_version"]) < 1_000
    assert version.data_version["drops"] == 2_000
    assert DataVersion.from_dict(registry.data_version(version)) == data
    assert registry.drops([version, version]) == [dict(data.drops)] * 2


def test_a_version_whose_list_of_drops_is_gone_says_so(registry: Registry, pipeline: Any) -> None:
    run = begin(registry)
    tags = {"tidewheel.data_version": json.dumps(record.data(DATA))}
    number = registry.register(NAME, SPEC, run, pipeline, FEATURES.head(9), profile=PROFILE, tags=tags)
    with pytest.raises(PermanentError, match=f"version {number} of {NAME} has no data_version.json any more"):
        registry.drops([registry.version(NAME, number)])


def test_a_version_whose_run_failed_does_not_count(registry: Registry, pipeline: Any) -> None:
    run = begin(registry)
    number = register(registry, run, pipeline)
    registry.fail(run)
    assert not registry.version(NAME, number).counts


def test_of_two_attempts_at_a_request_the_later_one_counts(registry: Registry, pipeline: Any) -> None:
    first = begin(registry, request := f"r-{uuid4().hex[:8]}")
    early = register(registry, first, pipeline)
    second = begin(registry, request)
    with pytest.raises(LostLease):
        registry.finish(first)
    with pytest.raises(LostLease):
        register(registry, first, pipeline)
    number = register(registry, second, pipeline)
    registry.finish(second)
    mine = {each.version: each.status for each in registry.versions(NAME) if each.request == request}
    assert mine == {early: "abandoned", early + 1: "abandoned", number: ""}


def test_an_attempt_that_slept_while_a_later_one_was_done_abandons_only_itself(
    registry: Registry, pipeline: Any
) -> None:
    request = f"r-{uuid4().hex[:8]}"
    later = registry.begin(NAME, request, tags={}, attempt=2)
    number = register(registry, later, pipeline)
    registry.finish(later)
    with pytest.raises(LostLease, match="a later attempt"):
        registry.begin(NAME, request, tags={}, attempt=1)
    assert registry.version(NAME, number).counts


def test_a_loaded_version_brings_its_own_contract_packages_and_profile(
    registry: Registry, version: int, pipeline: Any
) -> None:
    loaded = registry.load(NAME, version)
    assert list(loaded.columns) == list(SPEC.columns)
    assert loaded.packages["scikit-learn"] and loaded.packages["python"]
    assert loaded.profile == PROFILE and loaded.metrics == {"holdout_mae": 2.0}
    assert (loaded.predictions(FEATURES) == pipeline.predict(FEATURES)).all()


def test_a_column_that_a_contract_has_gained_is_not_shown_to_an_older_version(
    registry: Registry, version: int, pipeline: Any
) -> None:
    wider = FEATURES.assign(added_later=1.0)
    assert (registry.load(NAME, version).pipeline.predict(wider) == pipeline.predict(FEATURES)).all()


@pytest.mark.parametrize("change", ["edited", "deleted"])
def test_editing_a_models_feature_code_does_not_change_what_a_version_predicts(
    env: Mapping[str, str], version: int, pipeline: Any, tmp_path: Path, change: str
) -> None:
    shutil.copytree(ROOT / "shared", tmp_path / "shared", ignore=shutil.ignore_patterns("__pycache__"))
    file = tmp_path / "shared" / "models" / f"{NAME}.py"
    if change == "edited":
        file.write_text(file.read_text().replace("EARTH_KM = 6371.0", "EARTH_KM = 1.0"))
        assert "EARTH_KM = 1.0" in file.read_text()
    else:
        file.unlink()
    FEATURES.to_pickle(tmp_path / "features.pkl")
    code = (
        "import json, pandas; from shared.adapters.registry import Registry; from shared.settings import Settings\n"
        f"loaded = Registry(Settings.from_env()).load({NAME!r}, {version})\n"
        "print(json.dumps(loaded.predictions(pandas.read_pickle('features.pkl')).tolist()))"
    )
    own = {**env, "PYTHONPATH": str(tmp_path), "OMP_WAIT_POLICY": "passive"}
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, cwd=tmp_path, env=own, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == pipeline.predict(FEATURES).tolist()


def test_any_mlflow_client_can_load_a_version(env: Mapping[str, str], version: int, pipeline: Any) -> None:
    mlflow.set_tracking_uri(env["MLFLOW_TRACKING_URI"])
    loaded = mlflow.pyfunc.load_model(f"models:/{NAME}/{version}")
    assert loaded.metadata.signature is not None
    assert list(loaded.predict(FEATURES)) == list(pipeline.predict(FEATURES))


def test_a_pipeline_that_predicts_otherwise_once_it_is_stored_is_not_registered(registry: Registry) -> None:
    before = len(registry.versions(NAME))
    with pytest.raises(PermanentError, match="predicts something else"):
        register(registry, begin(registry), Fickle())
    assert len(registry.versions(NAME)) == before


class Fickle:
    """Predicts a number that depends on where it is."""

    def predict(self, frame: pd.DataFrame) -> list[int]:
        return [id(self)] * len(frame)


def test_an_unknown_version_names_those_that_there_are(registry: Registry, version: int) -> None:
    with pytest.raises(NoSuchVersion, match=rf"has no version 9999. Known: .*\b{version}\b"):
        registry.load(NAME, 9999)
    with pytest.raises(NoSuchVersion, match="no version that counts yet"):
        registry.version("flight_delay", 1)
    with pytest.raises(NoSuchVersion, match="1 or more"):
        registry.version(NAME, 0)
    with pytest.raises(PermanentError, match="cannot be a model"):
        registry.versions("a' OR '1' = '1")


def test_a_version_of_somebody_elses_making_is_not_loaded(registry: Registry, tmp_path: Path) -> None:
    run = begin(registry)
    found = registry.client.create_model_version(NAME, "gs://tidewheel-local-artifacts/anything", run)
    registry.log(run, tags={"tidewheel.version": str(found.version)})
    registry.finish(run)
    with pytest.raises(PermanentError, match="was not made by Tidewheel"):
        registry.load(NAME, int(found.version))


def test_the_alias_follows_and_is_none_before(registry: Registry, version: int) -> None:
    assert registry.champion_alias("flight_delay") is None
    for _ in range(2):
        registry.set_champion(NAME, version)
        assert registry.champion_alias(NAME) == version


def test_an_evaluation_that_is_repeated_stays_one_run(registry: Registry, version: int) -> None:
    drop = f'{NAME}/it\'s "odd" {uuid4().hex}.csv'
    for mae in (3.0, 2.0):
        registry.record_evaluation(NAME, version, drop, 5, {"mae": mae})
    found = registry.client.search_runs([registry.experiment(NAME)], "tags.`tidewheel.kind` = 'evaluation'")
    mine = [run for run in found if run.data.tags["tidewheel.drop"] == drop]
    assert [run.data.metrics["mae"] for run in mine] == [2.0]


def test_what_a_decision_rests_on_stays_when_the_drop_is_evaluated_once_more(registry: Registry, version: int) -> None:
    drop = f"{NAME}/{uuid4().hex}.csv"
    registry.record_evaluation(NAME, version, drop, 5, {"mae": 3.0})
    first = registry.evaluation(NAME, version, drop, 5)
    registry.record_evaluation(NAME, version, drop, 5, {"mae": 2.0}, epoch=1)
    again = registry.evaluation(NAME, version, drop, 5, 1)
    assert registry.evaluation(NAME, version, drop, 5) == first and again.run != first.run
    assert (first.metrics["mae"], again.metrics["mae"]) == (3.0, 2.0)


def test_an_evaluation_whose_answer_was_lost_stays_one_run(
    registry: Registry, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop, create, made = f"{NAME}/{uuid4().hex}.csv", registry.client.create_run, []

    def create_again(*arguments: Any, **more: Any) -> Any:
        made.append(create(*arguments, **more))
        return create(*arguments, **more)

    monkeypatch.setattr(registry.client, "create_run", create_again)
    registry.record_evaluation(NAME, version, drop, 5, {"mae": 3.0}, tags={"why": "first"})
    registry.record_evaluation(NAME, version, drop, 5, {"mae": 2.0}, tags={"why": "again"})
    found = registry.client.search_runs([registry.experiment(NAME)], f"tags.`tidewheel.drop` = '{drop}'")
    assert [run.info.run_id for run in found] == [made[0].info.run_id]
    # What somebody begins meanwhile, and has not ended, is nobody's evidence.
    create(registry.experiment(NAME), tags=found[0].data.tags)
    told = registry.evaluation(NAME, version, drop, 5)
    assert (told.run, told.metrics, told.tags["why"]) == (found[0].info.run_id, {"mae": 2.0}, "again")


@pytest.fixture
def nobody() -> Iterator[Registry]:
    uri = f"http://127.0.0.1:{laptop.free_port()}"
    yield Registry(Settings.from_env({"GOOGLE_CLOUD_PROJECT": "p", "MLFLOW_TRACKING_URI": uri}))


def test_a_server_that_is_away_is_a_passing_failure(nobody: Registry) -> None:
    for ask in (lambda: nobody.versions(NAME), lambda: nobody.begin(NAME, "r", tags={}), lambda: nobody.load(NAME, 1)):
        with pytest.raises(PassingError, match="MLflow is not ready"):
            ask()


def test_a_whole_trainings_record_takes_few_requests(
    registry: Registry, pipeline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = []
    send = requests.Session.send

    def counted(session: requests.Session, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        sent.append(f"{request.method} {request.path_url}")
        return send(session, request, **options)

    monkeypatch.setattr(requests.Session, "send", counted)
    run = begin(registry)
    registry.log(run, params={f"p{i}": i for i in range(40)}, metrics={f"m{i}": i for i in range(30)})
    register(registry, run, pipeline)
    registry.finish(run)
    # One for each of the hundred values that are logged would be as many again.
    assert len(sent) < 30, sent
