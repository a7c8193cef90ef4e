"""The laptop's stack: what `up` promises, what happens when parts die, and what `down` leaves."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from deploy.local import processes, stack
from deploy.local.environment import BUCKETS, LANDING
from deploy.local.layout import Layout
from shared.errors import TidewheelError
from tests.emulated import laptop

PREPROCESS = """
import functions_framework
@functions_framework.cloud_event
def preprocess(event):
    print("RECEIVED", event["type"], flush=True)
"""
PREDICT = """
import time
import functions_framework
@functions_framework.http
def predict(request):
    time.sleep(float(request.args.get("seconds", 0)))
    return "done"
"""


@pytest.fixture
def functions(tmp_path: Path) -> Path:
    for name, source in (("preprocess", PREPROCESS), ("predict", PREDICT)):
        folder = tmp_path / "functions" / name
        folder.mkdir(parents=True)
        (folder / "main.py").write_text(source)
    return tmp_path / "functions"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / ".tidewheel"
    stack.down(tmp_path / ".tidewheel")


def up(home: Path, functions: Path, **options: Any) -> None:
    """A small stack, which is ready in a second."""
    small: dict[str, Any] = {"detach": True, "servers": ("storage",), "functions": functions, "on_progress": str}
    stack.up(home, **{**small, **options})


def running(home: Path) -> dict[str, Any]:
    state = stack.read_state(home)
    assert state
    return state


def part(home: Path, name: str) -> dict[str, Any]:
    return next(each for each in stack.parts(home) if each["name"] == name)


def connect(home: Path) -> storage.Client:
    options = {"api_endpoint": stack.stack_env(home)["STORAGE_EMULATOR_HOST"]}
    return storage.Client(project="tidewheel-local", credentials=AnonymousCredentials(), client_options=options)


def everybody(home: Path) -> list[int]:
    pid = running(home)["pid"]
    return [pid, *processes.descendants(pid, processes.family())]


def test_what_up_started_is_named_with_all_that_status_shows(home: Path, functions: Path) -> None:
    up(home, functions)
    parts = stack.parts(home)
    assert [(each["name"], each["kind"], each["state"], each["restarts"]) for each in parts] == [
        ("storage", "server", "up", 0),
        ("predict", "function", "up", 0),
        ("preprocess", "function", "up", 0),
    ]
    assert all(each["pid"] and each["port"] and each["memory_mb"] > 1 and Path(each["log"]).exists() for each in parts)
    assert {bucket.name for bucket in connect(home).list_buckets()} == set(BUCKETS)


def test_a_second_up_says_that_it_is_running(home: Path, functions: Path) -> None:
    up(home, functions)
    pid = running(home)["pid"]
    for detach in (True, False):
        with pytest.raises(TidewheelError, match=f"running already .process {pid}.*tidewheel down"):
            up(home, functions, detach=detach)
    assert running(home)["pid"] == pid


def test_a_part_that_dies_is_named_and_started_again(home: Path, functions: Path) -> None:
    up(home, functions)
    before = part(home, "storage")
    os.kill(before["pid"], signal.SIGKILL)
    after = laptop.wait_for(lambda: part(home, "storage")["restarts"] and part(home, "storage"))
    laptop.wait_for(lambda: part(home, "storage")["state"] == "up")
    assert (after["port"], after["restarts"]) == (before["port"], 1)
    assert part(home, "storage")["pid"] != before["pid"]
    assert connect(home).bucket(LANDING).exists()


def test_a_part_that_is_held_stays_down_until_it_is_let_go(home: Path, functions: Path) -> None:
    up(home, functions)
    held = Layout(home).held / "storage"
    held.parent.mkdir()
    held.touch()
    os.kill(part(home, "storage")["pid"], signal.SIGKILL)
    laptop.wait_for(lambda: part(home, "storage")["state"] == "restarting")
    # Without the hold it would be there again after 0.2 s.
    time.sleep(1.0)
    assert part(home, "storage")["pid"] is None
    held.unlink()
    laptop.wait_for(lambda: part(home, "storage")["state"] == "up")


def test_a_killed_supervisor_leaves_no_process(home: Path, functions: Path) -> None:
    up(home, functions)
    pids = everybody(home)
    assert len(pids) >= 7
    os.kill(pids[0], signal.SIGKILL)
    laptop.wait_for(lambda: not any(map(processes.lives, pids)))
    assert stack.read_state(home) is None
    up(home, functions)


def test_an_up_right_after_a_kill_waits_until_the_old_parts_are_gone(home: Path, functions: Path) -> None:
    up(home, functions)
    pids = everybody(home)
    os.kill(pids[0], signal.SIGKILL)
    os.waitpid(pids[0], 0)
    up(home, functions)
    assert not any(map(processes.lives, pids))


def test_down_leaves_no_process_and_keeps_the_state(home: Path, functions: Path) -> None:
    up(home, functions)
    pids, ports = everybody(home), running(home)["ports"]
    connect(home).bucket(LANDING).blob("kept").upload_from_string("x")
    assert stack.down(home)
    assert not any(map(processes.lives, pids))
    assert not stack.down(home)
    assert stack.parts(home) == []
    up(home, functions)
    assert running(home)["ports"] == ports
    assert connect(home).bucket(LANDING).blob("kept").download_as_text() == "x"


def test_fresh_begins_anew(home: Path, functions: Path) -> None:
    up(home, functions)
    connect(home).bucket(LANDING).blob("old").upload_from_string("x")
    stack.down(home)
    up(home, functions, fresh=True)
    assert not connect(home).bucket(LANDING).blob("old").exists()


def test_down_lets_a_request_in_flight_finish(home: Path, functions: Path) -> None:
    up(home, functions)
    answers: list[str] = []
    url = f"{stack.stack_env(home)['TIDEWHEEL_PREDICT_URL']}/?seconds=1"
    asking = threading.Thread(target=lambda: answers.append(urllib.request.urlopen(url).read().decode()))
    asking.start()
    laptop.wait_for(lambda: connections_to(running(home)["ports"]["predict"]))
    stack.down(home)
    asking.join()
    assert answers == ["done"]


def test_a_function_that_cannot_be_started_is_named_with_its_log(home: Path, functions: Path) -> None:
    (functions / "predict" / "main.py").write_text("import a_package_that_nobody_has")
    with pytest.raises(TidewheelError, match=r"(?s)predict could not be started.*No module named 'a_package_that"):
        up(home, functions)
    assert stack.read_state(home) is None


def test_a_wanted_port_is_taken_and_a_busy_one_refused(home: Path, functions: Path) -> None:
    port = laptop.free_port()
    up(home, functions, ports={"predict": port})
    assert stack.stack_env(home)["TIDEWHEEL_PREDICT_URL"] == f"http://127.0.0.1:{port}"
    stack.down(home)
    with socket.create_server(("127.0.0.1", port)), pytest.raises(TidewheelError, match=f"port {port}.*is in use"):
        up(home, functions, ports={"predict": port})
    with pytest.raises(TidewheelError, match="no part takes a port named browser"):
        up(home, functions, ports={"browser": port})


def test_the_environment_of_a_stack_that_does_not_run_is_refused(home: Path) -> None:
    with pytest.raises(TidewheelError, match=r"not running.*tidewheel up"):
        stack.stack_env(home)


def test_the_whole_stack_listens_on_loopback_only_and_loses_no_drop_while_a_part_is_away(
    home: Path, functions: Path
) -> None:
    up(home, functions, servers=stack.SERVERS, pubsub=laptop.PUBSUB)
    listening = sockets(everybody(home))
    assert set(running(home)["ports"].values()) <= {port for _, port in listening}
    assert {address for address, _ in listening} <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
    drop(home, "taxi_fare/first.csv")
    log = Path(part(home, "preprocess")["log"])
    laptop.wait_for(lambda: "RECEIVED google.cloud.pubsub.topic.v1.messagePublished" in log.read_text())
    laptop.wait_for(lambda: logged(home) == ["taxi_fare/first.csv"])
    os.kill(part(home, "bigquery")["pid"], signal.SIGKILL)
    drop(home, "taxi_fare/second.csv")
    laptop.wait_for(lambda: part(home, "bigquery")["restarts"] and part(home, "bigquery")["state"] == "up")
    laptop.wait_for(lambda: logged(home) == ["taxi_fare/first.csv", "taxi_fare/second.csv"])


def drop(home: Path, name: str) -> None:
    connect(home).bucket(LANDING).blob(name).upload_from_string("x")


def logged(home: Path) -> list[str]:
    """The names of the objects that the lifecycle log tells of."""
    from google.cloud import bigquery

    options = {"api_endpoint": stack.stack_env(home)["BIGQUERY_EMULATOR_HOST"]}
    client = bigquery.Client(project="tidewheel-local", credentials=AnonymousCredentials(), client_options=options)
    rows = client.query("SELECT data FROM tidewheel.lifecycle_log").result()
    return sorted({json.loads(row["data"])["name"] for row in rows})


def sockets(pids: list[int]) -> set[tuple[str, int]]:
    """Address and port of everything on which these processes listen (Linux)."""
    inodes = {link.readlink().name for pid in pids for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    return {each[:2] for each in tcp() if each[2] == "0A" and f"socket:[{each[3]}]" in inodes}


def connections_to(port: int) -> list:
    return [each for each in tcp() if each[1] == port and each[2] == "01"]


def tcp() -> Iterator[tuple[str, int, str, str]]:
    """Local address, local port, state and inode of each TCP socket (Linux)."""
    for family, table in ((socket.AF_INET, "/proc/net/tcp"), (socket.AF_INET6, "/proc/net/tcp6")):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            address, port = fields[1].split(":")
            words = [bytes.fromhex(address[at : at + 8])[::-1] for at in range(0, len(address), 8)]
            yield socket.inet_ntop(family, b"".join(words)), int(port, 16), fields[3], fields[9]
