"""The MLflow server of Google Cloud, as its container starts it: look at the database, then become `mlflow server`.

`python start.py` serves; `python start.py upgrade` upgrades the database and ends. It uses nothing of this repository:
in its container it is alone with MLflow.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from typing import NoReturn

from sqlalchemy import URL, Engine, text
from sqlalchemy.exc import OperationalError

# Of two containers that start at once, one looks after the tables, and the other waits for it.
LOCK = 7_411_523
PATIENCE_SECONDS = 15.0
# Quiet, no jobs, and few connections: each worker has a pool, and a small Cloud SQL takes 25 to 50 in all.
DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_SERVER_X_FRAME_OPTIONS": "DENY",
    "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": "2",
    "MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW": "3",
    "MLFLOW_SQLALCHEMYSTORE_POOL_RECYCLE": "900",
}
NEEDED = (
    "MLFLOW_ARTIFACTS_DESTINATION",
    "MLFLOW_DATABASE_HOST",
    "MLFLOW_DATABASE_NAME",
    "MLFLOW_DATABASE_PASSWORD",
    "MLFLOW_DATABASE_USER",
    "MLFLOW_SERVER_ALLOWED_HOSTS",
)
# Cloud Run writes down each request by itself, and gives ten seconds from SIGTERM on.
UVICORN = "--log-level warning --timeout-graceful-shutdown 8"


def main(arguments: Sequence[str]) -> None:
    """Serve, or only upgrade the database."""
    refuse_what_is_missing(os.environ)
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    only_upgrade = list(arguments) == ["upgrade"]
    address = database(os.environ).render_as_string(hide_password=False)
    prepare(address, upgrade=only_upgrade or os.environ.get("MLFLOW_UPGRADE_DATABASE") == "true")
    if not only_upgrade:
        serve(address)


def refuse_what_is_missing(env: Mapping[str, str]) -> None:
    """Say which variables are not set, and stop at a server that would answer to any name."""
    if missing := [name for name in NEEDED if not env.get(name)]:
        stop(f"not set: {', '.join(missing)}.")
    if not env["MLFLOW_ARTIFACTS_DESTINATION"].startswith("gs://"):
        stop("MLFLOW_ARTIFACTS_DESTINATION is no bucket: files would be gone with the container. Write gs://BUCKET.")
    if "*" in env["MLFLOW_SERVER_ALLOWED_HOSTS"]:
        stop("MLFLOW_SERVER_ALLOWED_HOSTS allows any host. Name the host of the service's URL.")


def database(env: Mapping[str, str]) -> URL:
    """Where PostgreSQL is: behind Cloud SQL's socket, /cloudsql/PROJECT:REGION:INSTANCE, or at an address, with TLS."""
    host = env["MLFLOW_DATABASE_HOST"]
    plain = URL.create(
        "postgresql+psycopg",
        username=env["MLFLOW_DATABASE_USER"],
        password=env["MLFLOW_DATABASE_PASSWORD"],
        database=env["MLFLOW_DATABASE_NAME"],
    )
    if host.startswith("/"):
        return plain.update_query_dict({"host": host})
    return plain.set(host=host).update_query_dict({"sslmode": "require"})


def prepare(address: str, *, upgrade: bool) -> None:
    """Make the tables of an empty database; change those of another release only where that is wanted."""
    from mlflow.store.db import utils

    engine = connected(address)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as guard:
        guard.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
        found, wanted = utils._get_schema_version(engine), utils._get_latest_schema_revision()
        if found is None:
            print("The database is empty: making MLflow's tables", flush=True)
            utils._initialize_tables(engine)
        elif found != wanted:
            move(engine, found, wanted, upgrade=upgrade)
    engine.dispose()


def connected(address: str) -> Engine:
    """Wait a moment for the database; by itself MLflow would do so for an hour, also where a password is wrong."""
    from mlflow.store.db import utils

    engine, deadline = utils.create_sqlalchemy_engine(address), time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            engine.connect().close()
        except OperationalError as error:
            if time.monotonic() > deadline:
                stop(f"the database cannot be used: {' '.join(str(error.orig).split())}")
            time.sleep(1)
        else:
            return engine


def move(engine: Engine, found: str, wanted: str, *, upgrade: bool) -> None:
    """Upgrade the tables in one transaction, if that is wanted and possible."""
    from alembic.script import ScriptDirectory
    from mlflow.store.db import utils

    known = {each.revision for each in ScriptDirectory.from_config(utils._get_alembic_config("")).walk_revisions()}
    if found not in known:
        stop(f"the database is of a newer MLflow ({found}); this one knows {wanted}. Deploy the newer image again.")
    if not upgrade:
        remedy = "Back it up, then deploy once with MLFLOW_UPGRADE_DATABASE=true."
        stop(f"the database is of an older MLflow ({found}; this one needs {wanted}). {remedy}")
    print(f"Upgrading the database from {found} to {wanted}", flush=True)
    utils._upgrade_db(engine)


def serve(address: str) -> None:
    """Become the server; the password stays out of the command line, which others may read."""
    import mlflow.server
    from mlflow.cli import cli

    os.environ["MLFLOW_BACKEND_STORE_URI"] = address
    mlflow.server._exec_cmd = become  # type: ignore[assignment]  # It takes less, and never returns.
    port, workers = os.environ.get("PORT", "8080"), os.environ.get("MLFLOW_WORKERS", "2")
    command = ["server", "--host", "0.0.0.0", "--port", port, "--workers", workers, "--uvicorn-opts", UVICORN]
    command += ["--allowed-hosts", os.environ["MLFLOW_SERVER_ALLOWED_HOSTS"]]
    command += ["--artifacts-destination", os.environ["MLFLOW_ARTIFACTS_DESTINATION"]]
    cli(command, prog_name="mlflow")


def become(command: Sequence[str], *, extra_env: Mapping[str, str], **_: object) -> NoReturn:
    """Turn this process into uvicorn: it gets Cloud Run's SIGTERM itself, and nobody keeps memory only to wait."""
    os.execvpe(command[0], list(command), {**os.environ, **extra_env})


def stop(sentence: str) -> NoReturn:
    """End with one sentence, which Cloud Run shows as the reason why the revision does not start."""
    sys.exit(f"MLflow does not start: {sentence}")


if __name__ == "__main__":
    main(sys.argv[1:])
