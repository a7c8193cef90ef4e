"""Publish, pull and streaming pull: one suite for two servers, ours and Google's, asked by the official client."""

from __future__ import annotations

import queue

import pytest
from google.cloud.pubsub_v1.subscriber.message import Message

from tests.emulated.laptop import PATIENCE_SECONDS
from tests.emulated.pubsub_servers import PubSub, a_moment

pytest_plugins = ["tests.emulated.pubsub_fixtures"]
pytestmark = pytest.mark.filterwarnings("ignore:The return_immediately flag:DeprecationWarning")


def test_a_message_is_pulled_with_all_that_was_published(server: PubSub, topic: str) -> None:
    subscription = server.subscription(topic)
    message_id = server.publish(topic, b"hello", colour="blue")
    [received] = server.pull(subscription)
    message = received.message
    assert (message.data, message.attributes, message.message_id) == (b"hello", {"colour": "blue"}, message_id)
    assert message.publish_time.timestamp() > 0


def test_an_acknowledged_message_is_gone(server: PubSub, topic: str) -> None:
    subscription = server.subscription(topic)
    server.publish(topic, b"once")
    server.acknowledge(subscription, server.pull(subscription))
    a_moment()
    assert server.is_empty(subscription)


def test_a_leased_message_is_given_to_nobody_else(server: PubSub, topic: str) -> None:
    subscription = server.subscription(topic)
    server.publish(topic, b"mine")
    server.pull(subscription)
    assert server.is_empty(subscription)


def test_every_subscription_gets_every_message(server: PubSub, topic: str) -> None:
    subscriptions = [server.subscription(topic) for _ in range(2)]
    ids = {server.publish(topic, b"%d" % number) for number in range(20)}
    for subscription in subscriptions:
        assert {received.message.message_id for received in server.pull(subscription, 20)} == ids


def test_equal_messages_are_two_messages(server: PubSub, topic: str) -> None:
    subscription = server.subscription(topic)
    ids = {server.publish(topic, b"same") for _ in range(2)}
    assert {received.message.message_id for received in server.pull(subscription, 2)} == ids
    assert len(ids) == 2


def test_a_subscription_gets_only_what_comes_after_it(server: PubSub, topic: str) -> None:
    server.publish(topic, b"before")
    subscription = server.subscription(topic)
    server.publish(topic, b"after")
    assert [received.message.data for received in server.pull(subscription)] == [b"after"]
    assert server.is_empty(subscription)


def test_a_message_given_back_comes_again(server: PubSub, topic: str) -> None:
    subscription = server.subscription(topic)
    server.publish(topic, b"again")
    [first] = server.pull(subscription)
    server.lease(subscription, first, 0)
    [second] = server.pull(subscription)
    assert second.message == first.message


def test_a_message_whose_lease_ran_out_comes_again(server: PubSub, topic: str) -> None:
    subscription = server.subscription(topic)
    server.publish(topic, b"again")
    [first] = server.pull(subscription)
    server.lease(subscription, first, 1)
    [second] = server.pull(subscription)
    assert second.message == first.message


def test_a_lease_that_is_extended_does_not_run_out(server: PubSub, topic: str) -> None:
    subscription = server.subscription(topic)
    server.publish(topic, b"kept")
    [received] = server.pull(subscription)
    server.lease(subscription, received, 1)
    server.lease(subscription, received, 60)
    for _ in range(4):
        a_moment()
    assert server.is_empty(subscription)


def test_a_streaming_pull_gets_messages_as_they_come(server: PubSub, topic: str) -> None:
    subscription = server.subscription(topic)
    got: queue.Queue[bytes] = queue.Queue()

    def take(message: Message) -> None:
        message.ack()
        got.put(message.data)

    listening = server.subscriber.subscribe(subscription, take)
    for number in range(50):
        server.publish(topic, b"%d" % number)
    assert {got.get(timeout=PATIENCE_SECONDS) for _ in range(50)} == {b"%d" % number for number in range(50)}
    listening.cancel()
    listening.result()
    assert server.is_empty(subscription)


def test_a_nack_on_a_stream_brings_the_message_again(server: PubSub, topic: str) -> None:
    subscription = server.subscription(topic)
    got: queue.Queue[Message] = queue.Queue()
    listening = server.subscriber.subscribe(subscription, got.put)
    server.publish(topic, b"again")
    first = got.get(timeout=PATIENCE_SECONDS)
    first.nack()
    second = got.get(timeout=PATIENCE_SECONDS)
    second.ack()
    listening.cancel()
    listening.result()
    assert second.message_id == first.message_id
