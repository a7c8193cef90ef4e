"""What is said of a deployed project's parts that do not answer as they should."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from cli import cloud
from shared.errors import PermanentError
from shared.lifecycle.services import Services
from shared.settings import Settings

SETTINGS = Settings(project="waves", landing_bucket="l", quarantine_bucket="q", state_bucket="s")


class Answering(BaseHTTPRequestHandler):
    """Its path says with which status."""

    def do_GET(self) -> None:
        self.send_response(int(self.path.split("/")[1] or "200"))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def states(predict_url: str = "", mlflow_uri: str = "") -> dict[str, str]:
    settings = replace(SETTINGS, predict_url=predict_url, mlflow_uri=mlflow_uri)
    return {each["name"]: each["state"] for each in cloud.parts(Services(settings))}


def test_what_answers_is_up_and_what_has_no_address_is_told(url: str) -> None:
    assert states(predict_url=url) == {"predict": "up", "mlflow": "has no address in this environment"}


def test_whoever_may_not_call_a_part_is_told(url: str) -> None:
    assert states(predict_url=f"{url}/403", mlflow_uri=f"{url}/500") == {
        "predict": "answers 403: you may not call it",
        "mlflow": "answers 500",
    }


def test_what_is_not_there_does_not_answer() -> None:
    assert states(predict_url="http://127.0.0.1:9")["predict"].startswith("does not answer: ")


def test_a_private_part_is_asked_with_a_token_and_without_one_the_remedy_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    class Nobody:
        def get(self, audience: str) -> str:
            asked.append(audience)
            raise PermanentError("Google knows nobody here who could have an ID token.", "Log in.")

    monkeypatch.setattr(cloud, "_tokens", Nobody)
    state = states(predict_url="https://predict-x.run.app/")["predict"]
    assert (asked, state) == (
        ["https://predict-x.run.app"],
        "does not answer: Google knows nobody here who could have an ID token. Log in.",
    )
