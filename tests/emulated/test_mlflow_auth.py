"""A private MLflow: who comes with a valid ID token gets in, for as long as it takes, and who has none is told why."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from deploy.local.layout import ROOT
from shared.adapters.id_tokens import IdTokens
from shared.adapters.mlflow_auth import Bearer
from shared.errors import PermanentError
from tests.emulated import cloud_run
from tests.emulated.cloud_run import GCLOUD, Gate, Issuer
from tests.emulated.mlflow_servers import Starting

pytest_plugins = ["tests.emulated.mlflow_fixtures"]
PEOPLE = ("authorized_user", {"client_id": "i", "client_secret": "s", "refresh_token": "r"})
# A program of the project's, in a slice: no distribution is installed that could have an entry point.
PREAMBLE = """
import sys, time, json
from importlib import metadata
found = metadata.entry_points
metadata.entry_points = lambda **asked: [] if asked.get("group") == "mlflow.request_auth_provider" else found(**asked)
from shared.adapters.registry import Registry
from shared.settings import Settings
registry = Registry(Settings.from_env())
"""
ONE_RUN = """
run = registry.begin("taxi_fare", sys.argv[1], tags={})
registry.log_json(run, "note", {"said": "x" * 3_000_000})
registry.finish(run)
note = registry.client.download_artifacts(run, "note.json")
print(len(json.loads(open(note).read())["said"]))
"""


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def gate(issuer: Issuer, cloud_mlflow: Starting) -> Iterator[Gate]:
    with cloud_run.gate(issuer, cloud_mlflow.port) as standing:
        yield standing


@pytest.fixture
def machine(google: Mapping[str, str], issuer: Issuer, gate: Gate, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a program on Google Cloud, where the metadata server says who it is."""
    with cloud_run.metadata_server(issuer) as address:
        yield {
            **outside(google, gate, tmp_path),
            "GCE_METADATA_HOST": address,
            "GCE_METADATA_IP": address,
            "NO_GCE_CHECK": "false",
        }


def outside(env: Mapping[str, str], gate: Gate, home: Path) -> dict[str, str]:
    """The environment of a program of which nobody knows who it is."""
    return {
        **env,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "HOME": str(home),
        "CLOUDSDK_CONFIG": str(home / "gcloud"),
        "PATH": str(home / "bin"),
        "PYTHONPATH": str(ROOT),
        "OMP_WAIT_POLICY": "passive",
        "NO_GCE_CHECK": "true",
        "MLFLOW_TRACKING_URI": gate.url,
        "MLFLOW_TRACKING_AUTH": "tidewheel",
    }


def run(code: str, env: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PREAMBLE + code, *arguments]
    return subprocess.run(command, env=env, cwd=env["HOME"], capture_output=True, text=True, timeout=120, check=False)


def last_line(run: subprocess.CompletedProcess[str]) -> str:
    """A failure's sentence."""
    assert run.returncode, run.stdout
    return run.stderr.strip().splitlines()[-1]


def test_a_training_that_outlives_its_tokens_goes_on(machine: dict[str, str], issuer: Issuer, gate: Gate) -> None:
    issuer.life_seconds = 2
    code = """
import pandas
from sklearn.dummy import DummyRegressor
from shared.contract.catalog import model
spec = model("taxi_fare")
features = pandas.DataFrame({column.name: [None] * 9 for column in spec.features})
pipeline = DummyRegressor().fit(features, [1.5] * 9)
run = registry.begin("taxi_fare", sys.argv[1], tags={})
for step in range(30):
    registry.log(run, metrics={"step": step})
    registry.log_json(run, f"step-{step}", {"step": step})
    time.sleep(0.2)
version = registry.register("taxi_fare", spec, run, pipeline, features, profile={})
registry.finish(run)
loaded = registry.load("taxi_fare", version)
print(list(loaded.predictions(features)) == [1.5] * 9, registry.run_metrics(run)["step"])
"""
    done = run(code, machine, "a-long-training")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True", "29.0"]
    assert len(set(gate.let_in)) >= 4, "the run was too short to outlive a token"
    # One request for a token in a while, not one for each request.
    assert len(issuer.issued) < len(gate.let_in) / 3


def test_a_token_is_kept_as_long_as_it_is_valid(machine: dict[str, str], issuer: Issuer, gate: Gate) -> None:
    done = run(ONE_RUN, machine, "a-short-training")
    assert done.returncode == 0, done.stderr
    assert len(issuer.issued) == 1 and len(gate.let_in) > 4 and not gate.refused


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_a_token_that_is_refused_is_replaced_and_what_was_sent_arrives_whole(
    machine: dict[str, str], issuer: Issuer, gate: Gate, method: str
) -> None:
    gate.refuse_next = method
    done = run(ONE_RUN, machine, f"revoked-{method}")
    assert (done.returncode, done.stdout) == (0, "3000000\n"), done.stderr
    assert gate.refused == [401] and len(issuer.issued) == 2


def test_who_is_refused_again_is_told_so_after_two_attempts(
    machine: dict[str, str], issuer: Issuer, gate: Gate
) -> None:
    gate.audience = "https://another.example"
    said = last_line(run('registry.versions("taxi_fare")', machine))
    assert "PassingError: MLflow lets nobody in who is not known to it (401)" in said
    assert "roles/run.invoker" in said and "the server's own URL" in said
    assert gate.refused == [401, 401] and len(issuer.issued) == 2


def test_who_sends_no_token_is_told_which_variable_is_missing(machine: dict[str, str], gate: Gate) -> None:
    said = last_line(run('registry.versions("taxi_fare")', {**machine, "MLFLOW_TRACKING_AUTH": ""}))
    assert said.endswith(
        "MLflow lets nobody in who is not known to it (403). No ID token was sent: set MLFLOW_TRACKING_AUTH=tidewheel."
    )
    assert gate.refused == [403]


def test_a_version_that_is_larger_than_cloud_run_takes_fails_for_good(machine: dict[str, str]) -> None:
    code = 'registry.log_json(registry.begin("taxi_fare", "large", tags={}), "note", "x" * 34_000_000)'
    said = last_line(run(code, machine))
    assert "PermanentError: the version's files are larger than the MLflow server takes. Cloud Run takes 32 MiB" in said


def test_a_server_that_does_not_know_its_name_is_told_apart(machine: dict[str, str], cloud_mlflow: Starting) -> None:
    # Its allowed hosts name 127.0.0.1.
    env = {**machine, "MLFLOW_TRACKING_URI": f"http://localhost:{cloud_mlflow.port}"}
    assert "put the URL's host into its MLFLOW_SERVER_ALLOWED_HOSTS" in last_line(run('registry.versions("x")', env))


def test_a_metadata_server_that_is_away_is_a_passing_failure(machine: dict[str, str]) -> None:
    code = """
from shared.adapters.id_tokens import Fetcher
from google.auth import compute_engine
fetcher = Fetcher()
credentials = compute_engine.IDTokenCredentials(None, "https://x", use_metadata_identity_endpoint=True)
fetcher._credentials["https://x"] = credentials
fetcher("https://x")
"""
    env = {**machine, "GCE_METADATA_HOST": "127.0.0.1:9"}
    assert "PassingError: Google gives no ID token for https://x" in last_line(run(code, env))


def person(env: dict[str, str], home: Path) -> dict[str, str]:
    """Somebody who has run "gcloud auth application-default login"."""
    kind, rest = PEOPLE
    (home / "gcloud").mkdir()
    (home / "gcloud" / "application_default_credentials.json").write_text(json.dumps({"type": kind, **rest}))
    return env


def gcloud(home: Path, script: str) -> Path:
    """A gcloud for the path, and where it counts its calls."""
    (home / "bin").mkdir()
    program, calls = home / "bin" / "gcloud", home / "calls"
    program.write_text(f'#!/bin/sh\necho "$@" >> {calls}\n{script}\n')
    program.chmod(0o755)
    return calls


@pytest.mark.parametrize("with_credentials", [True, False])
def test_a_person_gets_in_by_gclouds_token(
    google: Mapping[str, str], issuer: Issuer, gate: Gate, tmp_path: Path, with_credentials: bool
) -> None:
    env = outside(google, gate, tmp_path)
    if with_credentials:
        person(env, tmp_path)
    calls = gcloud(tmp_path, f'[ "$*" = "auth print-identity-token --quiet" ] && echo {issuer.token(GCLOUD)}')
    done = run(ONE_RUN, env, f"by-hand-{with_credentials}")
    assert done.returncode == 0, done.stderr
    assert calls.read_text().count("print-identity-token") == 1 and len(gate.let_in) > 4


def test_a_person_without_gcloud_or_a_login_is_told_what_to_run(
    google: Mapping[str, str], gate: Gate, tmp_path: Path
) -> None:
    env = person(outside(google, gate, tmp_path), tmp_path)
    said = last_line(run('registry.versions("taxi_fare")', env))
    assert "PermanentError: Google knows nobody here" in said and 'Run "gcloud auth login"' in said
    gcloud(tmp_path, "echo 'ERROR: (gcloud.auth) You do not currently have an active account selected.' >&2; exit 1")
    said = last_line(run('registry.versions("taxi_fare")', env))
    assert "PermanentError: gcloud gives no ID token: ERROR: (gcloud.auth) You do not currently" in said
    assert not gate.let_in and not gate.refused


def test_a_token_that_is_given_by_hand_is_sent(
    google: Mapping[str, str], issuer: Issuer, gate: Gate, tmp_path: Path
) -> None:
    env = {**outside(google, gate, tmp_path), "MLFLOW_TRACKING_TOKEN": issuer.token(gate.url)}
    assert run(ONE_RUN, env, "by-hand-with-a-token").returncode == 0
    assert set(gate.let_in) == set(issuer.issued)


def test_any_mlflow_client_on_a_laptop_finds_the_way_in(machine: dict[str, str], gate: Gate) -> None:
    command = [sys.executable, "-c", "from mlflow import MlflowClient; MlflowClient().search_experiments()"]
    done = subprocess.run(command, env=machine, cwd=machine["HOME"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Could not find any registered plugin" not in done.stderr and gate.let_in


def test_many_threads_ask_for_one_token(issuer: Issuer) -> None:
    def slow(audience: str) -> str:
        time.sleep(0.05)
        return issuer.token(audience)

    tokens, found = IdTokens(slow), []
    threads = [threading.Thread(target=lambda: found.append(tokens.get("https://x"))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 16 and len(set(found)) == len(issuer.issued) == 1
    assert tokens.get("https://x", instead_of=found[0]) != found[0]
    assert tokens.get("https://y") not in issuer.issued[:2], "a token is for one service"
    # Somebody else has replaced it meanwhile.
    assert tokens.get("https://x", instead_of=found[0]) == issuer.issued[1]


def test_a_token_is_replaced_before_its_end(issuer: Issuer) -> None:
    issuer.life_seconds = 59
    tokens = IdTokens(issuer.token)
    tokens.get("https://x")
    left = tokens._known["https://x"].renew_at - time.time()
    assert 40 < left < 50
    issuer.life_seconds = 3600
    tokens.get("https://y")
    assert 3530 < tokens._known["https://y"].renew_at - time.time() < 3541


def test_no_token_travels_unencrypted(issuer: Issuer) -> None:
    import requests

    request = requests.Request("GET", "http://mlflow.example/api", auth=Bearer(IdTokens(issuer.token)))
    with pytest.raises(PermanentError, match="unencrypted"):
        request.prepare()
    assert not issuer.issued
