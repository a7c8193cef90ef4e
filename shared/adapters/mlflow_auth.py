"""How MLflow's client says who it is to a private server: by an ID token with each request.

MLFLOW_TRACKING_AUTH=tidewheel chooses it. MLflow finds it by the entry point of an installed package; the slice of a
function is none, and registers it.
"""

from __future__ import annotations

from functools import partial
from io import IOBase
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from shared.adapters.id_tokens import IdTokens
from shared.errors import PermanentError

if TYPE_CHECKING:
    from requests import PreparedRequest, Response

NAME = "tidewheel"
LOOPBACK = ("127.0.0.1", "::1", "localhost")


def register() -> None:
    """Make the provider known to MLflow, if its entry point has not done so."""
    from mlflow.tracking.request_auth.registry import _request_auth_provider_registry as known

    if not any(each.get_name() == NAME for each in known):
        known.register(Provider)


class Provider:
    """What MLflow asks before each request."""

    def __init__(self) -> None:
        self._bearer = Bearer(IdTokens())

    def get_name(self) -> str:
        """By which MLFLOW_TRACKING_AUTH chooses it."""
        return NAME

    def get_auth(self) -> Bearer:
        """What signs a request; the same for all, so that tokens are kept."""
        return self._bearer


class Bearer:
    """Adds a token to a request, and sends it once more with a newer one if the server answers 401."""

    def __init__(self, tokens: IdTokens) -> None:
        self._tokens = tokens

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """As `requests` wants it.

        Raises:
            PermanentError: the address is not private, or there is no token to be had.
            PassingError: Google does not answer.
        """
        # Whoever has set MLFLOW_TRACKING_TOKEN has said who he is.
        if "Authorization" not in request.headers:
            token = self._tokens.get(_audience(request))
            request.headers["Authorization"] = f"Bearer {token}"
            request.register_hook("response", partial(self._again, token, _position(request)))
        return request

    def _again(self, refused: str, position: int | None, response: Response, **options: Any) -> Response:
        body = response.request.body
        if response.status_code != 401 or not (position is not None or body is None or isinstance(body, (bytes, str))):
            return response
        # Read to its end, the connection can be used again.
        _ = response.content
        response.close()
        request = response.request.copy()
        request.hooks = {"response": []}
        if isinstance(body, IOBase) and position is not None:
            body.seek(position)
        request.headers["Authorization"] = f"Bearer {self._tokens.get(_audience(request), instead_of=refused)}"
        again: Response = response.connection.send(request, **options)
        again.history.append(response)
        again.request = request
        return again


def _audience(request: PreparedRequest) -> str:
    """Whom a token is for: the service's address; a token for one is worth nothing to another."""
    address = urlsplit(str(request.url))
    if address.scheme != "https" and address.hostname not in LOOPBACK:
        fault = f"an ID token would go to {address.hostname} unencrypted."
        raise PermanentError(fault, "MLFLOW_TRACKING_URI has to begin with https://.")
    return f"{address.scheme}://{address.netloc}"


def _position(request: PreparedRequest) -> int | None:
    """From where a file that is uploaded has to be sent once more."""
    body = request.body
    return body.tell() if isinstance(body, IOBase) and body.seekable() else None
