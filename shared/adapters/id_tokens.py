"""Google's ID tokens: what says to a private service who is calling; fetched as they expire, for as long as needed."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shared.errors import PassingError, PermanentError

# A token is used until so long before its end: what has just left must arrive in time. Short-lived ones have less.
MARGIN_SECONDS = 60.0
MARGIN_SHARE = 0.25
GCLOUD_SECONDS = 30.0
_REMEDY = 'Run "gcloud auth login", or "gcloud auth application-default login --impersonate-service-account=ACCOUNT".'


@dataclass(frozen=True)
class Token:
    """A token, and when it should be replaced, in seconds of the epoch."""

    text: str
    renew_at: float


Fetch = Callable[[str], str]


class IdTokens:
    """One token for each service, shared by all threads."""

    def __init__(self, fetch: Fetch | None = None) -> None:
        self._fetch = fetch or Fetcher()
        self._known: dict[str, Token] = {}
        self._lock = threading.Lock()

    def get(self, audience: str, *, instead_of: str = "") -> str:
        """A token for a service.

        Args:
            audience: the address of the service, without a path.
            instead_of: a token that the service has just refused.

        Raises:
            PermanentError: whoever runs this has no identity that Google gives ID tokens for.
            PassingError: Google does not answer.
        """
        # The others wait instead of asking, too.
        with self._lock:
            known = self._known.get(audience)
            if known is None or known.text == instead_of or time.time() >= known.renew_at:
                known = self._known[audience] = _dated(self._fetch(audience))
            return known.text


def _dated(text: str) -> Token:
    left = _expiry(text) - time.time()
    return Token(text, time.time() + left - min(MARGIN_SECONDS, MARGIN_SHARE * left))


def _expiry(text: str) -> float:
    """When a token ends, as it says itself; who gets it checks its signature."""
    payload = text.split(".")[1]
    return float(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["exp"])


class Fetcher:
    """Asks whoever can tell: the metadata server, a service account, or gcloud for a person."""

    def __init__(self) -> None:
        self._credentials: dict[str, Any] = {}

    def __call__(self, audience: str) -> str:
        from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
        from google.auth.transport.requests import Request

        try:
            if audience not in self._credentials:
                self._credentials[audience] = _credentials(audience, Request())
            credentials = self._credentials[audience]
            if credentials is None:
                return _of_gcloud()
            credentials.refresh(Request())
        except DefaultCredentialsError:
            return _of_gcloud()
        except GoogleAuthError as error:
            raise PassingError(f"Google gives no ID token for {audience}: {error}") from error
        return str(credentials.token)


def _credentials(audience: str, request: Any) -> Any:
    """What makes ID tokens for a service account; None for a person, whose credentials make none for a service."""
    import google.auth
    from google.auth import impersonated_credentials
    from google.oauth2 import credentials as people
    from google.oauth2 import id_token

    found, _ = google.auth.default()
    if isinstance(found, impersonated_credentials.Credentials):
        return impersonated_credentials.IDTokenCredentials(found, target_audience=audience, include_email=True)
    if isinstance(found, people.Credentials):
        return None
    return id_token.fetch_id_token_credentials(audience, request)


def _of_gcloud() -> str:
    """A person's token; Cloud Run takes those that gcloud prints."""
    gcloud = shutil.which("gcloud")
    if gcloud is None:
        raise PermanentError(
            "Google knows nobody here who could have an ID token, and gcloud is not installed.", _REMEDY
        )
    command = [gcloud, "auth", "print-identity-token", "--quiet"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=GCLOUD_SECONDS, check=True)
    except subprocess.TimeoutExpired as error:
        raise PassingError("gcloud gives no ID token: it does not answer.") from error
    except subprocess.CalledProcessError as error:
        raise PermanentError(f"gcloud gives no ID token: {str(error.stderr).strip()[:300]}", _REMEDY) from error
    return said.stdout.strip()
