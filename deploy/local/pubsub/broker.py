"""The topics and subscriptions, and the way of a message from its publisher to every backlog."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from functools import partial
from typing import Any

from google.pubsub_v1.types import pubsub as types

from deploy.local.pubsub.backlog import Backlog, Delivery, Message
from deploy.local.pubsub.push import Pusher
from deploy.local.pubsub.refusals import already_exists, not_found
from deploy.local.pubsub.store import Change, Store

Proto = Any
DELETED_TOPIC = "_deleted-topic_"
SWEEP_SECONDS = 60.0
KEEP_TOPIC = "INSERT INTO topics VALUES (?, ?)"
FORGET_TOPIC = "DELETE FROM topics WHERE name = ?"
KEEP_SUBSCRIPTION = "INSERT OR REPLACE INTO subscriptions VALUES (?, ?)"
FORGET_SUBSCRIPTION = "DELETE FROM subscriptions WHERE name = ?"
FORGET_ITS_DELIVERIES = "DELETE FROM deliveries WHERE subscription = ?"
FORGET_UNWANTED_MESSAGES = "DELETE FROM messages WHERE id NOT IN (SELECT message FROM deliveries)"
KEEP_MESSAGE = "INSERT INTO messages VALUES (?, ?)"
KEEP_DELIVERY = "INSERT INTO deliveries (message, subscription) VALUES (?, ?)"
SOURCE = "CloudPubSubDeadLetterSource"


class Broker:
    """All that there is, in memory; whatever has to survive is in the store as well, before it is confirmed."""

    def __init__(self, store: Store) -> None:
        self.topics: dict[str, Proto] = {}
        self.backlogs: dict[str, Backlog] = {}
        self._pushers: dict[str, Pusher] = {}
        self._store = store
        self._last_id = 0
        self._load()
        self._sweeper = asyncio.create_task(self._sweep_for_ever())

    async def create_topic(self, topic: Proto) -> None:
        """A topic that is new."""
        if topic.name in self.topics:
            raise already_exists(topic.name)
        self.topics[topic.name] = topic
        await self._commit(Change(KEEP_TOPIC, [(topic.name, topic.SerializeToString())]))

    async def delete_topic(self, name: str) -> None:
        """Its subscriptions stay and deliver what they have."""
        self.topic(name)
        del self.topics[name]
        orphans = self.subscriptions_of(name)
        for backlog in orphans:
            backlog.subscription.topic = DELETED_TOPIC
        await self._commit(Change(FORGET_TOPIC, [(name,)]), _keep_subscriptions(orphans))

    def topic(self, name: str) -> Proto:
        """The topic, which must exist."""
        if name not in self.topics:
            raise not_found(name)
        return self.topics[name]

    async def create_subscription(self, subscription: Proto) -> None:
        """A subscription that is new, to a topic that exists."""
        if subscription.name in self.backlogs:
            raise already_exists(subscription.name)
        self.topic(subscription.topic)
        await self._install(Backlog(subscription, self._store, self._bury))

    async def update_subscription(self, subscription: Proto) -> None:
        """New settings; they hold for the next attempt of each message."""
        backlog = self.backlog(subscription.name)
        if backlog.subscription.push_config.push_endpoint != subscription.push_config.push_endpoint:
            self._stop_pushing(backlog.name)
        backlog.subscription = subscription
        await self._install(backlog)

    async def delete_subscription(self, name: str) -> None:
        """With everything that waits there."""
        backlog = self.backlogs.pop(name, None)
        if backlog is None:
            raise not_found(name)
        self._stop_pushing(name)
        backlog.delete()
        # By name, not one by one: messages may be on their way to the disk that no backlog knows yet.
        forget = [Change(sql, [(name,)]) for sql in (FORGET_SUBSCRIPTION, FORGET_ITS_DELIVERIES)]
        await self._commit(*forget, Change(FORGET_UNWANTED_MESSAGES, [()]))

    def backlog(self, name: str) -> Backlog:
        """The subscription's backlog, which must exist."""
        if name not in self.backlogs:
            raise not_found(name)
        return self.backlogs[name]

    def subscriptions_of(self, topic: str) -> list[Backlog]:
        """Who gets a message that is published there now."""
        return [backlog for backlog in self.backlogs.values() if backlog.subscription.topic == topic]

    async def publish(self, topic: str, protos: Iterable[Proto]) -> list[str]:
        """The messages' ids, once the messages are safe; deliveries begin at the same moment."""
        self.topic(topic)
        messages = [self._new_message(proto) for proto in protos]
        backlogs = self.subscriptions_of(topic)
        if backlogs:
            # The deliveries must not depend on a publisher that waits for its answer: it may hang up.
            committed = self._store.commit(*_keep_messages(messages, backlogs))
            committed.add_done_callback(partial(self._deliver_committed, messages, backlogs))
            await asyncio.shield(committed)
        return [str(message.id) for message in messages]

    async def acknowledge(self, name: str, ack_ids: list[str]) -> None:
        """Done with those, also after a restart."""
        await self._commit(*self.backlog(name).acknowledge(ack_ids))

    async def close(self) -> None:
        """Stop pushing; what is under way is delivered again at the next start."""
        self._sweeper.cancel()
        for name in list(self._pushers):
            self._stop_pushing(name)

    def _load(self) -> None:
        for (blob,) in self._store.rows("SELECT proto FROM topics"):
            topic = types.Topic.pb().FromString(blob)
            self.topics[topic.name] = topic
        for (blob,) in self._store.rows("SELECT proto FROM subscriptions"):
            subscription = types.Subscription.pb().FromString(blob)
            self.backlogs[subscription.name] = Backlog(subscription, self._store, self._bury)
        self._load_deliveries()
        for backlog in self.backlogs.values():
            self._push_if_asked(backlog)

    def _load_deliveries(self) -> None:
        blobs = self._store.rows("SELECT id, proto FROM messages ORDER BY id")
        messages = {id_: Message(id_, types.PubsubMessage.pb().FromString(blob)) for id_, blob in blobs}
        self._last_id = max(messages, default=0)
        for id_, name, failures in self._store.rows("SELECT message, subscription, failures FROM deliveries"):
            self.backlogs[name].add(Delivery(messages[id_], failures))

    async def _install(self, backlog: Backlog) -> None:
        self.backlogs[backlog.name] = backlog
        await self._commit(_keep_subscriptions([backlog]))
        self._push_if_asked(backlog)

    def _push_if_asked(self, backlog: Backlog) -> None:
        is_current = self.backlogs.get(backlog.name) is backlog
        if backlog.subscription.push_config.push_endpoint and is_current and backlog.name not in self._pushers:
            self._pushers[backlog.name] = Pusher(backlog)

    def _stop_pushing(self, name: str) -> None:
        if pusher := self._pushers.pop(name, None):
            pusher.stop()

    def _new_message(self, proto: Proto) -> Message:
        # The clock keeps ids unique across restarts although acknowledged messages leave no trace in the store.
        self._last_id = max(self._last_id + 1, time.time_ns() // 1000)
        proto.message_id = str(self._last_id)
        proto.publish_time.FromMilliseconds(time.time_ns() // 1_000_000)
        return Message(self._last_id, proto)

    def _deliver_committed(self, messages: list[Message], backlogs: list[Backlog], done: asyncio.Future[None]) -> None:
        if done.exception() is None:
            self._deliver(messages, backlogs)

    def _deliver(self, messages: list[Message], backlogs: list[Backlog]) -> None:
        for backlog in backlogs:
            # It may have been deleted while the messages were written.
            if self.backlogs.get(backlog.name) is backlog:
                for message in messages:
                    backlog.add(Delivery(message))

    def _bury(self, backlog: Backlog, delivery: Delivery) -> bool:
        """Publish to the dead letters and settle, in one transaction; false where the topic is gone."""
        topic = backlog.subscription.dead_letter_policy.dead_letter_topic
        if topic not in self.topics:
            return False
        message = self._new_message(_dead_letter(backlog, delivery))
        mourners = self.subscriptions_of(topic)
        self._store.write(*_keep_messages([message] if mourners else [], mourners), *backlog.settle(delivery))
        self._deliver([message], mourners)
        return True

    async def _commit(self, *changes: Change) -> None:
        await asyncio.shield(self._store.commit(*changes))

    async def _sweep_for_ever(self) -> None:
        while True:
            for backlog in self.backlogs.values():
                retention_seconds = backlog.subscription.message_retention_duration.ToSeconds()
                self._store.write(*backlog.drop_older_than(time.time() - retention_seconds))
            await asyncio.sleep(SWEEP_SECONDS)


def _keep_subscriptions(backlogs: list[Backlog]) -> Change:
    return Change(KEEP_SUBSCRIPTION, [(each.name, each.subscription.SerializeToString()) for each in backlogs])


def _keep_messages(messages: list[Message], backlogs: list[Backlog]) -> list[Change]:
    return [
        Change(KEEP_MESSAGE, [(message.id, message.proto.SerializeToString()) for message in messages]),
        Change(KEEP_DELIVERY, [(message.id, backlog.name) for message in messages for backlog in backlogs]),
    ]


def _dead_letter(backlog: Backlog, delivery: Delivery) -> Proto:
    """The message as it was, with Google's attributes that tell where it failed."""
    original = delivery.message.proto
    _, project, _, subscription = backlog.name.split("/")
    letter = types.PubsubMessage.pb()(data=original.data, attributes=dict(original.attributes))
    letter.ordering_key = original.ordering_key
    letter.attributes[f"{SOURCE}DeliveryCount"] = str(delivery.failures)
    letter.attributes[f"{SOURCE}Subscription"] = subscription
    letter.attributes[f"{SOURCE}SubscriptionProject"] = project
    publish_time = original.publish_time.ToDatetime().isoformat(timespec="milliseconds")
    letter.attributes[f"{SOURCE}TopicPublishTime"] = f"{publish_time}+00:00"
    return letter
