"""Push, retries and dead letters: one suite for two servers, ours and Google's, and real endpoints."""

from __future__ import annotations

import base64

import pytest

from tests.emulated.endpoint import Endpoint
from tests.emulated.pubsub_servers import QUICK, PubSub, a_moment

pytest_plugins = ["tests.emulated.pubsub_fixtures"]


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


@pytest.mark.parametrize("status", [301, 400, 429, 500, 503])
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


def test_a_push_subscription_can_become_a_pull_subscription(server: PubSub, topic: str) -> None:
    with Endpoint() as endpoint:
        subscription = server.subscription(topic, push_config=endpoint.push_config)
        server.publish(topic, b"pushed")
        endpoint.next()
        server.subscriber.modify_push_config(request={"subscription": subscription, "push_config": {}})
        a_moment()
        server.publish(topic, b"pulled")
        # The endpoint's answer may not have arrived before the change: then the first message comes once more.
        pulled = iter(lambda: server.pull(subscription)[0].message.data, b"pulled")
        assert set(pulled) <= {b"pushed"}
        assert endpoint.bodies.empty()


def test_a_pull_subscription_can_become_a_push_subscription(server: PubSub, topic: str) -> None:
    subscription = server.subscription(topic)
    message_id = server.publish(topic, b"waiting")
    with Endpoint() as endpoint:
        request = {"subscription": subscription, "push_config": endpoint.push_config}
        server.subscriber.modify_push_config(request=request)
        assert endpoint.next()["message"]["messageId"] == message_id
