"""One suite for two Pub/Sub servers, ours and Google's emulator, asked by the official client."""

from __future__ import annotations

import base64
import queue
from collections.abc import Iterator

import pytest
from google.api_core.exceptions import AlreadyExists, InvalidArgument, NotFound
from google.cloud.pubsub_v1.subscriber.message import Message
from google.protobuf.field_mask_pb2 import FieldMask
from google.pubsub_v1.types import StreamingPullRequest

from tests.emulated import pubsub_servers
from tests.emulated.laptop import PATIENCE_SECONDS
from tests.emulated.pubsub_servers import PROJECT, Endpoint, PubSub, a_moment, seconds, unique

pytestmark = pytest.mark.filterwarnings("ignore:The return_immediately flag:DeprecationWarning")
QUICK = {"minimum_backoff": seconds(0.1), "maximum_backoff": seconds(0.2)}


@pytest.fixture(scope="module", params=["ours", "google"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PubSub]:
    folder = tmp_path_factory.mktemp("pubsub")
    start = pubsub_servers.ours(folder / "pubsub.sqlite") if request.param == "ours" else pubsub_servers.google(folder)
    with start as running:
        yield running


@pytest.fixture
def topic(server: PubSub) -> str:
    return server.topic()


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


def test_a_push_is_wrapped_as_google_wraps_it(server: PubSub, topic: str) -> None:
    with Endpoint() as endpoint:
        subscription = server.subscription(topic, push_config=endpoint.push_config)
        message_id = server.publish(topic, b"\xff\x00", colour="blue")
        body = endpoint.next()
    message = body["message"]
    assert (body["subscription"], body["path"]) == (subscription, "/projects/p/topics/t?token=1")
    assert (base64.b64decode(message["data"]), message["attributes"]) == (b"\xff\x00", {"colour": "blue"})
    assert message["messageId"] == message["message_id"] == message_id
    assert message["publishTime"] == message["publish_time"]
    assert "deliveryAttempt" not in body and "orderingKey" not in message


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_an_acknowledging_status_ends_the_pushes(server: PubSub, topic: str, status: int) -> None:
    with Endpoint(status) as endpoint:
        server.subscription(topic, push_config=endpoint.push_config, retry_policy=QUICK)
        server.publish(topic, b"once")
        endpoint.next()
        a_moment()
        assert endpoint.bodies.empty()


@pytest.mark.parametrize("status", [203, 301, 400, 429, 500, 503])
def test_any_other_status_brings_the_message_again(server: PubSub, topic: str, status: int) -> None:
    with Endpoint(status) as endpoint:
        server.subscription(topic, push_config=endpoint.push_config, retry_policy=QUICK)
        message_id = server.publish(topic, b"again")
        assert [endpoint.next()["message"]["messageId"] for _ in range(2)] == [message_id] * 2


def test_a_message_waits_for_an_endpoint_that_is_not_there_yet(server: PubSub, topic: str) -> None:
    gone = Endpoint()
    gone.close()
    server.subscription(topic, push_config=gone.push_config, retry_policy=QUICK)
    message_id = server.publish(topic, b"patient")
    a_moment()
    with Endpoint(port=gone.port) as endpoint:
        assert endpoint.next()["message"]["messageId"] == message_id


def test_an_endpoint_that_hangs_holds_up_nobody_else(server: PubSub, topic: str) -> None:
    with Endpoint() as hanging, Endpoint() as healthy:
        hanging.gate.clear()
        for endpoint in (hanging, healthy):
            server.subscription(topic, push_config=endpoint.push_config)
        ids = {server.publish(topic, b"%d" % number) for number in range(30)}
        assert {healthy.next()["message"]["messageId"] for _ in range(30)} == ids


def test_messages_that_fail_do_not_hold_up_those_that_do_not(server: PubSub, topic: str) -> None:
    with Endpoint(500, 500, 500, 500, 500) as endpoint:
        server.subscription(topic, push_config=endpoint.push_config, retry_policy=QUICK)
        ids = [server.publish(topic, b"%d" % number) for number in range(20)]
        pushed = [endpoint.next()["message"]["messageId"] for _ in range(25)]
    assert sorted(set(pushed)) == sorted(ids)


def test_after_the_last_attempt_a_message_is_a_dead_letter(server: PubSub, topic: str) -> None:
    dead_letters = server.topic()
    mourner = server.subscription(dead_letters)
    policy = {"dead_letter_topic": dead_letters, "max_delivery_attempts": 5}
    with Endpoint(*[500] * 20) as endpoint:
        settings = {"push_config": endpoint.push_config, "retry_policy": QUICK, "dead_letter_policy": policy}
        server.subscription(topic, **settings)
        server.publish(topic, b"poison", colour="blue")
        [letter] = server.pull(mourner)
        assert endpoint.bodies.qsize() == 5
    assert (letter.message.data, letter.message.attributes["colour"]) == (b"poison", "blue")


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


def test_a_push_subscription_can_become_a_pull_subscription(server: PubSub, topic: str) -> None:
    with Endpoint() as endpoint:
        subscription = server.subscription(topic, push_config=endpoint.push_config)
        server.publish(topic, b"pushed")
        endpoint.next()
        server.subscriber.modify_push_config(request={"subscription": subscription, "push_config": {}})
        a_moment()
        message_id = server.publish(topic, b"pulled")
        assert message_id in {received.message.message_id for received in server.pull(subscription)}
        assert endpoint.bodies.empty()


def test_a_pull_subscription_can_become_a_push_subscription(server: PubSub, topic: str) -> None:
    subscription = server.subscription(topic)
    message_id = server.publish(topic, b"waiting")
    with Endpoint() as endpoint:
        request = {"subscription": subscription, "push_config": endpoint.push_config}
        server.subscriber.modify_push_config(request=request)
        assert endpoint.next()["message"]["messageId"] == message_id


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
    with pytest.raises(NotFound, match=no_topic.rpartition("/")[2]):
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
