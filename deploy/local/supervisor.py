"""The one process that owns all parts of the stack; `python -m deploy.local.supervisor` is it, detached."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.local import environment, ports, state
from deploy.local.guard import Guard
from deploy.local.keeper import Keeper
from deploy.local.layout import ROOT, Layout
from deploy.local.machines import WORKER, Machines
from deploy.local.parts import MANNERS, Part, Plan, build
from shared.errors import TidewheelError
from shared.settings import Settings

log = logging.getLogger(__name__)
LOOK_EVERY_SECONDS = 0.05
LOG_LIMIT_BYTES = 50_000_000
TAIL_LINES = 15


@dataclass(frozen=True, kw_only=True)
class Options:
    """What `up` was asked for; plain, so that a detached supervisor can be told."""

    home: Path
    fresh: bool = False
    ports: dict[str, int] = field(default_factory=dict)
    pubsub: str = "tidewheel"
    functions: Path = ROOT / "functions"
    servers: tuple[str, ...] = Plan.servers
    rate_limit: bool = False
    worker: str = WORKER

    def to_json(self) -> str:
        """For the command line of a detached supervisor."""
        return json.dumps(vars(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> Options:
        """What `to_json` wrote."""
        raw = json.loads(text)
        paths = {"home": Path(raw["home"]), "functions": Path(raw["functions"])}
        return cls(**{**raw, **paths, "servers": tuple(raw["servers"])})


class Supervisor:
    """Keeps every part alive until it is asked to stop, and says so in `stack.json`."""

    def __init__(
        self,
        options: Options,
        on_progress: Callable[[str], None],
        on_ready: Callable[[state.State], None] = lambda said: None,
    ) -> None:
        self._layout = Layout(options.home.absolute())
        self._options, self._progress, self._on_ready = options, on_progress, on_ready
        self._stopping = False
        self._phase, self._why = "starting", ""
        self._written: state.State = {}
        self._begun = time.monotonic()

    def run(self) -> None:
        """Keep the stack until SIGTERM, Ctrl-C or a part that cannot be started.

        Raises:
            TidewheelError: a stack runs already, a wanted port is taken, or a part could not be started.
        """
        with state.take_lock(self._layout) as lock:
            parts = self._prepare()
            guard = Guard(ROOT, lock)
            self._keepers = [Keeper(part, self._layout, guard) for part in parts]
            deadline = Settings.from_env({**os.environ, **self._env}).training_deadline_seconds
            self._machines = Machines(self._layout, guard, self._env | MANNERS, self._options.worker, deadline)
            before = {each: signal.signal(each, self._ask_to_stop) for each in (signal.SIGTERM, signal.SIGINT)}
            try:
                self._keep(guard)
            finally:
                self._stop(guard)
                for each, handler in before.items():
                    signal.signal(each, handler)
        if self._why:
            raise TidewheelError(self._why, f"The whole logs are in {self._layout.logs}.")

    def _prepare(self) -> list[Part]:
        asked, layout = self._options, self._layout
        plan = Plan(pubsub=asked.pubsub, functions=asked.functions, servers=asked.servers, rate_limit=asked.rate_limit)
        self._ports = ports.choose(plan.port_names(), asked.ports, layout.ports)
        self._env = environment.stack_env(layout, self._ports)
        if asked.fresh:
            layout.begin_anew()
        layout.make()
        parts = build(plan, layout, self._ports)
        layout.rotate_logs(part.name for part in parts)
        return parts

    def _ask_to_stop(self, *_: object) -> None:
        self._stopping = True

    def _keep(self, guard: Guard) -> None:
        while not self._stopping and self._phase != "failed":
            self._step()
            guard.watch()
            self._bound_logs()
            self._say()
            time.sleep(LOOK_EVERY_SECONDS)

    def _step(self) -> None:
        up = {keeper.part.name for keeper in self._keepers if keeper.state == "up"}
        for keeper in self._keepers:
            self._step_one(keeper, up)
        if self._phase == "starting" and all(keeper.state == "up" for keeper in self._keepers):
            self._phase = "ready"
            self._progress(f"The stack is ready after {self._age():.1f} s.")
            self._say()
            self._on_ready(self._written)
        if self._phase == "ready":
            self._machines.step()

    def _step_one(self, keeper: Keeper, up: set[str]) -> None:
        before = keeper.state
        keeper.step(up)
        if keeper.state != before and keeper.state == "up" and keeper.part.kind != "task":
            self._progress(f"{keeper.part.name} is up after {self._age():.1f} s.")
        if keeper.state == "restarting" and before != "restarting":
            self._progress(f"{keeper.part.name} has died and is started again.")
            self._doubt_what_comes_after(keeper.part.name)
        if keeper.given_up:
            self._phase, self._why = "failed", self._tell_failure(keeper)

    def _doubt_what_comes_after(self, name: str) -> None:
        for keeper in self._keepers:
            if keeper.part.kind == "task" and name in keeper.part.after:
                keeper.again()

    def _tell_failure(self, keeper: Keeper) -> str:
        path = self._layout.log(keeper.part.name)
        lines = path.read_text(errors="replace").splitlines()[-TAIL_LINES:] if path.exists() else []
        return "\n".join([f"{keeper.part.name} could not be started. Its log ends with:", *lines, ""])

    def _bound_logs(self) -> None:
        for path in self._layout.logs.glob("*.log"):
            # All of them are written by appending, so that the file goes on at its new end.
            if path.stat().st_size > LOG_LIMIT_BYTES:
                os.truncate(path, 0)

    def _say(self) -> None:
        said = {
            "pid": os.getpid(),
            "phase": self._phase,
            "why": self._why,
            "pubsub": self._options.pubsub,
            "ports": self._ports,
            "env": self._env,
            "parts": [*map(self._describe, self._keepers), *self._machines.running()],
        }
        if said != self._written:
            state.write(self._layout, said)
            self._written = said

    @staticmethod
    def _describe(keeper: Keeper) -> dict[str, Any]:
        part = keeper.part
        shown = {"name": part.name, "kind": part.kind, "pid": keeper.pid, "port": part.port}
        return {**shown, "state": keeper.state, "restarts": keeper.restarts}

    def _stop(self, guard: Guard) -> None:
        """First those who work, then those whom they work with."""
        self._phase = "failed" if self._why else "stopping"
        self._say()
        workers = [keeper for keeper in self._keepers if keeper.part.kind != "server"]
        self._stop_all([*workers, self._machines])
        self._stop_all([keeper for keeper in self._keepers if keeper.part.kind == "server"])
        guard.dismiss()
        self._say()

    @staticmethod
    def _stop_all(those: list[Any]) -> None:
        for each in those:
            each.ask_to_stop()
        asked = time.monotonic()
        for each in those:
            grace = each.part.grace_seconds if isinstance(each, Keeper) else 10.0
            each.wait_until_stopped(asked + grace)

    def _age(self) -> float:
        return time.monotonic() - self._begun


def main() -> None:
    """Run detached: progress goes to the log, a failure into the state."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO, stream=sys.stdout)
    try:
        Supervisor(Options.from_json(sys.argv[1]), log.info).run()
    except TidewheelError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
