"""Clients of a Pub/Sub server at a given address; the environment's may be another one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from google.pubsub_v1 import PublisherClient, SubscriberClient


def publisher(host: str) -> PublisherClient:
    """Publishes what it is given, at once."""
    import grpc
    from google.pubsub_v1 import PublisherClient
    from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport

    return PublisherClient(transport=PublisherGrpcTransport(channel=grpc.insecure_channel(host)))


def subscriber(host: str) -> SubscriberClient:
    """Pulls, and makes subscriptions."""
    import grpc
    from google.pubsub_v1 import SubscriberClient
    from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

    return SubscriberClient(transport=SubscriberGrpcTransport(channel=grpc.insecure_channel(host)))


def push_to(url: str, topic: str, name: str, project: str) -> dict[str, Any]:
    """A push subscription as the laptop's stack makes them."""
    return {
        "name": f"projects/{project}/subscriptions/{name}",
        "topic": f"projects/{project}/topics/{topic}",
        "ack_deadline_seconds": 60,
        "push_config": {"push_endpoint": url},
    }
