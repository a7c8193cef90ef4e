"""What the laptop's stack is made of: one command for each part, and what has to be up before it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local import spatial
from deploy.local.environment import ARTIFACTS, BUCKETS, LANDING, PROJECT, stack_env
from deploy.local.layout import ROOT, Layout
from shared.errors import TidewheelError

PYTHON = sys.executable
SERVERS = ("pubsub", "storage", "bigquery", "mlflow")
HTTP_FUNCTIONS = {"predict"}
# Quiet about itself, and no thread that spins: on two cores a spinning neighbour makes training eight times slower.
MANNERS = {
    "PYTHONUNBUFFERED": "1",
    "PYTHONPATH": str(ROOT),
    "OMP_WAIT_POLICY": "passive",
    # Memory that was needed for one drop goes back, but not between two blocks of it: that would cost a third of the
    # cleaning, for pages that come again at once.
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": "33554432",
    "MALLOC_TRIM_THRESHOLD_": "33554432",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    # Behind a company's proxy, too, the servers next door are asked directly.
    "NO_PROXY": "127.0.0.1,localhost",
    "no_proxy": "127.0.0.1,localhost",
}


@dataclass(frozen=True, kw_only=True)
class Part:
    """One process of the stack. A task is a part that ends; it runs again when what it came after was restarted."""

    name: str
    kind: str
    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    port: int | None = None
    health_path: str | None = None
    after: tuple[str, ...] = ()
    grace_seconds: float = 10.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Which stack is wanted: whose Pub/Sub, which functions, and, for tests, which servers and how strict a storage."""

    pubsub: str = "tidewheel"
    functions: Path = ROOT / "functions"
    servers: tuple[str, ...] = SERVERS
    rate_limit: bool = False

    def function_names(self) -> list[str]:
        """Each folder with a main.py is a function."""
        return sorted(main.parent.name for main in self.functions.glob("*/main.py"))

    def port_names(self) -> list[str]:
        """Everything that listens."""
        return [*SERVERS, "bigquery_storage", *self.function_names()]


def build(plan: Plan, layout: Layout, ports: Mapping[str, int]) -> list[Part]:
    """All parts of a stack, in the order in which they are shown."""
    if plan.pubsub not in ("tidewheel", "google"):
        raise TidewheelError(f'no Pub/Sub is called "{plan.pubsub}".', "Known: tidewheel, google.")
    env = stack_env(layout, ports) | MANNERS
    makers = {"pubsub": _pubsub, "storage": _storage, "bigquery": _bigquery, "mlflow": _mlflow}
    parts = [makers[name](plan, layout, ports, env) for name in plan.servers]
    parts += [_function(plan, name, ports[name], env) for name in plan.function_names()]
    parts += _tasks(plan, ports, env)
    if "pubsub" in plan.servers and "reconcile" in plan.function_names():
        command = (PYTHON, "-m", "deploy.local.schedule")
        parts.append(Part(name="schedule", kind="consumer", command=command, env=env, after=("topics",)))
    if {"pubsub", "bigquery"} <= set(plan.servers):
        command = (PYTHON, "-m", "deploy.local.lifecycle_log")
        after = ("topics", "dataset")
        parts.append(Part(name="lifecycle_log", kind="consumer", command=command, env=env, after=after))
    return parts


def _pubsub(plan: Plan, layout: Layout, ports: Mapping[str, int], env: Mapping[str, str]) -> Part:
    port = ports["pubsub"]
    command = [PYTHON, "-m", "deploy.local.pubsub", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--data", str(layout.data / "pubsub.sqlite")]
    if plan.pubsub == "google":
        from deploy.local.pubsub.google import command as google_command

        command = google_command(port, layout.data / "pubsub-google")
    return Part(name="pubsub", kind="server", command=tuple(command), env=env, port=port)


def _storage(plan: Plan, layout: Layout, ports: Mapping[str, int], env: Mapping[str, str]) -> Part:
    command = [PYTHON, "-m", "deploy.local.storage", "--host", "127.0.0.1", "--port", str(ports["storage"])]
    command += ["--data", str(layout.data / "storage"), "--notify-bucket", LANDING]
    command += [
        "--pubsub-host",
        env["PUBSUB_EMULATOR_HOST"],
        "--pubsub-topic",
        f"projects/{PROJECT}/topics/drop-received",
    ]
    command += ["--rate-limit"] if plan.rate_limit else []
    # Not before there are subscriptions: what a killed storage still has to announce must find its reader.
    after = ("topics",) if "pubsub" in plan.servers else ()
    return Part(name="storage", kind="server", command=tuple(command), env=env, port=ports["storage"], after=after)


def _bigquery(plan: Plan, layout: Layout, ports: Mapping[str, int], env: Mapping[str, str]) -> Part:
    folder = layout.data / "bigquery"
    command = [
        PYTHON,
        "-m",
        "deploy.local.bigquery",
        "start",
        "--persistent",
        "--data-dir",
        str(folder),
        "--project",
        PROJECT,
    ]
    command += ["--rest-host", "127.0.0.1", "--rest-port", str(ports["bigquery"]), "--log-level", "warning"]
    command += ["--grpc-host", "127.0.0.1", "--grpc-port", str(ports["bigquery_storage"])]
    own = {
        "HOME": str(spatial.private_home(folder)),
        "BQEMU_GCS_LOCAL_ROOT": str(layout.data / "storage/.cloudstorage"),
    }
    port = ports["bigquery"]
    return Part(
        name="bigquery", kind="server", command=tuple(command), env={**env, **own}, port=port, health_path="/readyz"
    )


def _mlflow(plan: Plan, layout: Layout, ports: Mapping[str, int], env: Mapping[str, str]) -> Part:
    port = ports["mlflow"]
    command = [PYTHON, "-m", "deploy.local.mlflow_server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{layout.data.absolute() / 'mlflow.sqlite'}"]
    command += ["--artifacts-destination", f"gs://{ARTIFACTS}", "--uvicorn-opts", "--log-level warning"]
    command += ["--allowed-hosts", f"127.0.0.1:{port},localhost:{port}"]
    # A server that is told to track to itself would ask itself.
    own = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_TRACKING_URI": ""}
    return Part(
        name="mlflow", kind="server", command=tuple(command), env={**env, **own}, port=port, health_path="/health"
    )


def _function(plan: Plan, name: str, port: int, env: Mapping[str, str]) -> Part:
    signature = "http" if name in HTTP_FUNCTIONS else "cloudevent"
    command = [PYTHON, "-m", "deploy.local.function", "--source", str(plan.functions / name / "main.py")]
    command += ["--target", name, "--signature-type", signature, "--host", "127.0.0.1", "--port", str(port)]
    own = {"WORKERS": "1", "THREADS": "4"}
    return Part(name=name, kind="function", command=tuple(command), env={**env, **own}, port=port, grace_seconds=30.0)


def _tasks(plan: Plan, ports: Mapping[str, int], env: Mapping[str, str]) -> list[Part]:
    endpoints = [f"{name}=http://127.0.0.1:{ports[name]}" for name in plan.function_names()]
    tasks = {"topics": ("pubsub", endpoints), "buckets": ("storage", BUCKETS), "dataset": ("bigquery", ())}
    return [
        Part(
            name=name,
            kind="task",
            command=(PYTHON, "-m", "deploy.local.provision", name, *rest),
            env=env,
            after=(server,),
        )
        for name, (server, rest) in tasks.items()
        if server in plan.servers
    ]
