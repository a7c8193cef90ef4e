"""What our Pub/Sub delivers as Google's service does, and Google's emulator does not: attempts, dead letters, flow."""

from __future__ import annotations

import queue
from collections.abc import Iterator

import pytest
from google.api_core.exceptions import GoogleAPICallError
from google.pubsub_v1.types import StreamingPullRequest

from tests.emulated import pubsub_servers
from tests.emulated.endpoint import Endpoint
from tests.emulated.laptop import PATIENCE_SECONDS
from tests.emulated.pubsub_servers import QUICK, PubSub, a_moment

pytestmark = pytest.mark.filterwarnings("ignore:The return_immediately flag:DeprecationWarning")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PubSub]:
    with pubsub_servers.ours(tmp_path_factory.mktemp("pubsub") / "pubsub.sqlite") as running:
        yield running


@pytest.fixture
def topic(server: PubSub) -> str:
    return server.topic()


def test_attempts_are_counted_where_there_are_dead_letters(server: PubSub, topic: str) -> None:
    with Endpoint(500, 500) as endpoint:
        server.subscription(topic, push_config=endpoint.push_config, retry_policy=QUICK, **server.dead_letters())
        server.publish(topic, b"counted")
        assert [endpoint.next()["deliveryAttempt"] for _ in range(3)] == [1, 2, 3]


def test_a_pull_counts_attempts_where_there_are_dead_letters(server: PubSub, topic: str) -> None:
    counting, plain = server.subscription(topic, **server.dead_letters()), server.subscription(topic)
    server.publish(topic, b"counted")
    [first] = server.pull(counting)
    server.lease(counting, first, 0)
    assert (first.delivery_attempt, server.pull(counting)[0].delivery_attempt) == (1, 2)
    assert server.pull(plain)[0].delivery_attempt == 0


def test_a_dead_letter_tells_where_it_comes_from(server: PubSub, topic: str) -> None:
    policy = server.dead_letters()
    mourner = server.subscription(policy["dead_letter_policy"]["dead_letter_topic"])
    with Endpoint(*[500] * 5) as endpoint:
        name = server.subscription(topic, push_config=endpoint.push_config, retry_policy=QUICK, **policy)
        server.publish(topic, b"poison", colour="blue")
        attributes = dict(server.pull(mourner)[0].message.attributes)
    published = attributes.pop("CloudPubSubDeadLetterSourceTopicPublishTime")
    assert published.endswith("+00:00")
    assert attributes == {
        "colour": "blue",
        "CloudPubSubDeadLetterSourceSubscription": name.rpartition("/")[2],
        "CloudPubSubDeadLetterSourceSubscriptionProject": "tidewheel-test",
        "CloudPubSubDeadLetterSourceDeliveryCount": "5",
    }


def test_without_its_dead_letter_topic_a_message_is_tried_on(server: PubSub, topic: str) -> None:
    policy = server.dead_letters()
    with Endpoint(*[500] * 6) as endpoint:
        server.subscription(topic, push_config=endpoint.push_config, retry_policy=QUICK, **policy)
        server.publisher.delete_topic(topic=policy["dead_letter_policy"]["dead_letter_topic"])
        server.publish(topic, b"stubborn")
        assert [endpoint.next()["deliveryAttempt"] for _ in range(7)] == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("status", [102, 203])
def test_102_acknowledges_and_203_does_not(server: PubSub, topic: str, status: int) -> None:
    with Endpoint(status) as endpoint:
        server.subscription(topic, push_config=endpoint.push_config, retry_policy=QUICK)
        server.publish(topic, b"once or twice")
        messages = [endpoint.next()["message"]["messageId"] for _ in range(2 if status == 203 else 1)]
        a_moment()
        assert endpoint.bodies.empty()
        assert len(set(messages)) == 1


def test_an_endpoint_that_was_restarted_costs_no_attempt(server: PubSub, topic: str) -> None:
    endpoint = Endpoint()
    server.subscription(topic, push_config=endpoint.push_config, retry_policy=QUICK, **server.dead_letters())
    server.publish(topic, b"before")
    endpoint.next()
    endpoint.close()
    with Endpoint(port=endpoint.port) as restarted:
        server.publish(topic, b"after")
        assert restarted.next()["deliveryAttempt"] == 1


def test_a_stream_brings_no_more_than_it_was_asked_for(server: PubSub, topic: str) -> None:
    subscription = server.subscription(topic)
    for number in range(5):
        server.publish(topic, b"%d" % number)
    said: queue.Queue[StreamingPullRequest | None] = queue.Queue()
    first = {"subscription": subscription, "stream_ack_deadline_seconds": 60, "max_outstanding_messages": 2}
    said.put(StreamingPullRequest(first))
    seen: list[bytes] = []
    for response in server.subscriber.streaming_pull(iter(said.get, None), timeout=PATIENCE_SECONDS):
        batch = list(response.received_messages)
        assert len(batch) <= 2
        seen += [received.message.data for received in batch]
        said.put(StreamingPullRequest(ack_ids=[received.ack_id for received in batch]) if len(seen) < 5 else None)
    assert sorted(seen) == [b"%d" % number for number in range(5)]


def test_a_stream_ends_when_its_subscription_is_deleted(server: PubSub, topic: str) -> None:
    subscription = server.subscription(topic)
    listening = server.subscriber.subscribe(subscription, lambda message: message.ack())
    a_moment()
    server.subscriber.delete_subscription(subscription=subscription)
    with pytest.raises(GoogleAPICallError, match="not found"):
        listening.result(PATIENCE_SECONDS)


def test_a_message_given_back_too_often_is_a_dead_letter(server: PubSub, topic: str) -> None:
    dead_letters = server.topic()
    mourner = server.subscription(dead_letters)
    policy = {"dead_letter_topic": dead_letters, "max_delivery_attempts": 5}
    subscription = server.subscription(topic, dead_letter_policy=policy, retry_policy=QUICK)
    server.publish(topic, b"poison")
    for _ in range(5):
        server.lease(subscription, server.pull(subscription)[0], 0)
    assert server.pull(mourner)[0].message.data == b"poison"
    assert server.is_empty(subscription)
