"""The body of a request: JSON with a list of instances, each an object, and nothing that is guessed."""

from __future__ import annotations

import json
from typing import Any

from shared.errors import PermanentError

MOST_BYTES = 10_000_000
MOST_INSTANCES = 10_000
EXAMPLE = 'Send {"instances": [{"column": value, ...}, ...]}.'


def instances_of(body: bytes) -> list[dict[str, Any]]:
    """The instances.

    Raises:
        PermanentError: it is not JSON, or not of this form.
    """
    raw = _parse(body)
    if not isinstance(raw, dict) or "instances" not in raw:
        raise PermanentError('the request has no "instances".', EXAMPLE)
    if others := [name for name in raw if name != "instances" and raw[name] not in (None, {})]:
        raise PermanentError(f'the request has "{others[0][:80]}", which means nothing here.', EXAMPLE)
    instances = raw["instances"]
    if not isinstance(instances, list) or not instances:
        raise PermanentError('"instances" is not a list with at least one instance.', EXAMPLE)
    if len(instances) > MOST_INSTANCES:
        told = f"{len(instances):,} instances; at most {MOST_INSTANCES:,} are taken at once."
        raise PermanentError(f"the request has {told}", "Send them in several requests.")
    for position, instance in enumerate(instances, 1):
        if not isinstance(instance, dict):
            raise PermanentError(f"instance {position} is no object.", EXAMPLE)
    return instances


def _parse(body: bytes) -> Any:
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise PermanentError(f"the request is not JSON: {error}.", EXAMPLE) from error


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number in JSON")
