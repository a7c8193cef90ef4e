"""A whole project without its functions: every server of the laptop's stack, and drops that are swapped in by hand."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deploy.local import stack
from deploy.local.layout import ROOT
from shared.adapters.warehouse import Account
from shared.contract import catalog
from shared.contract.cleaning import clean
from shared.contract.output import REJECTS, ROWS, parts
from shared.contract.source import Source
from shared.lifecycle.services import Services
from shared.settings import Settings
from tests.emulated.bigquery_server import bigquery


@dataclass(frozen=True)
class Project:
    """Its services, and the environment for processes of its own."""

    services: Services
    env: Mapping[str, str]
    home: Path

    def drop(self, name: str, file: Path, generation: int = 1) -> None:
        """Clean a file and swap its rows in, as preprocess does."""
        model, warehouse, bucket = name.partition("/")[0], self.services.warehouse, self.services.settings.state_bucket
        spec, into = catalog.model(model), file.parent / f"{file.stem}-{generation}"
        into.mkdir()
        warehouse.prepare(model, spec)
        cleaned = clean(Source.on_disk(file), name, spec, drop=name, generation=generation, into=into)
        for path in (*cleaned.rows_files, *cleaned.rejects_files):
            self.services.storage.upload(bucket, f"staging/{name}/{generation}/{path.name}", path)
        rows, rejects = (f"gs://{bucket}/staging/{name}/{generation}/{parts(what)}" for what in (ROWS, REJECTS))
        account = _account(model, name, generation, cleaned)
        assert warehouse.swap(model, spec, account=account, rows_uri=rows, rejects_uri=rejects)

    def start(self, *command: str, **env: str) -> subprocess.Popen[str]:
        """A Python process of this project's."""
        return subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env={**os.environ, **self.env, "PYTHONPATH": str(ROOT), "OMP_WAIT_POLICY": "passive", **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


@contextmanager
def project(folder: Path) -> Iterator[Project]:
    """Start everything, and stop it afterwards."""
    home = folder / ".tidewheel"
    (folder / "functions").mkdir()
    data = home / "data"
    stack.up(
        home,
        detach=True,
        servers=("pubsub", "storage", "mlflow"),
        functions=folder / "functions",
        on_progress=lambda _: None,
    )
    try:
        (data / "bigquery").mkdir()
        with bigquery(data / "bigquery", data / "storage") as server, pytest.MonkeyPatch.context() as patch:
            env = stack.stack_env(home) | {
                "BIGQUERY_EMULATOR_HOST": server.rest,
                "BIGQUERY_STORAGE_EMULATOR_HOST": server.grpc,
            }
            for name, value in env.items():
                patch.setenv(name, value)
            services = Services(Settings.from_env(env))
            services.warehouse.bigquery.client.create_dataset(services.settings.dataset)
            yield Project(services, env, home)
    finally:
        stack.down(home)


def _account(model: str, name: str, generation: int, cleaned: Any) -> Account:
    from datetime import UTC, datetime

    counts = {key: getattr(cleaned, key) for key in ("rows", "accepted", "rejected", "duplicate")}
    return Account(
        model=model,
        drop=name,
        generation=generation,
        outcome="prepared",
        **counts,
        first_event=cleaned.first_event,
        last_event=cleaned.last_event,
        digest=cleaned.digest,
        prepared_at=datetime.now(UTC),
    )
