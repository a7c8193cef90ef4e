"""The bus on our Pub/Sub: published is what the broker has confirmed."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.adapters import bus
from shared.adapters.bus import Bus
from shared.errors import PassingError, PermanentError
from shared.settings import Settings
from tests.emulated import laptop
from tests.emulated.pubsub_servers import ours

SETTINGS = Settings(project="tidewheel-test", landing_bucket="l", quarantine_bucket="q", state_bucket="s")


def test_messages_are_there_when_publish_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ours(tmp_path / "pubsub.sqlite") as server:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", server.host)
        first, second = (server.subscription(server.topic()) for _ in range(2))
        topics = [server.subscriber.get_subscription(subscription=each).topic for each in (first, second)]
        messages = [(topic.rpartition("/")[2], b"{}", {"n": str(n)}) for n, topic in enumerate(topics)]
        ids = Bus(SETTINGS).publish(messages)
        pulled = [server.pull(each)[0].message for each in (first, second)]
        assert [each.message_id for each in pulled] == ids
        assert [dict(each.attributes) for each in pulled] == [{"n": "0"}, {"n": "1"}]


def test_what_no_broker_takes_is_told_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ours(tmp_path / "pubsub.sqlite") as server:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", server.host)
        with pytest.raises(PermanentError, match='no topic "no-such-topic"'):
            Bus(SETTINGS).publish([("no-such-topic", b"{}", {})])
        with pytest.raises(PermanentError, match="refuses a message"):
            Bus(SETTINGS).publish([(server.topic().rpartition("/")[2], b"", {})])


def test_a_broker_that_is_away_is_a_passing_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", f"127.0.0.1:{laptop.free_port()}")
    monkeypatch.setattr(bus, "CONFIRMATION_SECONDS", 0.5)
    with pytest.raises(PassingError, match="does not confirm a message on drop-received"):
        Bus(SETTINGS).publish([("drop-received", b"{}", {})])
