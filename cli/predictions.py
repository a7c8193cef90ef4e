"""Asks the laptop's or a project's predict function for a prediction, as any HTTP client would."""

from __future__ import annotations

import csv
import json
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from cli.cloud import authorization
from shared.contract.spec import FLOAT64, INT64, ModelSpec
from shared.errors import TidewheelError

TIMEOUT_SECONDS = 30.0
# Every instance looks at the decision log at most every five seconds.
FOLLOWS_WITHIN_SECONDS = 10.0


def example(spec: ModelSpec, file: Path) -> dict[str, Any]:
    """The first row of a CSV file that lacks nothing, as an instance to predict."""
    make: dict[str, Any] = {INT64: int, FLOAT64: float}
    with file.open(newline="") as lines:
        row = next(row for row in csv.DictReader(lines) if all(row[column.name] for column in spec.features))
    return {column.name: make.get(column.type, str)(row[column.name]) for column in spec.features}


def predict(
    url: str, model: str, instance: dict[str, Any], *, version: int | None = None, expected: int | None = None
) -> dict[str, Any]:
    """The answer of a version, or of the champion: predictions, model and version.

    Args:
        expected: the version that has been promoted, if its promotion may not have got around yet.
    """
    which = "" if version is None else f"/versions/{version}"
    deadline = time.monotonic() + FOLLOWS_WITHIN_SECONDS
    while True:
        answer = _post(f"{url}/models/{model}{which}/predict", {"instances": [instance]})
        if expected in (None, answer["version"]) or time.monotonic() > deadline:
            return answer
        time.sleep(0.5)


def _post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    headers = {"Content-Type": "application/json", **authorization(url)}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
            return dict(json.load(answer))
    except urllib.error.HTTPError as error:
        raise TidewheelError(f"{url} answers {error.code}: {error.read(500).decode(errors='replace')}") from error
    except OSError as error:
        raise TidewheelError(f"{url} does not answer: {error}.", 'See "tidewheel status".') from error
