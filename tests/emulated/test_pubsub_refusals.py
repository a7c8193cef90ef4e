"""What our Pub/Sub cannot do it refuses by name, and it stays on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.api_core.exceptions import FailedPrecondition, InvalidArgument, MethodNotImplemented

from deploy.local.pubsub import google as googles
from shared.errors import TidewheelError
from tests.emulated import pubsub_servers
from tests.emulated.endpoint import Endpoint
from tests.emulated.pubsub_servers import PROJECT, PubSub, seconds, unique


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PubSub]:
    with pubsub_servers.ours(tmp_path_factory.mktemp("pubsub") / "pubsub.sqlite") as running:
        yield running


@pytest.fixture
def topic(server: PubSub) -> str:
    return server.topic()


def test_a_push_subscription_cannot_be_pulled(server: PubSub, topic: str) -> None:
    with Endpoint() as endpoint:
        subscription = server.subscription(topic, push_config=endpoint.push_config)
        with pytest.raises(FailedPrecondition, match="cannot be pulled"):
            server.subscriber.pull(subscription=subscription, max_messages=1)


@pytest.mark.parametrize(
    "setting",
    [
        {"filter": 'attributes.colour = "blue"'},
        {"enable_message_ordering": True},
        {"enable_exactly_once_delivery": True},
        {"retain_acked_messages": True},
        {"bigquery_config": {"table": "p.d.t"}},
        {"cloud_storage_config": {"bucket": "b"}},
        {"expiration_policy": {"ttl": seconds(90_000)}},
        {"message_transforms": [{"disabled": True}]},
        {"push_config": {"push_endpoint": "http://127.0.0.1:1", "oidc_token": {"service_account_email": "a@b.c"}}},
        {"push_config": {"push_endpoint": "http://127.0.0.1:1", "no_wrapper": {"write_metadata": True}}},
    ],
    ids=lambda setting: next(iter(setting)),
)
def test_a_setting_that_it_would_have_to_ignore_is_refused_by_name(
    server: PubSub, topic: str, setting: dict[str, Any]
) -> None:
    with pytest.raises(MethodNotImplemented, match=r"^501 \w+\.\w+ is not supported") as refusal:
        server.subscription(topic, **setting)
    assert refusal.value.message.split()[0].rpartition(".")[2] in str(setting)


@pytest.mark.parametrize(
    "setting",
    [
        {"kms_key_name": "key"},
        {"schema_settings": {"schema": "projects/p/schemas/s"}},
        {"message_retention_duration": seconds(600)},
    ],
    ids=lambda setting: next(iter(setting)),
)
def test_a_topics_setting_that_it_would_have_to_ignore_is_refused_by_name(
    server: PubSub, setting: dict[str, Any]
) -> None:
    with pytest.raises(MethodNotImplemented, match=f"Topic.{next(iter(setting))} is not supported"):
        server.publisher.create_topic(request={"name": f"{PROJECT}/topics/{unique()}", **setting})


def test_a_method_that_it_does_not_have_is_refused_by_name(server: PubSub, topic: str) -> None:
    with pytest.raises(MethodNotImplemented, match="Subscriber/Seek is not supported"):
        server.subscriber.seek(request={"subscription": server.subscription(topic)})
    with pytest.raises(MethodNotImplemented, match="Publisher/UpdateTopic is not supported"):
        server.publisher.update_topic(request={"topic": {"name": topic}, "update_mask": {"paths": ["labels"]}})


@pytest.mark.parametrize("endpoint", ["http://example.com/", "https://127.0.0.1/", "http://192.168.0.1/", "nonsense"])
def test_it_pushes_to_this_machine_only(server: PubSub, topic: str, endpoint: str) -> None:
    with pytest.raises(InvalidArgument, match="is not on this machine"):
        server.subscription(topic, push_config={"push_endpoint": endpoint})


def test_googles_emulator_is_missed_with_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TidewheelError, match="Google's Pub/Sub emulator is not installed here"):
        googles.command(8085, tmp_path)
