"""Dead letters on a real broker: seen without being taken, told what is the matter with them, and sent again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from shared.adapters.dead_letters import DeadLetters
from shared.adapters.storage import Storage
from shared.errors import PassingError, TidewheelError
from shared.lifecycle.dead_letters import NOTHING, diagnose, topic_of
from shared.lifecycle.events import TrainingRequested
from shared.lifecycle.ledger import Ledger, folder_of
from shared.lifecycle.services import Services
from tests.emulated import laptop, pubsub_servers
from tests.emulated.endpoint import Endpoint
from tests.emulated.pubsub_servers import QUICK, PubSub
from tests.emulated.state_fixtures import SETTINGS

POISON = b'{"model": "taxi_fare"}'
AT = "2026-01-02T03:04:05.678+00:00"
SOURCE = "CloudPubSubDeadLetterSource"
OF_TRAINING = {f"{SOURCE}Subscription": "launch_training-training-requested", f"{SOURCE}TopicPublishTime": AT}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PubSub]:
    with pubsub_servers.ours(tmp_path_factory.mktemp("pubsub") / "pubsub.sqlite") as running:
        yield running


@pytest.fixture
def topic(server: PubSub) -> str:
    return server.topic()


@pytest.fixture
def letters(server: PubSub, topic: str, monkeypatch: pytest.MonkeyPatch) -> DeadLetters:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", server.host)
    return DeadLetters(SETTINGS, server.subscription(topic).rpartition("/")[2])


def log_row(message_id: str, data: bytes, at: str = AT, topic: str = "training-requested") -> dict[str, Any]:
    name = f"projects/p/subscriptions/log-{topic}"
    moment = datetime.fromisoformat(at).astimezone(UTC)
    return {"subscription_name": name, "message_id": message_id, "publish_time": moment, "data": data.decode()}


def services(storage: Storage | None = None, *rows: dict[str, Any]) -> Services:
    """What a diagnosis looks at: the ledger and the log."""
    ledger = Ledger(storage, SETTINGS.state_bucket) if storage else SimpleNamespace(last_error=lambda *_: None)
    warehouse = SimpleNamespace(log=lambda **_: list(rows))
    return cast(Services, SimpleNamespace(ledger=ledger, warehouse=warehouse))


def test_letters_are_seen_as_often_as_one_looks(server: PubSub, topic: str, letters: DeadLetters) -> None:
    assert letters.peek() == []
    ids = [server.publish(topic, b"%d" % number) for number in range(3)]
    assert [letter.id for letter in letters.peek()] == [letter.id for letter in letters.peek()] == ids


def test_what_was_acknowledged_is_gone_and_the_rest_stays(server: PubSub, topic: str, letters: DeadLetters) -> None:
    first, second = server.publish(topic, b"1"), server.publish(topic, b"2")
    with letters.held() as held:
        assert letters.peek() == [], "nobody else has them meanwhile"
        letters.acknowledge(next(letter for letter in held if letter.id == first))
    assert [letter.id for letter in letters.peek()] == [second]


def test_a_letter_tells_what_its_message_was(
    server: PubSub, topic: str, letters: DeadLetters, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, dead = server.topic(), {"dead_letter_policy": {"dead_letter_topic": topic, "max_delivery_attempts": 5}}
    with Endpoint(*[500] * 5) as endpoint:
        name = server.subscription(source, push_config=endpoint.push_config, retry_policy=QUICK, **dead)
        server.publish(source, POISON, colour="blue")
        laptop.wait_for(lambda: bool(letters.peek()))
    [letter] = letters.peek()
    assert (letter.data, letter.attributes, letter.attempts) == (POISON, {"colour": "blue"}, 5)
    assert letter.subscription == name.rpartition("/")[2]
    assert letter.sent_at


def test_a_message_that_somebody_has_put_there_by_hand_is_a_letter_too(
    server: PubSub, topic: str, letters: DeadLetters
) -> None:
    server.publish(topic, b"{", **{f"{SOURCE}DeliveryCount": "many", f"{SOURCE}TopicPublishTime": "then"})
    [letter] = letters.peek()
    assert (letter.subscription, letter.attempts, letter.sent_at) == ("", 0, None)
    [known] = diagnose([letter], services())
    assert (known.topic, known.subject) == ("", f"message {letter.id}")
    assert "does not say at which subscription" in known.error


def test_without_its_subscription_the_remedy_is_told(letters: DeadLetters) -> None:
    with pytest.raises(TidewheelError, match="there is no subscription"):
        DeadLetters(SETTINGS, "no-such-subscription").peek()


def test_the_last_error_and_the_first_id_are_told(
    server: PubSub, topic: str, letters: DeadLetters, storage: Storage
) -> None:
    server.publish(topic, POISON, **OF_TRAINING, **{f"{SOURCE}DeliveryCount": "40"})
    known = services(storage, log_row("6", POISON, AT.replace("678", "679")), log_row("7", POISON))
    event = TrainingRequested(model="taxi_fare", request="7", story="7")
    for fault in ("first", "last"):
        with pytest.raises(PassingError):
            known.ledger.run("launch_training", event, lambda fault=fault: _raise(fault), lambda _: None)  # type: ignore[misc]
    [found] = diagnose(letters.peek(), known)
    assert (found.topic, found.event, found.subject, found.first_id) == ("training-requested", *told(event), "7")
    assert found.error == "PassingError: last"
    assert found.resent() == ("training-requested", POISON, {"first-message-id": "7"})


def told(event: TrainingRequested) -> tuple[str, str]:
    return type(event).__name__, event.subject


def _raise(fault: str) -> Any:
    raise PassingError(fault)


def test_a_letter_that_comes_back_once_more_keeps_its_first_id(
    server: PubSub, topic: str, letters: DeadLetters
) -> None:
    server.publish(topic, POISON, **OF_TRAINING, **{"first-message-id": "3"})
    [found] = diagnose(letters.peek(), services(None, log_row("7", POISON)))
    assert (found.first_id, found.subject, found.error) == ("3", "3", NOTHING)


def test_where_the_log_is_away_a_letter_has_its_own_id(server: PubSub, topic: str, letters: DeadLetters) -> None:
    def away(**_: Any) -> Any:
        raise PassingError("away")

    server.publish(topic, POISON, **OF_TRAINING)
    without = services()
    cast(Any, without.warehouse).log = away
    [found] = diagnose(letters.peek(), without)
    assert found.first_id == found.letter.id


def test_the_next_epoch_is_the_first_that_nobody_has_begun(storage: Storage) -> None:
    ledger = Ledger(storage, SETTINGS.state_bucket)
    event = TrainingRequested(model="taxi_fare", request="8")
    assert ledger.unbegun("train", event).epoch == 0
    ledger.run("train", event, list, lambda _: None)
    assert ledger.unbegun("train", event).epoch == 1
    assert ledger.last_error("train", event) is None
    with pytest.raises(PassingError):
        ledger.run("train", ledger.unbegun("train", event), lambda: _raise("no"), lambda _: None)
    assert ledger.unbegun("train", event).epoch == 2
    # A claim that somebody has tidied away is no licence to begin where all is done.
    storage.delete(SETTINGS.state_bucket, f"{folder_of('train', event)}/claim-1")
    assert ledger.unbegun("train", event).epoch == 2


@pytest.mark.parametrize(
    ("subscription", "topic"),
    [
        ("preprocess-drop-received", "drop-received"),
        ("promote-model-trained", "model-trained"),
        ("somebody-step-failed", "step-failed"),
        ("nobody", ""),
        ("", ""),
    ],
)
def test_the_topic_is_told_from_the_subscription(subscription: str, topic: str) -> None:
    assert topic_of(subscription) == topic
