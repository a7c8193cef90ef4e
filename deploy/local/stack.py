"""The laptop's stack, for the command line and for tests: up, down, what runs, and the environment to use it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from deploy.local import processes, state
from deploy.local.layout import ROOT, Layout
from deploy.local.machines import WORKER
from deploy.local.parts import SERVERS
from deploy.local.supervisor import Options, Supervisor
from shared.errors import TidewheelError

Progress = Callable[[str], None]
Ready = Callable[[dict[str, Any]], None]
STOP_SECONDS = 60.0
GOODBYE_SECONDS = 5.0
# What a detached supervisor says while it runs, and what it says when it gives up.
DIARY, FAILURE = "supervisor.log", "supervisor.err"


def up(
    home: Path,
    *,
    detach: bool = False,
    fresh: bool = False,
    ports: dict[str, int] | None = None,
    pubsub: str = "tidewheel",
    on_progress: Progress = print,
    on_ready: Ready = lambda said: None,
    functions: Path = ROOT / "functions",
    servers: tuple[str, ...] = SERVERS,
    rate_limit: bool = False,
    worker: str = WORKER,
) -> None:
    """Start the stack: in this process until Ctrl-C, or detached, returning when it is ready.

    Args:
        rate_limit: the storage refuses a second update of an object within a second, as Cloud Storage may.
        worker: the module that trains.

    Raises:
        TidewheelError: it runs already, a wanted port is taken, or a part could not be started.
    """
    options = Options(
        home=home,
        fresh=fresh,
        ports=ports or {},
        pubsub=pubsub,
        functions=functions.absolute(),
        servers=servers,
        rate_limit=rate_limit,
        worker=worker,
    )
    if detach:
        on_ready(_up_detached(options, on_progress))
    else:
        Supervisor(options, on_progress, on_ready).run()


def down(home: Path) -> bool:
    """Stop the stack and wait until nothing of it is left; whether there was one."""
    layout = Layout(home.absolute())
    running = _read_soon(layout)
    if running is None:
        return False
    with suppress(ProcessLookupError):
        os.kill(running["pid"], signal.SIGTERM)
    if not _wait_while(lambda: state.is_locked(layout.lock), STOP_SECONDS):
        # Its guard ends the parts.
        with suppress(ProcessLookupError):
            os.kill(running["pid"], signal.SIGKILL)
        _wait_while(lambda: state.is_locked(layout.lock), STOP_SECONDS)
    # A foreground `up` may have more to do after the stack than to end.
    _wait_while(lambda: processes.lives(running["pid"]), GOODBYE_SECONDS)
    return True


def read_state(home: Path) -> dict[str, Any] | None:
    """What the supervisor says about the stack; None when it does not run."""
    return state.read(Layout(home.absolute()))


def stack_env(home: Path) -> dict[str, str]:
    """The environment in which code and official clients talk to the stack.

    Raises:
        TidewheelError: it does not run.
    """
    running = read_state(home)
    if running is None:
        raise TidewheelError("the stack is not running.", 'Start it with "tidewheel up".')
    return running["env"]


def parts(home: Path) -> list[dict[str, Any]]:
    """Every part that runs: name, kind, pid, port, state, restarts, memory_mb and log."""
    layout, running = Layout(home.absolute()), read_state(home) or {"parts": []}
    family = processes.family()
    return [_measured(part, layout, family) for part in running["parts"] if part["kind"] != "task"]


def _read_soon(layout: Layout) -> dict[str, Any] | None:
    """The state; a supervisor that has just begun is given an instant to write it."""
    deadline = time.monotonic() + state.PATIENCE_SECONDS
    while (running := state.read(layout)) is None and state.is_locked(layout.lock) and time.monotonic() < deadline:
        time.sleep(0.02)
    return running


def _measured(part: dict[str, Any], layout: Layout, family: processes.Family) -> dict[str, Any]:
    memory = processes.memory_mb(part["pid"], family) if part["pid"] else 0.0
    return {**part, "memory_mb": memory, "log": str(layout.log(part["name"]))}


def _up_detached(options: Options, on_progress: Progress) -> dict[str, Any]:
    layout = Layout(options.home.absolute())
    if state.read(layout):
        raise state.running_already(layout)
    layout.home.mkdir(parents=True, exist_ok=True)
    supervisor = _start_supervisor(options, layout)
    try:
        ready = _wait_ready(layout, supervisor, on_progress)
    except BaseException:
        # Ctrl-C while waiting means the stack, too.
        supervisor.terminate()
        raise
    if ready is None:
        raise TidewheelError((layout.home / FAILURE).read_text(errors="replace").strip())
    return ready


def _wait_ready(layout: Layout, supervisor: subprocess.Popen[bytes], on_progress: Progress) -> dict[str, Any] | None:
    told: set[str] = set()
    while supervisor.poll() is None:
        running = state.read(layout) or {"parts": [], "phase": "starting", "pid": None}
        _tell_news(running, told, on_progress)
        if running["phase"] == "ready" and running["pid"] == supervisor.pid:
            return running
        time.sleep(0.05)
    return None


def _start_supervisor(options: Options, layout: Layout) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "deploy.local.supervisor", options.to_json()]
    with (layout.home / DIARY).open("wb") as diary, (layout.home / FAILURE).open("wb") as failure:
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=diary,
            stderr=failure,
            start_new_session=True,
        )


def _tell_news(running: dict[str, Any], told: set[str], on_progress: Progress) -> None:
    for part in running["parts"]:
        if part["state"] == "up" and part["kind"] != "task" and part["name"] not in told:
            told.add(part["name"])
            on_progress(f"{part['name']} is up.")


def _wait_while(ask: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while ask():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
