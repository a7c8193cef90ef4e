"""What one subscription still has to deliver: messages that are ready, leased, or waiting for their retry."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from itertools import takewhile
from typing import Any

from deploy.local.pubsub.refusals import not_found
from deploy.local.pubsub.store import Change, Store

Proto = Any
FORGET_DELIVERY = "DELETE FROM deliveries WHERE message = ? AND subscription = ?"
FORGET_MESSAGE = "DELETE FROM messages WHERE id = ?"
COUNT_FAILURE = "UPDATE deliveries SET failures = ? WHERE message = ? AND subscription = ?"
# Google's answer to an endpoint that fails, where a subscription has no retry policy; without it a dead endpoint would
# be called thousands of times a second.
PUSH_BACKOFF_SECONDS = (0.1, 60.0)


class Message:
    """One message, shared by the subscriptions that still have to deliver it."""

    __slots__ = ("id", "pending", "proto")

    def __init__(self, message_id: int, proto: Proto) -> None:
        self.id = message_id
        self.proto = proto
        self.pending = 0


class Delivery:
    """One message on its way to one subscription."""

    __slots__ = ("failures", "is_leased", "message", "on_release", "timer")

    def __init__(self, message: Message, failures: int = 0) -> None:
        self.message = message
        self.failures = failures
        self.is_leased = False
        self.timer: asyncio.TimerHandle | None = None
        self.on_release: Callable[[], None] | None = None
        message.pending += 1

    @property
    def ack_id(self) -> str:
        """Names this attempt, also after a restart: a failure ends the attempt and changes the name."""
        return f"{self.message.id}-{self.failures}"

    def release(self) -> None:
        """End the lease or the wait, whichever is on."""
        self.is_leased = False
        if self.timer:
            self.timer.cancel()
            self.timer = None
        if self.on_release:
            self.on_release()
            self.on_release = None


class Backlog:
    """The deliveries of one subscription. Everything here happens on the event loop's thread."""

    def __init__(self, subscription: Proto, store: Store, bury: Callable[[Backlog, Delivery], bool]) -> None:
        self.subscription = subscription
        self._store = store
        self._bury = bury
        self._deliveries: dict[int, Delivery] = {}
        self._ready: OrderedDict[int, Delivery] = OrderedDict()
        self._news = asyncio.Event()
        self._is_deleted = False
        self._loop = asyncio.get_running_loop()

    @property
    def name(self) -> str:
        """`projects/P/subscriptions/S`."""
        return self.subscription.name

    def add(self, delivery: Delivery) -> None:
        """One more to deliver."""
        self._deliveries[delivery.message.id] = delivery
        self._offer(delivery)

    async def take(self, limit: int, seconds: float | None, max_bytes: int = 10_000_000) -> list[Delivery]:
        """Lease at least one delivery, as soon as there is one; without seconds, for as long as the taker likes."""
        while not self._ready:
            self._news.clear()
            await self._news.wait()
            if self._is_deleted:
                raise not_found(self.name)
        taken: list[Delivery] = []
        size = 0
        while self._ready and len(taken) < limit and size < max_bytes:
            _, delivery = self._ready.popitem(last=False)
            size += delivery.message.proto.ByteSize()
            self._lease(delivery, seconds)
            taken.append(delivery)
        return taken

    def acknowledge(self, ack_ids: list[str]) -> list[Change]:
        """Those are done. A late acknowledgement counts too, as long as nobody has been given the message since."""
        found = [self._find(ack_id) for ack_id in ack_ids]
        return [change for delivery in found if delivery for change in self.settle(delivery)]

    def extend(self, ack_id: str, seconds: int) -> None:
        """Keep a leased message longer; 0 seconds give it back as failed."""
        delivery = self._find(ack_id)
        if delivery and delivery.is_leased:
            if seconds:
                self._lease(delivery, seconds, delivery.on_release)
            else:
                self.fail(delivery)

    def settle(self, delivery: Delivery) -> list[Change]:
        """Nothing more is to be done for this delivery: what has to be written so that this is remembered."""
        delivery.release()
        message = delivery.message
        if self._deliveries.pop(message.id, None) is None:
            return []
        self._ready.pop(message.id, None)
        message.pending -= 1
        forget = [Change(FORGET_DELIVERY, [(message.id, self.name)])]
        return forget if message.pending else [*forget, Change(FORGET_MESSAGE, [(message.id,)])]

    def done(self, delivery: Delivery) -> None:
        """Settled, and nobody waits for the disk."""
        self._store.write(*self.settle(delivery))

    def fail(self, delivery: Delivery) -> None:
        """Given back or run out of time: to the dead letters after the last attempt, else again after the back-off."""
        delivery.release()
        if delivery.message.id not in self._deliveries:
            return
        delivery.failures += 1
        if self._has_no_attempt_left(delivery) and self._bury(self, delivery):
            return
        self._store.write(Change(COUNT_FAILURE, [(delivery.failures, delivery.message.id, self.name)]))
        seconds = self._backoff_seconds(delivery.failures)
        if seconds:
            delivery.timer = self._loop.call_later(seconds, self._offer, delivery)
        else:
            self._offer(delivery)

    def give_back(self, delivery: Delivery) -> None:
        """Not delivered, through no fault of the subscriber: to be delivered again, at once."""
        delivery.release()
        if delivery.message.id in self._deliveries:
            self._offer(delivery)

    def drop_older_than(self, publish_seconds: float) -> list[Change]:
        """The end of what has waited longer than its retention; the oldest come first."""
        every = self._deliveries.values()
        old = list(takewhile(lambda each: each.message.proto.publish_time.seconds < publish_seconds, every))
        return [change for delivery in old for change in self.settle(delivery)]

    def delete(self) -> None:
        """The end of everything that waits, and of everybody who waits for it."""
        self._is_deleted = True
        self._news.set()
        for delivery in list(self._deliveries.values()):
            self.settle(delivery)

    def attempt(self, delivery: Delivery) -> int:
        """The number of this attempt, from 1; 0 for a subscription without dead letters, as Google has it."""
        return delivery.failures + 1 if self.subscription.HasField("dead_letter_policy") else 0

    def _lease(self, delivery: Delivery, seconds: float | None, on_release: Callable[[], None] | None = None) -> None:
        delivery.on_release = None
        delivery.release()
        delivery.is_leased, delivery.on_release = True, on_release
        if seconds:
            delivery.timer = self._loop.call_later(seconds, self.fail, delivery)

    def _offer(self, delivery: Delivery) -> None:
        delivery.timer = None
        self._ready[delivery.message.id] = delivery
        self._news.set()

    def _find(self, ack_id: str) -> Delivery | None:
        message_id, _, failures = ack_id.partition("-")
        delivery = self._deliveries.get(int(message_id)) if message_id.isdecimal() else None
        return delivery if delivery and failures == str(delivery.failures) else None

    def _has_no_attempt_left(self, delivery: Delivery) -> bool:
        policy = self.subscription.dead_letter_policy
        return bool(policy.dead_letter_topic) and delivery.failures >= policy.max_delivery_attempts

    def _backoff_seconds(self, failures: int) -> float:
        least, most = 0.0, 0.0
        if self.subscription.HasField("retry_policy"):
            policy = self.subscription.retry_policy
            least, most = policy.minimum_backoff.ToNanoseconds() / 1e9, policy.maximum_backoff.ToNanoseconds() / 1e9
        elif self.subscription.push_config.push_endpoint:
            least, most = PUSH_BACKOFF_SECONDS
        return min(most, least * 2.0 ** min(failures - 1, 30))
