"""What an end-to-end test does with a stack: drop files, send messages, read what became of them."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli import main
from cli.place import HOME
from deploy.local import stack
from shared.lifecycle.services import Services

PATIENCE_SECONDS = 120.0
# How a training's story ends.
ENDS = ("ModelPromoted", "ModelKept", "StepFailed")


@dataclass(frozen=True)
class Laptop:
    """A stack that runs, and the services with which one looks into it."""

    home: Path
    services: Services

    @property
    def env(self) -> dict[str, str]:
        """Where its servers are."""
        return stack.stack_env(self.home)

    def drop(self, file: Path, name: str) -> int:
        """Put a file into the landing bucket: its generation."""
        return self.services.storage.put(self.services.settings.landing_bucket, name, file)

    def port(self, part: str) -> int:
        """Where a part listens."""
        return (stack.read_state(self.home) or {})["ports"][part]

    def story(self, story: str, *ends: str) -> list[dict[str, Any]]:
        """The events of a story, once one of the ends is among them; each with its `kind` and its fields."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            told = [_event(row) for row in self.services.warehouse.log(story=story)]
            if any(event["kind"] in ends for event in told):
                return told
            assert time.monotonic() < deadline, f"{story} did not come to {ends}, only to {told}"
            time.sleep(0.2)

    def post(self, part: str, path: str, body: Any, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        """What a part answers to a POST: status, and JSON or text."""
        url = f"http://127.0.0.1:{self.port(part)}{path}"
        sent = {"Content-Type": "application/json", **(headers or {})}
        request = urllib.request.Request(url, json.dumps(body).encode(), sent, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, _read(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, _read(error.read())

    def predict(self, path: str, *instances: dict[str, Any]) -> tuple[int, Any]:
        """What `predict` answers."""
        return self.post("predict", path, {"instances": list(instances)})


@dataclass(frozen=True)
class Command:
    """The command, beside the stack that it is about."""

    home: Path

    def __call__(self, *arguments: object, code: int = 0) -> Result:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(HOME, str(self.home))
            result = CliRunner().invoke(main.app, [str(each) for each in arguments])
        assert result.exit_code == code, result.output
        return result

    def json(self, *arguments: object) -> Any:
        """What it reports."""
        return json.loads(self(*arguments, "--json").stdout)


def _event(row: dict[str, Any]) -> dict[str, Any]:
    attributes, said = json.loads(row["attributes"] or "{}"), _read((row["data"] or "").encode())
    # A message that nobody can read is in its story, too.
    return (said if isinstance(said, dict) else {}) | {"kind": attributes.get("ce-type", "DropReceived")}


def _read(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")
