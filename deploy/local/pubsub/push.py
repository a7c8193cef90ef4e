"""Push: a subscription's messages POSTed to its endpoint, in the wrapping that Google uses."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from typing import Any

from deploy.local.pubsub.backlog import Backlog, Delivery
from deploy.local.pubsub.http import Endpoint, HttpError

log = logging.getLogger(__name__)
WORKERS = 8
ACKNOWLEDGING = {102, 200, 201, 202, 204}


class Pusher:
    """A few workers for one subscription: an endpoint that hangs holds up nobody else's messages."""

    def __init__(self, backlog: Backlog) -> None:
        self._backlog = backlog
        self._endpoint = Endpoint(backlog.subscription.push_config.push_endpoint)
        self._workers = [asyncio.create_task(self._work()) for _ in range(WORKERS)]

    def stop(self) -> None:
        """Give back what is under way; nobody can know whether it arrived."""
        for worker in self._workers:
            worker.cancel()
        self._endpoint.close()

    async def _work(self) -> None:
        while True:
            [delivery] = await self._backlog.take(1, seconds=None)
            try:
                await self._push(delivery)
            except asyncio.CancelledError:
                self._backlog.give_back(delivery)
                raise

    async def _push(self, delivery: Delivery) -> None:
        refusal = await self._post(delivery)
        if refusal is None:
            return self._backlog.done(delivery)
        log.info("%s: attempt %d failed: %s", self._backlog.name, delivery.failures + 1, refusal)
        self._backlog.fail(delivery)

    async def _post(self, delivery: Delivery) -> str | None:
        """None when the endpoint acknowledges, else what it did instead."""
        deadline_seconds = self._backlog.subscription.ack_deadline_seconds
        try:
            async with asyncio.timeout(deadline_seconds):
                status = await self._endpoint.post(payload(self._backlog, delivery))
        except TimeoutError:
            return f"no answer within {deadline_seconds} s"
        except (OSError, HttpError) as error:
            return str(error)
        return None if status in ACKNOWLEDGING else f"answered {status}"


def payload(backlog: Backlog, delivery: Delivery) -> bytes:
    """The body of a wrapped push; Google gives the id and the time under two names each."""
    proto = delivery.message.proto
    published = proto.publish_time.ToJsonString()
    message: dict[str, Any] = {"data": base64.b64encode(proto.data).decode()}
    message |= {"messageId": proto.message_id, "message_id": proto.message_id}
    message |= {"publishTime": published, "publish_time": published}
    if proto.attributes:
        message["attributes"] = dict(proto.attributes)
    if proto.ordering_key:
        message["orderingKey"] = proto.ordering_key
    body: dict[str, Any] = {"message": message, "subscription": backlog.name}
    if attempt := backlog.attempt(delivery):
        body["deliveryAttempt"] = attempt
    return json.dumps(body).encode()
