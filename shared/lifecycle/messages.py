"""Events as Pub/Sub messages with the CloudEvents binding, and back: parsed once, strictly."""

from __future__ import annotations

import hashlib
import json
import types
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from datetime import UTC, datetime
from typing import Any, Union, get_args, get_origin, get_type_hints

from shared.adapters.stories import MOST_NAME_BYTES, first_id, is_name, story_of
from shared.contract import catalog
from shared.errors import PermanentError
from shared.lifecycle.events import EVENTS, TOPICS, DropReceived, Event

SOURCE = "tidewheel"
MOST_BYTES = 1_000_000
MOST_NUMBER = 2**63 - 1
_OWN = {"story"}


def encode(event: Event, story: str = "") -> tuple[str, bytes, dict[str, str]]:
    """Topic, data and attributes of the message that carries an event."""
    kind = type(event).__name__
    attributes = {
        "ce-specversion": "1.0",
        "ce-id": _id(kind, event.identity),
        "ce-type": kind,
        "ce-source": SOURCE,
        "ce-time": datetime.now(UTC).isoformat(),
        "story": event.story or story,
    }
    return event.topic, as_json(to_dict(event)), attributes


def _id(kind: str, identity: str) -> str:
    """The same for the same event, and no longer than an attribute may be."""
    named = f"{kind}:{identity}"
    return named if is_name(named) else f"{kind}:{hashlib.sha256(identity.encode()).hexdigest()}"


def as_json(raw: Mapping[str, Any]) -> bytes:
    """The data of a message."""
    return json.dumps(raw).encode()


def to_dict(event: Event) -> dict[str, Any]:
    """An event's fields for JSON; the story travels beside them, and an epoch only when there is one."""
    raw = {name: value for name, value in asdict(event).items() if name not in _OWN}
    return raw if raw["epoch"] else {name: value for name, value in raw.items() if name != "epoch"}


def decode(topic: str, data: bytes, attributes: Mapping[str, str], message_id: str) -> Event:
    """The event of a message, whether we published it or a person did.

    Raises:
        PermanentError: says what is wrong with it, and what is known.
    """
    kind = _kind(topic, attributes)
    raw = _object(data)
    if kind is DropReceived:
        raw = _of_bucket(raw, attributes)
    if "request" in _types(kind) and raw.get("request", "") == "":
        raw["request"] = first_id(attributes, message_id)
    event = from_dict(kind, raw)
    if kind is not DropReceived and getattr(event, "model", None) is not None:
        catalog.model(event.model)  # type: ignore[attr-defined]  # Those that have one have it as a string.
    if event.subject and not is_name(event.subject):
        raise PermanentError(f"{kind.__name__} is about something whose name has more than {MOST_NAME_BYTES:,} bytes.")
    object.__setattr__(event, "story", story_of(topic, data, attributes, message_id))
    return event


def from_dict(kind: type[Event], raw: Mapping[str, Any]) -> Event:
    """An event from its fields.

    Raises:
        PermanentError: a field is unknown, missing or of the wrong type.
    """
    known = _types(kind)
    for name in raw:
        if name not in known:
            raise PermanentError(f'{kind.__name__} has no field "{name}".', f"Known: {', '.join(known)}.")
    for name in _required(kind):
        if name not in raw:
            raise PermanentError(f'{kind.__name__} lacks the field "{name}".', f"Needed: {', '.join(_required(kind))}.")
    event = kind(**{name: _value(kind, name, known[name], value) for name, value in raw.items()})
    if event.epoch < 0:
        raise PermanentError(f'{kind.__name__}: "epoch" is {event.epoch}; it is 0 or more.')
    return event


def _kind(topic: str, attributes: Mapping[str, str]) -> type[Event]:
    if topic not in TOPICS:
        raise PermanentError(f'no topic "{topic}"; known: {", ".join(TOPICS)}.')
    kinds = [kind for kind in EVENTS.values() if kind.topic == topic]
    named = [kind for kind in kinds if kind.__name__ == attributes.get("ce-type")]
    if not named and len(kinds) > 1:
        either = " or ".join(kind.__name__ for kind in kinds)
        raise PermanentError(f"a message on {topic} needs the attribute ce-type: {either}.")
    return (named or kinds)[0]


def _object(data: bytes) -> dict[str, Any]:
    if len(data) > MOST_BYTES:
        raise PermanentError(f"the message has {len(data):,} bytes; at most {MOST_BYTES:,} are read.", "Send less.")
    try:
        raw = json.loads(data)
    except (ValueError, RecursionError) as error:
        start = data[:80].decode(errors="replace")
        raise PermanentError(
            f"the message is not JSON ({error}): {start}", 'Example: {"model": "taxi_fare"}.'
        ) from error
    if not is_text(raw):
        raise PermanentError("the message spells half a character, as in \\ud800.", "Leave it out.")
    if not isinstance(raw, dict):
        raise PermanentError("the message is JSON, but no object.", 'Example: {"model": "taxi_fare"}.')
    return raw


def is_text(value: Any) -> bool:
    """Whether all texts in it can be written down."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _of_bucket(raw: dict[str, Any], attributes: Mapping[str, str]) -> dict[str, Any]:
    """Of all that a bucket says about an object, where it is and which generation; by hand the same names serve."""
    if (kind := attributes.get("eventType", "OBJECT_FINALIZE")) != "OBJECT_FINALIZE":
        raise PermanentError(f"the bucket announces {kind}; only OBJECT_FINALIZE is a drop.", "Mend its notification.")
    if raw.get("kind") == "storage#object" or "eventType" in attributes:
        raw = {name: raw[name] for name in ("bucket", "name", "generation") if name in raw}
    generation = raw.get("generation")
    return raw | {"generation": int(generation)} if isinstance(generation, str) and generation.isdecimal() else raw


def _known_fields(kind: type[Event]) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {each.name: hints[each.name] for each in fields(kind) if each.name not in _OWN}


_TYPES = {kind.__name__: _known_fields(kind) for kind in EVENTS.values()}


def _types(kind: type[Event]) -> dict[str, Any]:
    return _TYPES[kind.__name__]


def _required(kind: type[Event]) -> list[str]:
    return [each.name for each in fields(kind) if each.default is MISSING and each.default_factory is MISSING]


def _value(kind: type[Event], name: str, wanted: Any, value: Any) -> Any:
    if get_origin(wanted) is tuple and isinstance(value, list):
        value = tuple(value)
    if not _is(wanted, value):
        told = json.dumps(value, default=str)[:80]
        raise PermanentError(f'{kind.__name__}: "{name}" is {told}, but it takes {_told(wanted)}.')
    if isinstance(value, int) and abs(value) > MOST_NUMBER:
        raise PermanentError(f'{kind.__name__}: "{name}" is larger than any number of 64 bits.')
    return value


def _is(wanted: Any, value: Any) -> bool:
    if wanted is Any:
        return True
    origin, arguments = get_origin(wanted), get_args(wanted)
    if origin in (Union, types.UnionType):
        return any(_is(each, value) for each in arguments)
    if origin is tuple:
        return isinstance(value, tuple) and all(_is(arguments[0], each) for each in value)
    if origin is dict:
        return isinstance(value, dict) and all(_is(arguments[1], each) for each in value.values())
    # In Python a truth value is a number; in a message it is not. A whole number is one.
    plain = {float: (int, float)}.get(wanted, wanted)
    return isinstance(value, plain) and (wanted is bool or not isinstance(value, bool))


def _told(wanted: Any) -> str:
    names = {str: "a string", int: "a whole number", float: "a number", bool: "true or false", type(None): "null"}
    origin, arguments = get_origin(wanted), get_args(wanted)
    if origin in (Union, types.UnionType):
        return " or ".join(_told(each) for each in arguments)
    if origin is tuple:
        return "a list, each " + _told(arguments[0])
    return "an object" if origin is dict else names.get(wanted, str(wanted))
