"""To which story a message belongs: one rule for those who take messages, tell them, and look for them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

# A message that is sent again by hand brings the id that it had at first.
FIRST_ID = "first-message-id"
# What Pub/Sub takes as an attribute at most.
MOST_NAME_BYTES = 1024
# On these topics a message is about a drop, which this field names; on all others it is about a request.
_DROP = {"drop-received": "name", "data-prepared": "drop", "model-evaluated": "drop", "drop-ignored": "drop"}


def story_of(topic: str, data: str | bytes | None, attributes: Mapping[str, str], message_id: str) -> str:
    """The story that a message says it belongs to, or that it begins: of its drop, of its request, or of itself."""
    named = said(data).get(_DROP.get(topic, "request"))
    return attributes.get("story") or (str(named) if is_name(named) else first_id(attributes, message_id))


def first_id(attributes: Mapping[str, str], message_id: str) -> str:
    """The id that a message had when it was sent for the first time."""
    return attributes.get(FIRST_ID) or message_id


def is_name(value: Any) -> bool:
    """Whether a story can be called so: a message by hand may say anything."""
    if not isinstance(value, str) or not value:
        return False
    try:
        return len(value.encode()) <= MOST_NAME_BYTES
    except UnicodeEncodeError:
        # JSON can spell half a character.
        return False


def said(data: str | bytes | None) -> dict[str, Any]:
    """The fields of a message; nothing, if it is no JSON object."""
    try:
        value = json.loads(data or "{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def topic_of(subscription: str | None) -> str:
    """The topic of a message in the lifecycle log, which is written by one subscription for each."""
    return str(subscription).rpartition("/subscriptions/log-")[2]
