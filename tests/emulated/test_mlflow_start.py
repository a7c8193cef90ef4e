"""The start command of the cloud's MLflow: what it refuses, how it treats its database, what it lets through."""

from __future__ import annotations

import ast
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests
from mlflow.store.db import utils
from mlflow.store.tracking.dbmodels.initial_models import Base as FirstTables
from sqlalchemy import create_engine

from deploy.gcp.mlflow import image, start
from shared.errors import PermanentError
from tests.emulated import mlflow_servers
from tests.emulated.laptop import wait_for
from tests.emulated.mlflow_servers import Starting
from tests.emulated.postgres import PASSWORD, Postgres

pytest_plugins = ["tests.emulated.mlflow_fixtures"]
NEWEST = utils._get_latest_schema_revision()
# A migration that changes a table which the test can hold, and one before the newest.
EARLY = "bd07f7e963c5"
WANTED = {
    "MLFLOW_DATABASE_HOST": "/nowhere",
    "MLFLOW_DATABASE_NAME": "n",
    "MLFLOW_DATABASE_USER": "u",
    "MLFLOW_DATABASE_PASSWORD": "p",
    "MLFLOW_ARTIFACTS_DESTINATION": "gs://b",
    "MLFLOW_SERVER_ALLOWED_HOSTS": "mlflow.example",
}


@pytest.fixture
def database(cluster: Postgres) -> Mapping[str, str]:
    """An empty one."""
    return cluster.create(f"d{uuid4().hex}")


def revision(cluster: Postgres, database: Mapping[str, str]) -> Any:
    return cluster.ask(database["MLFLOW_DATABASE_NAME"], "SELECT version_num FROM alembic_version")


def leave_at(database: Mapping[str, str], revision: str) -> None:
    """Make the tables that an older MLflow had."""
    from alembic import command

    engine = create_engine(start.database(database), connect_args={"port": database["PGPORT"]})
    FirstTables.metadata.create_all(engine)
    with engine.begin() as connection:
        config = utils._get_alembic_config("")
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


def before_the_newest() -> str:
    from alembic.script import ScriptDirectory

    script = ScriptDirectory.from_config(utils._get_alembic_config("")).get_revision(NEWEST)
    assert isinstance(script.down_revision, str)
    return script.down_revision


def run(database: Mapping[str, str], folder: Path, *arguments: str, **env: str) -> tuple[int, str]:
    """The start command to its end: how it ended, and what it said."""
    with mlflow_servers.start(database, folder, *arguments, **env) as starting:
        return starting.process.wait(90), starting.told()


@pytest.mark.parametrize("name", start.NEEDED)
def test_what_is_not_set_is_named(name: str) -> None:
    start.refuse_what_is_missing(WANTED)
    with pytest.raises(SystemExit, match=f"not set: {name}"):
        start.refuse_what_is_missing({**WANTED, name: ""})


def test_the_start_command_needs_nothing_of_the_repository() -> None:
    nodes = list(ast.walk(ast.parse(mlflow_servers.START.read_text())))
    found = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    found |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    others = {name.partition(".")[0] for name in found} - set(sys.stdlib_module_names)
    assert others == {"alembic", "mlflow", "sqlalchemy"}


def test_a_server_for_any_host_or_without_a_bucket_does_not_start() -> None:
    with pytest.raises(SystemExit, match="allows any host"):
        start.refuse_what_is_missing({**WANTED, "MLFLOW_SERVER_ALLOWED_HOSTS": "mlflow.example,*"})
    with pytest.raises(SystemExit, match="no bucket"):
        start.refuse_what_is_missing({**WANTED, "MLFLOW_ARTIFACTS_DESTINATION": "./mlartifacts"})


def test_over_a_network_the_database_is_asked_with_tls() -> None:
    asked = start.database({**WANTED, "MLFLOW_DATABASE_HOST": "10.1.2.3"})
    assert (asked.host, asked.query["sslmode"]) == ("10.1.2.3", "require")


def test_a_database_that_lets_nobody_in_without_tls_is_reached(
    cluster: Postgres, database: Mapping[str, str], tmp_path: Path
) -> None:
    code, said = run({**database, "MLFLOW_DATABASE_HOST": "127.0.0.1"}, tmp_path, "upgrade")
    assert (code, revision(cluster, database)) == (0, NEWEST), said
    code, said = run({**database, "MLFLOW_DATABASE_HOST": "127.0.0.1", "MLFLOW_DATABASE_PASSWORD": "x"}, tmp_path)
    assert code == 1 and PASSWORD not in said
    assert "MLflow does not start: the database cannot be used" in said.splitlines()[-1]
    assert "password authentication failed" in said.splitlines()[-1]


def test_containers_that_start_at_once_make_the_tables_once(
    cluster: Postgres, database: Mapping[str, str], tmp_path: Path
) -> None:
    name = database["MLFLOW_DATABASE_NAME"]
    env = {**os.environ, **WANTED, **database}
    command = [sys.executable, str(mlflow_servers.START), "upgrade"]
    started = [
        subprocess.Popen(command, env=env, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(3)
    ]
    said = [process.communicate(timeout=90)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], said
    assert sum("The database is empty" in each for each in said) == 1
    assert revision(cluster, database) == NEWEST
    assert cluster.ask(name, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0


def test_a_database_of_an_older_mlflow_is_left_alone_until_somebody_wants_it_upgraded(
    cluster: Postgres, database: Mapping[str, str], tmp_path: Path
) -> None:
    leave_at(database, older := before_the_newest())
    code, said = run(database, tmp_path)
    assert code == 1 and "Back it up, then deploy once with MLFLOW_UPGRADE_DATABASE=true" in said
    assert "Traceback" not in said and revision(cluster, database) == older
    code, said = run(database, tmp_path, "upgrade")
    assert (code, revision(cluster, database)) == (0, NEWEST), said


def test_a_database_of_a_newer_mlflow_is_not_served(
    cluster: Postgres, database: Mapping[str, str], tmp_path: Path
) -> None:
    leave_at(database, before_the_newest())
    with cluster.connect(database["MLFLOW_DATABASE_NAME"]) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'f0f0f0f0f0f0'")
    code, said = run(database, tmp_path, MLFLOW_UPGRADE_DATABASE="true")
    assert code == 1 and "of a newer MLflow (f0f0f0f0f0f0)" in said
    assert revision(cluster, database) == "f0f0f0f0f0f0"


def test_an_upgrade_that_is_killed_leaves_the_database_as_it_was(
    cluster: Postgres, database: Mapping[str, str], tmp_path: Path
) -> None:
    name = database["MLFLOW_DATABASE_NAME"]
    leave_at(database, EARLY)
    waiting = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}' AND wait_event_type = 'Lock'"
    with cluster.connect(name) as holder, holder.transaction():
        # It changes this table somewhere on its way.
        holder.execute("LOCK TABLE experiments IN ACCESS SHARE MODE")
        with mlflow_servers.start(database, tmp_path, "upgrade") as starting:
            wait_for(lambda: cluster.ask(name, waiting))
            starting.process.send_signal(signal.SIGKILL)
            starting.process.wait()
    wait_for(lambda: not cluster.ask(name, waiting))
    assert revision(cluster, database) == EARLY
    code, said = run(database, tmp_path, "upgrade")
    assert (code, revision(cluster, database)) == (0, NEWEST), said


def test_hosts_that_are_not_named_are_turned_away_but_for_the_probe(cloud_mlflow: Starting) -> None:
    asked = {"Host": "evil.example"}
    assert requests.get(f"{cloud_mlflow.url}/health", headers=asked, timeout=9).status_code == 200
    refused = requests.get(f"{cloud_mlflow.url}/version-of-nothing", headers=asked, timeout=9)
    assert refused.status_code == 403
    answer = requests.get(f"{cloud_mlflow.url}/", timeout=9)
    assert (answer.status_code, answer.headers["x-frame-options"]) == (200, "DENY")


def test_the_password_is_told_to_nobody(cloud_mlflow: Starting) -> None:
    command = Path(f"/proc/{cloud_mlflow.process.pid}/cmdline")
    if command.exists():
        assert b"uvicorn" in command.read_bytes() and PASSWORD.encode() not in command.read_bytes()
        assert b"postgresql" not in command.read_bytes()
    assert PASSWORD not in cloud_mlflow.told() and "p%40ss" not in cloud_mlflow.told()


def test_nothing_is_run_for_jobs_and_nobody_is_called_home() -> None:
    assert start.DEFAULTS["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert start.DEFAULTS["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_two_workers_need_few_connections_and_end_when_cloud_run_says_so(
    cluster: Postgres, database: Mapping[str, str], google: Mapping[str, str], tmp_path: Path
) -> None:
    with mlflow_servers.start({**google, **database}, tmp_path, MLFLOW_WORKERS="2") as server:
        server.wait()
        for _ in range(20):
            found = requests.get(f"{server.url}/api/2.0/mlflow/experiments/get?experiment_id=0", timeout=30)
            assert found.status_code == 200
        name = database["MLFLOW_DATABASE_NAME"]
        # The smallest instance of Cloud SQL takes 25.
        assert cluster.ask(name, f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'") <= 8
        server.process.terminate()
        assert server.process.wait(10) in (0, -signal.SIGTERM)
    assert "Traceback" not in server.told()


def test_the_image_has_every_pin_of_the_server_and_runs_as_nobody(tmp_path: Path) -> None:
    digest = "sha256:" + "0" * 64
    image.stage(tmp_path / "image", digest=digest)
    recipe = (tmp_path / "image" / "Dockerfile").read_text()
    assert re.search(rf"(?m)^FROM python:3\.11\.\d+-slim-bookworm@{digest}$", recipe)
    assert re.search(r"(?m)^USER 10001$", recipe) and "start.py" in recipe
    pins = (tmp_path / "image" / "requirements.txt").read_text().splitlines()
    assert set(pins) < set(image.REQUIREMENTS.read_text().splitlines())
    names = {pin.partition("==")[0] for pin in pins}
    assert {"mlflow", "alembic", "psycopg-binary", "google-cloud-storage", "uvicorn"} <= names
    assert not names & {"duckdb", "pytest", "google-cloud-bigquery", "bqemulator"}
    with pytest.raises(PermanentError, match="is no digest"):
        image.stage(tmp_path / "image", digest="latest")
