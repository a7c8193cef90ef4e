"""A deployed project's parts, asked as anybody may who is allowed to: with an ID token where one is wanted."""

from __future__ import annotations

import urllib.error
import urllib.request
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from shared.errors import TidewheelError

if TYPE_CHECKING:
    from shared.adapters.id_tokens import IdTokens
    from shared.lifecycle.services import Services

Part = dict[str, Any]
ANSWER_SECONDS = 30.0


def authorization(url: str) -> dict[str, str]:
    """The header that says who is calling; a server next door asks nobody.

    Raises:
        TidewheelError: there is no identity to be had here.
    """
    address = urlsplit(url)
    if address.scheme != "https":
        return {}
    return {"Authorization": f"Bearer {_tokens().get(f'{address.scheme}://{address.netloc}')}"}


@cache
def _tokens() -> IdTokens:
    from shared.adapters.id_tokens import IdTokens

    return IdTokens()


def parts(services: Services) -> list[Part]:
    """What can be asked from here: both services with an address, and the machines, where their template is named."""
    settings = services.settings
    # Not /healthz: Google keeps that path to itself.
    addresses = {"predict": (settings.predict_url, "/"), "mlflow": (settings.mlflow_uri, "/health")}
    found = [_part(name, "service", _state(url, path)) for name, (url, path) in addresses.items()]
    if settings.machine_template:
        machines = services.machines.there()
        found += [_part(each.name, "machine", f"up for {each.age_seconds:.0f} s in {each.place}") for each in machines]
    return found


def _part(name: str, kind: str, state: str) -> Part:
    return {"name": name, "kind": kind, "state": state}


def _state(url: str, path: str) -> str:
    if not url:
        return "has no address in this environment"
    try:
        request = urllib.request.Request(f"{url.rstrip('/')}{path}", headers=authorization(url))
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS):
            return "up"
    except urllib.error.HTTPError as error:
        return f"answers {error.code}" + (": you may not call it" if error.code in (401, 403) else "")
    except (OSError, TidewheelError) as error:
        return f"does not answer: {error}"
