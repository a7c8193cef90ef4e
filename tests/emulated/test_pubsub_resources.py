"""Topics and subscriptions as resources: one suite for two servers, ours and Google's."""

from __future__ import annotations

import pytest
from google.api_core.exceptions import AlreadyExists, InvalidArgument, NotFound
from google.protobuf.field_mask_pb2 import FieldMask

from tests.emulated.pubsub_servers import PROJECT, QUICK, PubSub, unique

pytest_plugins = ["tests.emulated.pubsub_fixtures"]


def test_an_update_changes_what_it_names_and_nothing_else(server: PubSub, topic: str) -> None:
    name = server.subscription(topic, ack_deadline_seconds=30, retry_policy=QUICK)
    wish = {"name": name, "topic": topic, "ack_deadline_seconds": 60}
    request = {"subscription": wish, "update_mask": FieldMask(paths=["ack_deadline_seconds"])}
    server.subscriber.update_subscription(request=request)
    updated = server.subscriber.get_subscription(subscription=name)
    assert updated.ack_deadline_seconds == 60
    assert updated.retry_policy.minimum_backoff.total_seconds() == 0.1


def test_a_deleted_topic_leaves_its_subscriptions_what_they_have(server: PubSub, topic: str) -> None:
    subscription = server.subscription(topic)
    server.publish(topic, b"left")
    server.publisher.delete_topic(topic=topic)
    assert server.subscriber.get_subscription(subscription=subscription).topic == "_deleted-topic_"
    assert server.pull(subscription)[0].message.data == b"left"


def test_topics_and_subscriptions_are_listed(server: PubSub, topic: str) -> None:
    subscription = server.subscription(topic)
    assert topic in {each.name for each in server.publisher.list_topics(project=PROJECT)}
    assert subscription in {each.name for each in server.subscriber.list_subscriptions(project=PROJECT)}
    assert list(server.publisher.list_topic_subscriptions(topic=topic)) == [subscription]


def test_a_list_of_several_pages_is_whole(server: PubSub, topic: str) -> None:
    subscriptions = {server.subscription(topic) for _ in range(5)}
    request = {"topic": topic, "page_size": 2}
    assert set(server.publisher.list_topic_subscriptions(request=request)) == subscriptions


def test_what_exists_cannot_be_created_again(server: PubSub, topic: str) -> None:
    subscription = server.subscription(topic)
    with pytest.raises(AlreadyExists):
        server.publisher.create_topic(name=topic)
    with pytest.raises(AlreadyExists):
        server.subscriber.create_subscription(name=subscription, topic=topic)


def test_what_does_not_exist_is_not_found(server: PubSub, topic: str) -> None:
    no_topic, no_subscription = f"{PROJECT}/topics/{unique()}", f"{PROJECT}/subscriptions/{unique()}"
    with pytest.raises(NotFound, match="not found"):
        server.publish(no_topic, b"lost")
    with pytest.raises(NotFound):
        server.subscriber.create_subscription(name=no_subscription, topic=no_topic)
    with pytest.raises(NotFound):
        server.subscriber.pull(subscription=no_subscription, max_messages=1)
    with pytest.raises(NotFound):
        server.subscriber.delete_subscription(subscription=no_subscription)


@pytest.mark.parametrize("bad", ["1begins-with-a-digit", "ab", "googly", "with space", "x" * 256])
def test_a_bad_name_is_refused(server: PubSub, bad: str) -> None:
    with pytest.raises(InvalidArgument):
        server.publisher.create_topic(name=f"{PROJECT}/topics/{bad}")


def test_a_message_without_content_is_refused(server: PubSub, topic: str) -> None:
    with pytest.raises(InvalidArgument):
        server.publish(topic, b"")


def test_an_ack_deadline_out_of_bounds_is_refused(server: PubSub, topic: str) -> None:
    with pytest.raises(InvalidArgument):
        server.subscription(topic, ack_deadline_seconds=601)
