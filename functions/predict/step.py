"""Predictions over HTTP, in the form of Vertex AI and TensorFlow Serving: of the champion, or of any version."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import IO, TYPE_CHECKING, Any

from functions.predict.body import MOST_BYTES, instances_of
from functions.predict.instances import frame_of
from functions.predict.serving import Serving
from shared.adapters.registry_records import NoSuchVersion
from shared.contract import catalog
from shared.errors import PassingError, PermanentError, TidewheelError
from shared.lifecycle.services import Services

if TYPE_CHECKING:
    from shared.adapters.registry import Loaded

log = logging.getLogger(__name__)
Answer = tuple[str, int, dict[str, str]]
RETRY_SECONDS = "5"
ROUTES = (
    "POST /models/<model>/predict, POST /models/<model>/versions/<version>/predict, GET /models/<model>, "
    "GET /models, GET /healthz"
)


class Refused(PermanentError):
    """A request that is answered with another status than 400."""

    def __init__(self, status: int, error: str, remedy: str = "", **headers: str) -> None:
        super().__init__(error, remedy)
        self.status, self.headers = status, headers


@dataclass(frozen=True)
class Route:
    """What a path asks for: the method that it takes, and who answers it."""

    method: str
    path: re.Pattern[str]
    answer: Callable[..., Any]


class Predictor:
    """Answers requests; thread-safe, and nothing is read before it is asked for."""

    def __init__(self, services: Services, serving: Serving | None = None) -> None:
        self._services = services
        self._serving = serving or Serving(services)
        self._routes = [
            Route("POST", re.compile(r"/models/([^/]+)/predict"), self._predict),
            Route("POST", re.compile(r"/models/([^/]+)/versions/([^/]+)/predict"), self._predict),
            Route("GET", re.compile(r"/models/([^/]+)"), self._describe),
            Route("GET", re.compile(r"/models"), self._list),
            Route("GET", re.compile(r"/healthz|/"), self._healthy),
        ]

    def answer(self, method: str, path: str, body: IO[bytes]) -> Answer:
        """The answer to a request: text, status and headers; whatever is wrong with it is told as JSON."""
        try:
            return _json(self._find(method, path)(body), 200)
        except TidewheelError as error:
            status, headers = _fate(error)
            return _json({"error": error.error, "remedy": error.remedy}, status, headers)

    def _find(self, method: str, path: str) -> Callable[[IO[bytes]], Any]:
        path = path.rstrip("/") or "/"
        fits = [(route, found) for route in self._routes if (found := route.path.fullmatch(path))]
        if not fits:
            raise Refused(404, f"there is nothing at {path[:200]}.", f"Known: {ROUTES}.")
        route, found = fits[0]
        if route.method != ("GET" if method == "HEAD" else method):
            raise Refused(405, f"{path[:200]} takes {route.method}, not {method}.", Allow=route.method)
        return lambda body: route.answer(body, *found.groups())

    def _predict(self, body: IO[bytes], model: str, version: str | None = None) -> dict[str, Any]:
        _check_model(model)
        loaded = self._load(model, version)
        instances = instances_of(_read(body))
        frame = frame_of(instances, loaded.columns)
        return {"predictions": _predictions(model, loaded, frame), "model": model, "version": loaded.version}

    def _load(self, model: str, version: str | None) -> Loaded:
        try:
            number = self._champion(model) if version is None else _number(version)
            return self._serving.load(model, number)
        except NoSuchVersion:
            raise
        except PermanentError as error:
            raise error if isinstance(error, Refused) else Refused(500, error.error, error.remedy) from error

    def _champion(self, model: str) -> int:
        champion = self._serving.champion(model)
        if champion is not None:
            return champion
        known = self._versions(model)
        remedy = f"Ask for a version by number: {_told(known)}." if known else "Drop data, and let one be trained."
        raise Refused(404, f"{model} has no champion yet.", remedy)

    def _describe(self, _: IO[bytes], model: str) -> dict[str, Any]:
        _check_model(model)
        return {"model": model, "champion": self._serving.champion(model), "versions": self._versions(model)}

    def _versions(self, model: str) -> list[int]:
        return [each.version for each in self._services.registry.versions(model) if each.counts]

    def _list(self, _: IO[bytes]) -> dict[str, Any]:
        return {"models": catalog.known_models()}

    def _healthy(self, _: IO[bytes]) -> dict[str, Any]:
        return {"status": "ok"}


def _check_model(model: str) -> None:
    try:
        catalog.model(model)
    except PermanentError as error:
        raise Refused(404, error.error, error.remedy) from error


def _number(version: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,8}", version):
        raise Refused(404, f'"{version[:80]}" is not a version.', "A version is a whole number, 1 or more.")
    return int(version)


def _read(body: IO[bytes]) -> bytes:
    read = body.read(MOST_BYTES + 1)
    if len(read) > MOST_BYTES:
        raise Refused(413, f"the request has more than {MOST_BYTES:,} bytes.", "Send fewer instances at once.")
    return read


def _predictions(model: str, loaded: Loaded, frame: Any) -> list[Any]:
    try:
        predicted = loaded.predictions(frame).tolist()
    except Exception as error:
        log.exception("version %d of %s cannot predict", loaded.version, model)
        what = f"version {loaded.version} of {model} cannot predict these: {type(error).__name__}: {error}"
        raise Refused(500, what[:500], "Its pipeline takes less than its contract allows.") from error
    # JSON has no NaN: where a model has no answer there is null.
    return [value if isfinite(value) else None for value in predicted]


def _fate(error: TidewheelError) -> tuple[int, dict[str, str]]:
    if isinstance(error, Refused):
        return error.status, error.headers
    if isinstance(error, NoSuchVersion):
        return 404, {}
    if isinstance(error, PassingError):
        log.warning("not now: %s", error)
        return 503, {"Retry-After": RETRY_SECONDS}
    return 400, {}


def _json(content: Any, status: int, headers: dict[str, str] | None = None) -> Answer:
    text = json.dumps(content, allow_nan=False)
    return text, status, {"Content-Type": "application/json", **(headers or {})}


def _told(versions: list[int]) -> str:
    return ", ".join(map(str, versions))
