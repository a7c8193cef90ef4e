"""One streaming pull: batches to the client, and what the client sends back on the same stream."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from typing import Any

from deploy.local.pubsub.backlog import Backlog, Delivery
from deploy.local.pubsub.broker import Broker
from deploy.local.pubsub.refusals import invalid

Proto = Any
BATCH = 1000


class Stream:
    """Keeps at most as much with the client as it asked for."""

    def __init__(self, broker: Broker, backlog: Backlog, first: Proto) -> None:
        self.backlog = backlog
        self._broker = broker
        self._lease_seconds = first.stream_ack_deadline_seconds
        # Zero or less means without bound, as at Google's.
        self._max_messages = first.max_outstanding_messages if first.max_outstanding_messages > 0 else math.inf
        self._max_bytes = first.max_outstanding_bytes if first.max_outstanding_bytes > 0 else math.inf
        self._messages = self._bytes = 0
        self._room = asyncio.Event()

    async def serve(self, requests: AsyncIterator[Proto]) -> AsyncIterator[list[Delivery]]:
        """Batches until the client has said all that it has to say."""
        listener = asyncio.create_task(self._listen(requests))
        try:
            while batch := await self._next_batch(listener):
                yield batch
        finally:
            listener.cancel()
        listener.result()

    async def _next_batch(self, listener: asyncio.Task[None]) -> list[Delivery]:
        batch = asyncio.create_task(self._take())
        try:
            await asyncio.wait([batch, listener], return_when=asyncio.FIRST_COMPLETED)
            return batch.result() if batch.done() else []
        finally:
            batch.cancel()

    async def _take(self) -> list[Delivery]:
        while not self._has_room():
            self._room.clear()
            await self._room.wait()
        limit = int(min(BATCH, self._max_messages - self._messages))
        max_bytes = int(min(10_000_000, self._max_bytes - self._bytes))
        batch = await self.backlog.take(limit, self._lease_seconds, max_bytes)
        for delivery in batch:
            self._hold(delivery)
        return batch

    def _has_room(self) -> bool:
        return self._messages < self._max_messages and self._bytes < self._max_bytes

    def _hold(self, delivery: Delivery) -> None:
        size = delivery.message.proto.ByteSize()
        self._count(1, size)
        delivery.on_release = lambda: self._count(-1, -size)

    def _count(self, messages: int, size: int) -> None:
        self._messages += messages
        self._bytes += size
        self._room.set()

    async def _listen(self, requests: AsyncIterator[Proto]) -> None:
        async for request in requests:
            await self._follow(request)

    async def _follow(self, request: Proto) -> None:
        if len(request.modify_deadline_ack_ids) != len(request.modify_deadline_seconds):
            raise invalid("modify_deadline_ack_ids and modify_deadline_seconds differ in length.")
        if request.stream_ack_deadline_seconds:
            self._lease_seconds = request.stream_ack_deadline_seconds
        if request.ack_ids:
            await self._broker.acknowledge(self.backlog.name, request.ack_ids)
        for ack_id, seconds in zip(request.modify_deadline_ack_ids, request.modify_deadline_seconds, strict=True):
            self.backlog.extend(ack_id, seconds)
