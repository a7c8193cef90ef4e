"""A month of flights, from the landing bucket to the verdict on a fresh stack, beside the bare steps in one process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import pubsub_clients
from benchmarks.arrivals import Arrivals
from benchmarks.figures import median, seconds
from cli.flights import monthly_drops
from deploy.local import stack
from deploy.local.layout import ROOT
from deploy.local.parts import MANNERS
from shared.adapters.storage import Storage
from shared.errors import TidewheelError
from shared.lifecycle.events import TOPICS
from shared.settings import Settings

MODEL = "flight_delay"
# The moments of a story, in order, and what each stage between two of them is called.
STAGES = {
    "DataPrepared": "prepare",
    "TrainingRequested": "evaluate",
    "TrainingScheduled": "launch",
    "ModelTrained": "train",
    "decided": "promote",
}
Story = dict[str, float]


def measure(months: int = 5) -> dict[str, float]:
    """The first month finds cold functions and no champion; the others are the warm ones."""
    with tempfile.TemporaryDirectory() as folder:
        files = monthly_drops(Path(folder) / "flights", range(1, months + 1))
        bare, process_s = _bare(files)
        stories = _stories(files, Path(folder) / ".tidewheel")
    figures = {"drop_to_verdict_first_s": sum(stories[0].values()), "bare_steps_process_s": process_s}
    figures |= _told("drop_to_verdict", stories[1:]) | _told("bare_steps", bare[1:])
    ratio = figures["drop_to_verdict_s"] / figures["bare_steps_s"]
    return figures | {"drop_to_verdict_to_bare_steps_ratio": ratio}


def quick() -> dict[str, float]:
    """The same with fewer months."""
    return measure(months=2)


def _told(name: str, each: list[Story]) -> dict[str, float]:
    stages = {f"{name}_{stage}_s": median([one[stage] for one in each]) for stage in each[0]}
    return stages | {f"{name}_s": median([sum(one.values()) for one in each])}


def _bare(files: list[Path]) -> tuple[list[Story], float]:
    """Seconds of each step for each file; and what the whole process took, its imports included."""
    command = [sys.executable, "-m", "benchmarks.bare_steps", MODEL, *map(str, files)]
    said: list[str] = []
    process_s = seconds(lambda: said.append(_output(command)))
    return json.loads(said[0]), process_s


def _output(command: list[str]) -> str:
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **MANNERS}, stdout=-1, text=True, check=True).stdout


def _stories(files: list[Path], home: Path) -> list[Story]:
    stack.up(home, detach=True, on_progress=lambda _: None)
    try:
        env = stack.stack_env(home)
        with Arrivals() as arrivals:
            _listen(env, arrivals)
            os.environ.update(env)
            storage = Storage(Settings.from_env(env))
            return [_story(file, storage, env["TIDEWHEEL_LANDING_BUCKET"], arrivals) for file in files]
    finally:
        stack.down(home)


def _listen(env: dict[str, str], arrivals: Arrivals) -> None:
    subscriber = pubsub_clients.subscriber(env["PUBSUB_EMULATOR_HOST"])
    for topic in TOPICS:
        wanted = pubsub_clients.push_to(arrivals.url, topic, f"bench-{topic}", env["GOOGLE_CLOUD_PROJECT"])
        subscriber.create_subscription(request=wanted)


def _story(file: Path, storage: Storage, bucket: str, arrivals: Arrivals) -> Story:
    """The seconds of each stage; the file's upload belongs to the first."""
    name = f"{MODEL}/{file.name}"
    at, last = dict[str, float](), time.perf_counter()
    storage.put(bucket, name, file)
    while "decided" not in at:
        arrival = arrivals.next(180)
        said = json.loads(arrival.body)["message"].get("attributes", {})
        if said.get("story") == name:
            at[_moment(said, arrival.data)] = arrival.at
    told: Story = {}
    for moment, stage in STAGES.items():
        told[stage], last = at[moment] - last, at[moment]
    return told


def _moment(said: dict[str, Any], data: bytes) -> str:
    kind = said.get("ce-type", "")
    if kind == "StepFailed" or (kind == "ModelEvaluated" and json.loads(data)["verdict"] != "train"):
        raise TidewheelError(f"the month came to no verdict: {kind} {data.decode()}")
    return "decided" if kind in ("ModelPromoted", "ModelKept") else kind
