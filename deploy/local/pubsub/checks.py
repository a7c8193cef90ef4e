"""What a request may say: names, fields and ranges as Google checks them, and which fields this server honours."""

from __future__ import annotations

import ipaddress
import re
from typing import Any
from urllib.parse import urlsplit

from google.protobuf.field_mask_pb2 import FieldMask

from deploy.local.pubsub.refusals import invalid, unsupported

Proto = Any
DAY_SECONDS = 24 * 3600
PROJECT = re.compile(r"projects/[a-z0-9][a-z0-9.:-]{0,98}")
RESOURCE_ID = re.compile(r"(?!goog)[A-Za-z][A-Za-z0-9_.~+%-]{2,254}")

# Everything else that a request sets is refused. `state` and its like are written by the server only, as at Google's.
TOPIC_FIELDS = {"name", "labels", "state"}
SUBSCRIPTION_FIELDS = {
    "name", "topic", "push_config", "ack_deadline_seconds", "message_retention_duration", "labels", "expiration_policy",
    "dead_letter_policy", "retry_policy", "state",
}  # fmt: skip
UPDATABLE_FIELDS = SUBSCRIPTION_FIELDS - {"name", "topic", "state"}
PUSH_FIELDS = {"push_endpoint", "attributes", "pubsub_wrapper"}


def check_name(name: str, collection: str) -> None:
    """`projects/P/topics/T`: the rules of Google's resource names."""
    project, _, resource_id = name.partition(f"/{collection}/")
    if not (PROJECT.fullmatch(project) and RESOURCE_ID.fullmatch(resource_id)):
        rules = "begins with a letter, not with goog, and has 3 to 255 letters, digits, or -_.~+%"
        raise invalid(f"Invalid [{collection}] name: (name={name}). It is projects/P/{collection}/ID; an ID {rules}.")


def check_project(name: str) -> None:
    """`projects/P`."""
    if not PROJECT.fullmatch(name):
        raise invalid(f"Invalid [projects] name: (name={name}). It is projects/P.")


def check_fields(proto: Proto, known: set[str]) -> None:
    """Refuses by name what this server would otherwise have to ignore."""
    for field, _ in proto.ListFields():
        if field.name not in known:
            raise unsupported(f"{proto.DESCRIPTOR.name}.{field.name}")


def check_subscription(subscription: Proto) -> None:
    """A subscription whose defaults are filled in."""
    check_fields(subscription, SUBSCRIPTION_FIELDS)
    check_push_config(subscription.push_config)
    check_range("ack_deadline_seconds", subscription.ack_deadline_seconds, 10, 600)
    retention_seconds = subscription.message_retention_duration.ToSeconds()
    check_range("message_retention_duration", retention_seconds, 600, 31 * DAY_SECONDS)
    if subscription.expiration_policy.HasField("ttl"):
        raise unsupported("ExpirationPolicy.ttl")
    if subscription.HasField("dead_letter_policy"):
        check_name(subscription.dead_letter_policy.dead_letter_topic, "topics")
        check_range("max_delivery_attempts", subscription.dead_letter_policy.max_delivery_attempts, 5, 100)
    if subscription.HasField("retry_policy"):
        check_retry_policy(subscription.retry_policy)


def check_retry_policy(policy: Proto) -> None:
    """Back-offs are 0 to 600 seconds and the least is not above the most."""
    least, most = policy.minimum_backoff.ToNanoseconds() / 1e9, policy.maximum_backoff.ToNanoseconds() / 1e9
    check_range("minimum_backoff", least, 0, 600)
    check_range("maximum_backoff", most, 0, 600)
    if least > most:
        raise invalid(f"minimum_backoff, {least:g} s, is above maximum_backoff, {most:g} s.")


def check_range(field: str, value: float, least: float, most: float) -> None:
    """A number that Google bounds."""
    if not least <= value <= most:
        raise invalid(f"{field} is {value:g}; it must be between {least:g} and {most:g}.")


def check_push_config(config: Proto) -> None:
    """Wrapped pushes over plain HTTP to this machine and nowhere else: events must not leave the laptop."""
    check_fields(config, PUSH_FIELDS)
    for key, value in config.attributes.items():
        if (key, value) != ("x-goog-version", "v1"):
            raise unsupported(f'PushConfig.attributes["{key}"] = "{value}"')
    check_fields(config.pubsub_wrapper, set())
    if config.push_endpoint:
        check_endpoint(config.push_endpoint)


def check_endpoint(endpoint: str) -> None:
    """An http:// URL whose host is this machine."""
    try:
        parts = urlsplit(endpoint)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise invalid(f"The push endpoint {endpoint} is no URL: {error}.") from error
    if parts.scheme != "http" or not is_loopback(host):
        raise invalid(f"The push endpoint {endpoint} is not on this machine; use http://127.0.0.1:PORT/PATH.")


def is_loopback(host: str) -> bool:
    """Whether only this machine answers to the name."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_mask(mask: FieldMask) -> None:
    """An update names the fields that it changes, whole ones."""
    if not mask.paths:
        raise invalid("update_mask is empty: name the fields to update.")
    for path in mask.paths:
        if path in ("name", "topic"):
            raise invalid(f"{path} cannot be changed; delete the subscription and create it anew.")
        if path not in UPDATABLE_FIELDS:
            raise unsupported(f"An update of {path}")


def check_messages(messages: list[Proto]) -> None:
    """Google's bounds on one publish request."""
    if not 1 <= len(messages) <= 1000:
        raise invalid(f"A publish request holds 1 to 1,000 messages, this one {len(messages):,}.")
    if sum(message.ByteSize() for message in messages) > 10_000_000:
        raise invalid("A publish request holds at most 10 MB of messages.")
    for message in messages:
        check_message(message)


def check_message(message: Proto) -> None:
    """Something to say, and attributes within Google's bounds."""
    if not (message.data or message.attributes):
        raise invalid("A message must have data or at least one attribute.")
    if len(message.attributes) > 100:
        raise invalid(f"A message has at most 100 attributes, this one {len(message.attributes)}.")
    for key, value in message.attributes.items():
        if not 1 <= len(key.encode()) <= 256 or key.startswith("goog") or len(value.encode()) > 1024:
            raise invalid(f'Attribute "{key[:40]}": a key has 1 to 256 bytes and no goog first, a value at most 1,024.')
