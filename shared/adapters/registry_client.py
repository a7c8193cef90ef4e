"""How this project talks to MLflow: one lazy client, bounded retries, and errors that say which fate they have."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from shared.adapters import mlflow_auth
from shared.errors import PassingError, PermanentError, TidewheelError
from shared.settings import IDENTIFIER, Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

# By itself the client tries for minutes, longer than a function may work; our own retries come after it.
_PATIENCE = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
_SLOW_DOWN = (408, 429)


class Client:
    """The connection that all parts of the registry share; it is made when it is first needed."""

    def __init__(self, settings: Settings) -> None:
        self._uri = settings.mlflow_uri
        self._experiments: dict[str, str] = {}

    @cached_property
    def client(self) -> MlflowClient:
        """MLflow's own.

        Raises:
            PermanentError: nobody said where the server is.
        """
        if not self._uri:
            raise PermanentError("MLFLOW_TRACKING_URI is not set.", 'On a laptop start the stack with "tidewheel up".')
        for name, value in _PATIENCE.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient

        mlflow_auth.register()
        return MlflowClient(tracking_uri=self._uri, registry_uri=self._uri)

    def experiment(self, model: str) -> str:
        """The id of a model's experiment, which is made when it is missing."""
        if model not in self._experiments:
            with passing():
                self._experiments[model] = self._find_experiment(identifier(model))
        return self._experiments[model]

    def _find_experiment(self, model: str) -> str:
        there = self.client.get_experiment_by_name(model)
        if there is None:
            # Made by somebody else in between: an error that passes.
            return self.client.create_experiment(model)
        if there.lifecycle_stage != "active":
            error = f'the experiment "{model}" was deleted in MLflow.'
            raise PermanentError(error, f"Restore it: mlflow experiments restore -x {there.experiment_id}")
        return str(there.experiment_id)


def identifier(model: str) -> str:
    """A model's name as it is, once it is known to be harmless in a filter or a path."""
    if not IDENTIFIER.fullmatch(model):
        raise PermanentError(f'"{model}" cannot be a model.', "Use a-z, 0-9 and _, starting with a letter.")
    return model


@contextmanager
def passing() -> Iterator[None]:
    """Turns what MLflow and its HTTP client say of outages and haste into a PassingError; the rest stays as it is.

    Raises:
        PassingError: the same work will succeed later; also that of somebody who is not let in, once he is.
        PermanentError: a file is larger than the server takes, or nobody can say who is asking.
    """
    import requests
    from mlflow.exceptions import MlflowException

    try:
        yield
    except requests.RequestException as error:
        status = 503 if error.response is None else error.response.status_code
        _raise_if_known(error, status)
        raise
    except MlflowException as error:
        # The client wraps what stopped a request before it was sent.
        if isinstance(error.__context__, TidewheelError):
            raise error.__context__ from None
        # What somebody else made in between is there the next time.
        status = 503 if error.error_code == "RESOURCE_ALREADY_EXISTS" else error.get_http_status_code()
        _raise_if_known(error, status)
        raise


def _raise_if_known(error: Exception, status: int) -> None:
    if status in (401, 403):
        raise PassingError(
            f"MLflow lets nobody in who is not known to it ({status}).", _how_to_get_in(error)
        ) from error
    if status == 413:
        remedy = (
            "Cloud Run takes 32 MiB in one request: make the model smaller, or let MLflow write to the bucket itself."
        )
        raise PermanentError("the version's files are larger than the MLflow server takes.", remedy) from error
    if status >= 500 or status in _SLOW_DOWN:
        raise PassingError(f"MLflow is not ready: {error}") from error


def _how_to_get_in(error: Exception) -> str:
    if "Invalid Host header" in str(error):
        return "The server does not know its own name: put the URL's host into its MLFLOW_SERVER_ALLOWED_HOSTS."
    if os.environ.get("MLFLOW_TRACKING_AUTH") != mlflow_auth.NAME:
        return f"No ID token was sent: set MLFLOW_TRACKING_AUTH={mlflow_auth.NAME}."
    return "An ID token was sent: its account needs the role roles/run.invoker on the server, and the server's own URL."


def is_missing(error: Exception) -> bool:
    """Whether MLflow says that there is no such thing; of an alias it says so in its own way."""
    return getattr(error, "error_code", "") in ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND", "INVALID_PARAMETER_VALUE")
