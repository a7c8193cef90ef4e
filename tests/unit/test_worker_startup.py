"""The start script of a training machine, where what it asks for is missing: it deletes its machine all the same.

Its whole life, with real servers, is played through in tests/emulated/test_machine_life.py.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "deploy/gcp/worker/startup.sh"
# Answers what a metadata server answers, but for the part that is away, and writes down what else was asked.
CURL = """#!/bin/sh
for last; do :; done
case "$last" in
  *"$AWAY"*) exit 22 ;;
  */instance/name) echo train-x ;;
  */instance/zone) echo projects/1/zones/europe-west1-b ;;
  */project/project-id) echo demo ;;
  */token) echo '{"access_token":"of-a-test"}' ;;
  *) echo "$*" >>"$CALLS"; exit 22 ;;
esac
"""
MACHINE = "projects/demo/zones/europe-west1-b/instances/train-x"


def run(folder: Path, away: str) -> tuple[int, str]:
    (folder / "bin").mkdir()
    for name, text in {"curl": CURL, "poweroff": '#!/bin/sh\necho poweroff >>"$CALLS"\n'}.items():
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    calls = folder / "calls"
    calls.touch()
    env = {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "CALLS": str(calls), "AWAY": away}
    env["TIDEWHEEL_MACHINE_FOLDER"] = str(folder / "tidewheel")
    # Not pipes: whoever reads them would wait for what sleeps in the background.
    call, nobody = ["bash", str(SCRIPT)], subprocess.DEVNULL
    done = subprocess.run(call, env=env, stdout=nobody, stderr=nobody, timeout=60, check=False)
    return done.returncode, calls.read_text()


@pytest.mark.parametrize("away", ["attributes/tidewheel-environment", "attributes/tidewheel-worker"])
def test_a_machine_that_is_told_nothing_is_deleted_all_the_same(tmp_path: Path, away: str) -> None:
    code, calls = run(tmp_path, away)
    assert code != 0
    assert f"--request DELETE https://compute.googleapis.com/compute/v1/{MACHINE}" in calls


def test_a_machine_that_does_not_know_its_name_powers_itself_off(tmp_path: Path) -> None:
    code, calls = run(tmp_path, "instance/name")
    assert code != 0
    assert calls.endswith("poweroff\n")
