"""A real PostgreSQL for the tests: its own cluster in a temporary folder, reached as Cloud SQL is.

By a socket, whose folder has colons in its name, and over the network with TLS only.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from tests.emulated.laptop import free_port, wait_for

# What a careless way of writing it into an address breaks at.
PASSWORD = "p@ss/w%rd: #1"
# Whom PostgreSQL may run as where the tests are run by root, whom it refuses.
SOMEBODY = ("postgres", "nobody")
# Nothing is kept.
HASTE = ("fsync=off", "full_page_writes=off", "synchronous_commit=off")
# As Cloud SQL's ssl_mode ENCRYPTED_ONLY has it.
WHO_MAY_COME = "local all all scram-sha-256\nhostssl all all 127.0.0.1/32 scram-sha-256\n"


@dataclass(frozen=True)
class Postgres:
    """A cluster; the folder of its socket has a name with colons, as /cloudsql/PROJECT:REGION:INSTANCE has."""

    socket: Path
    port: int

    def create(self, database: str) -> Mapping[str, str]:
        """A new database, and the variables that name it to the MLflow server's start command."""
        with self.connect("postgres") as connection:
            connection.execute(f'CREATE DATABASE "{database}"')
        return {
            "MLFLOW_DATABASE_HOST": str(self.socket),
            "MLFLOW_DATABASE_NAME": database,
            "MLFLOW_DATABASE_USER": "postgres",
            "MLFLOW_DATABASE_PASSWORD": PASSWORD,
            # On Google Cloud it is the usual one.
            "PGPORT": str(self.port),
        }

    def connect(self, database: str) -> psycopg.Connection[Any]:
        return psycopg.connect(
            host=str(self.socket), port=self.port, user="postgres", password=PASSWORD, dbname=database, autocommit=True
        )

    def ask(self, database: str, sql: str) -> Any:
        """The one value that a query gives."""
        with self.connect(database) as connection:
            row = connection.execute(sql).fetchone()
        return row[0] if row else None


@dataclass(frozen=True)
class Binaries:
    """Where PostgreSQL's programs are, and who runs them."""

    folder: Path

    @cached_property
    def owner(self) -> pwd.struct_passwd | None:
        """Nobody else than who runs the tests, unless that is root."""
        if os.geteuid():
            return None
        there = {each.pw_name: each for each in pwd.getpwall()}
        return next(there[name] for name in SOMEBODY if name in there)

    def start(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        as_whom: dict[str, Any] = {}
        if self.owner:
            as_whom = {"user": self.owner.pw_uid, "group": self.owner.pw_gid, "extra_groups": []}
        command = [str(self.folder / program), *arguments]
        return subprocess.Popen(command, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, **as_whom)

    def own(self, *paths: Path) -> None:
        for path in paths:
            if self.owner:
                os.chown(path, self.owner.pw_uid, self.owner.pw_gid)


def binaries() -> Binaries | None:
    """The newest PostgreSQL of this machine; Debian keeps it off the path."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
    both = [
        each for each in (*folders, *reversed(debian)) if (each / "initdb").exists() and (each / "postgres").exists()
    ]
    return Binaries(both[0]) if both else None


@contextmanager
def postgres(programs: Binaries) -> Iterator[Postgres]:
    """Start a cluster, and remove it afterwards."""
    # Not pytest's folder: that is closed to other users, and a socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="tidewheel-pg-", ignore_cleanup_errors=True) as name:
        home = Path(name)
        home.chmod(0o755)
        data, socket, password = home / "data", home / "project:region:instance", home / "password"
        socket.mkdir()
        password.write_text(PASSWORD)
        programs.own(home, socket, password)
        options = [
            "--no-sync",
            "--username=postgres",
            "--auth=scram-sha-256",
            f"--pwfile={password}",
            "--encoding=UTF8",
        ]
        assert programs.start("initdb", "--pgdata", str(data), *options).wait() == 0
        programs.own(*_secure(data))
        port = free_port()
        listening = (f"port={port}", "listen_addresses=127.0.0.1", "ssl=on")
        settings = [part for each in (*HASTE, *listening) for part in ("-c", each)]
        server = programs.start("postgres", "-D", str(data), "-k", str(socket), *settings)
        try:
            running = Postgres(socket, port)
            wait_for(lambda: _answers(running))
            yield running
        finally:
            server.send_signal(signal.SIGQUIT)
            server.wait()


def _secure(data: Path) -> tuple[Path, Path]:
    """Let nobody in over the network without TLS; the certificate is its own."""
    (data / "pg_hba.conf").write_text(WHO_MAY_COME)
    key = rsa.generate_private_key(65537, 2048)
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]), datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(1))
    secret = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    files = data / "server.crt", data / "server.key"
    files[0].write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, *secret))
    files[1].chmod(0o600)
    return files


def _answers(running: Postgres) -> bool:
    try:
        return bool(running.ask("postgres", "SELECT 1"))
    except psycopg.OperationalError:
        return False
