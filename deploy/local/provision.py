"""`python -m deploy.local.provision topics|buckets|dataset`: what Terraform makes in the cloud, made on the laptop.

Safe to repeat: what is there stays, and push endpoints are moved to the functions' ports of today.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

from shared.lifecycle.events import CONSUMERS, DEAD_LETTERS, LOGGED_TOPICS, TOPICS

if TYPE_CHECKING:
    from google.pubsub_v1 import PublisherClient, SubscriberClient

ACK_DEADLINE_SECONDS = 600
# The most that Pub/Sub allows: with the pauses between them they last longer than any lease, and than a backfill whose
# drops wait for their turn, so that waiting never ends among the dead letters.
DELIVERY_ATTEMPTS = 100
SHORTEST_BACKOFF_SECONDS = 1
# On a laptop, where everything is quicker and somebody looks on; deploy/gcp/subscriptions.tf has longer ones.
LONGEST_BACKOFF_SECONDS = 10
KEPT_SECONDS = 7 * 24 * 3600


def buckets(*names: str) -> None:
    """Make the buckets that are missing."""
    base, project = os.environ["STORAGE_EMULATOR_HOST"], os.environ["GOOGLE_CLOUD_PROJECT"]
    for name in names:
        _create(f"{base}/storage/v1/b?project={project}", {"name": name})


def dataset() -> None:
    """Make the dataset if it is missing."""
    project = os.environ["GOOGLE_CLOUD_PROJECT"]
    reference = {"projectId": project, "datasetId": os.environ["TIDEWHEEL_DATASET"]}
    url = f"{os.environ['BIGQUERY_EMULATOR_HOST']}/bigquery/v2/projects/{project}/datasets"
    _create(url, {"datasetReference": reference, "location": "US"})


def topics(*endpoints: str) -> None:
    """Make the topics, a push subscription for each consumer, and the pull subscriptions.

    Args:
        endpoints: `function=http://127.0.0.1:port` for each function that runs.
    """
    import grpc
    from google.pubsub_v1 import PublisherClient, SubscriberClient
    from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
    from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

    channel = grpc.insecure_channel(os.environ["PUBSUB_EMULATOR_HOST"])
    publisher = PublisherClient(transport=PublisherGrpcTransport(channel=channel))
    subscriber = SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))
    project = f"projects/{os.environ['GOOGLE_CLOUD_PROJECT']}"
    for topic in [*TOPICS, DEAD_LETTERS]:
        _make_topic(publisher, f"{project}/topics/{topic}")
    for subscription in _subscriptions(project, dict(each.split("=", 1) for each in endpoints)):
        _make_subscription(subscriber, subscription)


def _subscriptions(project: str, endpoints: dict[str, str]) -> list[dict[str, Any]]:
    pulls = {f"log-{topic}": topic for topic in LOGGED_TOPICS} | {DEAD_LETTERS: DEAD_LETTERS}
    wanted = [_pull(project, name, topic) for name, topic in pulls.items()]
    for topic, function in CONSUMERS.items():
        if function in endpoints:
            wanted.append(_push(project, topic, function, endpoints[function]))
    return wanted


def _pull(project: str, name: str, topic: str) -> dict[str, Any]:
    return {
        "name": f"{project}/subscriptions/{name}",
        "topic": f"{project}/topics/{topic}",
        "ack_deadline_seconds": 60,
        "message_retention_duration": {"seconds": KEPT_SECONDS},
    }


def _push(project: str, topic: str, function: str, url: str) -> dict[str, Any]:
    return {
        "name": f"{project}/subscriptions/{function}-{topic}",
        "topic": f"{project}/topics/{topic}",
        "ack_deadline_seconds": ACK_DEADLINE_SECONDS,
        # The path tells the function which topic a message without attributes came from.
        "push_config": {"push_endpoint": f"{url}/projects/{project.split('/')[1]}/topics/{topic}"},
        "retry_policy": {
            "minimum_backoff": {"seconds": SHORTEST_BACKOFF_SECONDS},
            "maximum_backoff": {"seconds": LONGEST_BACKOFF_SECONDS},
        },
        "dead_letter_policy": {
            "dead_letter_topic": f"{project}/topics/{DEAD_LETTERS}",
            "max_delivery_attempts": DELIVERY_ATTEMPTS,
        },
    }


def _make_topic(publisher: PublisherClient, name: str) -> None:
    from google.api_core.exceptions import AlreadyExists

    try:
        publisher.create_topic(name=name)
    except AlreadyExists:
        return


def _make_subscription(subscriber: SubscriberClient, subscription: dict[str, Any]) -> None:
    from google.api_core.exceptions import AlreadyExists

    try:
        subscriber.create_subscription(request=subscription)
    except AlreadyExists:
        if "push_config" in subscription:
            name, config = subscription["name"], subscription["push_config"]
            subscriber.modify_push_config(subscription=name, push_config=config)


def _create(url: str, resource: dict[str, Any]) -> None:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(resource).encode(), headers, method="POST")
    try:
        urllib.request.urlopen(request, timeout=30).close()
    except urllib.error.HTTPError as error:
        if error.code != 409:
            raise


if __name__ == "__main__":
    {"topics": topics, "buckets": buckets, "dataset": dataset}[sys.argv[1]](*sys.argv[2:])
