"""The laptop's "VMs": a file asks for a training process, which is started, started again, and whose end is noted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local.guard import Guard
from deploy.local.layout import ROOT, Layout
from deploy.local.machines import Machines
from shared.adapters.machines import ABSENT, ENDED, Machine
from shared.adapters.machines_local import MOST_DELETED, LocalMachines
from tests.emulated import laptop

WORKER = """
import json, pathlib, sys, time
machine = json.loads(pathlib.Path(sys.argv[1]).read_text())
print("working", flush=True)
time.sleep(machine.get("seconds", 0))
sys.exit(machine.get("code", 0))
"""


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    (tmp_path / "toy_worker.py").write_text(WORKER)
    layout = Layout(tmp_path / "home")
    layout.make()
    return layout


@pytest.fixture
def guard() -> Iterator[Guard]:
    guard = Guard(ROOT)
    yield guard
    guard.dismiss()


def machines(layout: Layout, guard: Guard) -> Machines:
    return Machines(layout, guard, {"PYTHONPATH": str(layout.home.parent)}, worker="toy_worker")


def ask(layout: Layout, name: str, **wishes: object) -> Path:
    (layout.machines / f"{name}.json").write_text(json.dumps(wishes))
    return layout.machines / f"{name}.exit"


def step_until(machines: Machines, ask: Callable[[], object]) -> None:
    def stepped() -> object:
        machines.step()
        return ask()

    laptop.wait_for(stepped)


def run_until_there(machines: Machines, end: Path) -> str:
    step_until(machines, end.exists)
    return end.read_text().strip()


def starts(layout: Layout, name: str) -> int:
    log = layout.log(name)
    return log.read_text().count("working") if log.exists() else 0


def test_a_machine_works_once_and_leaves_its_code(layout: Layout, guard: Guard) -> None:
    park = machines(layout, guard)
    assert run_until_there(park, ask(layout, "train-1")) == "0"
    park.step()
    assert (starts(layout, "train-1"), park.running()) == (1, [])


def test_a_machine_that_fails_is_started_three_times_in_all(
    layout: Layout, guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.local.machines.PAUSE_SECONDS", 0.0)
    assert run_until_there(machines(layout, guard), ask(layout, "train-2", code=7)) == "7"
    assert starts(layout, "train-2") == 3


def test_a_machine_that_was_stopped_with_the_stack_is_started_again_with_it(layout: Layout, guard: Guard) -> None:
    first = machines(layout, guard)
    end = ask(layout, "train-3", seconds=60)
    step_until(first, lambda: starts(layout, "train-3"))
    first.ask_to_stop()
    first.wait_until_stopped(time.monotonic() + 5)
    assert not end.exists()
    ask(layout, "train-3", seconds=0)
    assert run_until_there(machines(layout, guard), end) == "0"


def test_a_machine_that_hangs_beyond_its_deadline_is_ended_and_not_started_again(
    layout: Layout, guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.local.machines.GRACE_SECONDS", 1.0)
    env = {"PYTHONPATH": str(layout.home.parent)}
    park = Machines(layout, guard, env, worker="toy_worker", deadline_seconds=1.0)
    end = ask(layout, "train-7", seconds=60)
    step_until(park, lambda: starts(layout, "train-7"))
    process = park._machines["train-7"].process
    assert process
    process.send_signal(signal.SIGSTOP)
    assert run_until_there(park, end) == "124"
    assert (starts(layout, "train-7"), process.returncode, park.running()) == (1, -signal.SIGKILL, [])


def test_a_request_that_is_being_written_is_left_alone(layout: Layout, guard: Guard) -> None:
    (layout.machines / "train-4.json").write_text('{"requ')
    park = machines(layout, guard)
    park.step()
    assert park.running() == []
    assert run_until_there(park, ask(layout, "train-4")) == "0"


def test_a_machine_whose_request_is_taken_away_is_ended(layout: Layout, guard: Guard) -> None:
    park = machines(layout, guard)
    end = ask(layout, "train-5", seconds=60)
    step_until(park, lambda: starts(layout, "train-5"))
    process = park._machines["train-5"].process
    LocalMachines(layout.machines).delete(Machine(name="train-5"))
    step_until(park, lambda: not park.running())
    assert process and process.returncode is not None and not end.exists()


def test_a_machine_that_is_deleted_again_and_again_has_ended(layout: Layout) -> None:
    ours = LocalMachines(layout.machines)
    for _ in range(MOST_DELETED):
        assert ours.state("train-8") == ABSENT
        ours.launch("train-8", {})
        ours.delete(Machine(name="train-8"))
        # What is gone already is not counted twice.
        ours.delete(Machine(name="train-8"))
    assert (ours.state("train-8"), ours.there()) == (ENDED, [])


def test_a_machine_is_there_until_its_end_is_noted(layout: Layout, guard: Guard) -> None:
    ours = LocalMachines(layout.machines)
    ours.launch("train-6", {"code": 0})
    os.utime(layout.machines / "train-6.json", (0, 0))
    ours.launch("train-6", {"code": 1})
    assert [(each.name, each.age_seconds > 1e9) for each in ours.there()] == [("train-6", True)]
    park = machines(layout, guard)
    step_until(park, park.running)
    assert ours.there()[0].age_seconds < 60
    assert run_until_there(park, layout.machines / "train-6.exit") == "0"
    assert (ours.there(), ours.state("train-6")) == ([], ENDED)


def test_the_guard_ends_what_a_dead_supervisor_leaves(tmp_path: Path) -> None:
    script = (
        "import subprocess, sys, time\n"
        "from pathlib import Path\n"
        "from deploy.local.guard import Guard\n"
        "guard = Guard(Path.cwd())\n"
        "child = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        "guard.add(child.pid)\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    supervisor = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert supervisor.stdout
    child = int(supervisor.stdout.readline())
    assert Path(f"/proc/{child}").exists()
    supervisor.kill()
    supervisor.wait()
    laptop.wait_for(lambda: not Path(f"/proc/{child}").exists())
