"""The service google.pubsub.v1.Subscriber."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, ClassVar

import grpc
from google.protobuf.empty_pb2 import Empty
from google.pubsub_v1.types import pubsub as types

from deploy.local.pubsub import checks
from deploy.local.pubsub.backlog import Backlog, Delivery
from deploy.local.pubsub.broker import Broker
from deploy.local.pubsub.paging import page
from deploy.local.pubsub.refusals import Refused, invalid
from deploy.local.pubsub.streaming import Stream

Proto = Any
LONGEST_PULL_SECONDS = 20.0
# A pull is answered, if need be with nothing, before its caller loses patience.
MARGIN_SECONDS = 0.3


class Subscriber:
    """Subscriptions, and messages pulled from them."""

    name = "google.pubsub.v1.Subscriber"
    requests: ClassVar[dict[str, Any]] = {
        "CreateSubscription": types.Subscription,
        "GetSubscription": types.GetSubscriptionRequest,
        "ListSubscriptions": types.ListSubscriptionsRequest,
        "UpdateSubscription": types.UpdateSubscriptionRequest,
        "ModifyPushConfig": types.ModifyPushConfigRequest,
        "DeleteSubscription": types.DeleteSubscriptionRequest,
        "Pull": types.PullRequest,
        "Acknowledge": types.AcknowledgeRequest,
        "ModifyAckDeadline": types.ModifyAckDeadlineRequest,
    }
    streams: ClassVar[dict[str, Any]] = {"StreamingPull": types.StreamingPullRequest}

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def CreateSubscription(self, subscription: Proto, context: Any) -> Proto:
        """A new subscription, which gets what is published from now on."""
        checks.check_name(subscription.name, "subscriptions")
        checks.check_name(subscription.topic, "topics")
        self._complete(subscription)
        await self._broker.create_subscription(subscription)
        return subscription

    async def GetSubscription(self, request: Proto, context: Any) -> Proto:
        """One subscription."""
        return self._backlog(request.subscription).subscription

    async def ListSubscriptions(self, request: Proto, context: Any) -> Proto:
        """A project's subscriptions."""
        checks.check_project(request.project)
        names, token = page(self._broker.backlogs, f"{request.project}/subscriptions/", request)
        subscriptions = [self._broker.backlogs[name].subscription for name in names]
        return types.ListSubscriptionsResponse.pb()(subscriptions=subscriptions, next_page_token=token)

    async def UpdateSubscription(self, request: Proto, context: Any) -> Proto:
        """The fields that the mask names, as the request has them."""
        checks.check_mask(request.update_mask)
        subscription = _copy(self._backlog(request.subscription.name).subscription)
        request.update_mask.MergeMessage(request.subscription, subscription, True, True)
        return await self._update(subscription)

    async def ModifyPushConfig(self, request: Proto, context: Any) -> Proto:
        """Another endpoint; an empty configuration makes it a pull subscription."""
        subscription = _copy(self._backlog(request.subscription).subscription)
        subscription.push_config.CopyFrom(request.push_config)
        await self._update(subscription)
        return Empty()

    async def DeleteSubscription(self, request: Proto, context: Any) -> Proto:
        """With what waits there."""
        checks.check_name(request.subscription, "subscriptions")
        await self._broker.delete_subscription(request.subscription)
        return Empty()

    async def Pull(self, request: Proto, context: Any) -> Proto:
        """Messages as soon as there are some, or nothing after a while."""
        backlog = self._pulled(request)
        if request.max_messages < 1:
            raise invalid(f"max_messages is {request.max_messages}; it must be at least 1.")
        patience = 0.0 if request.return_immediately else context.time_remaining() or LONGEST_PULL_SECONDS
        taken: list[Delivery] = []
        try:
            async with asyncio.timeout(min(LONGEST_PULL_SECONDS, max(0.0, patience - MARGIN_SECONDS))):
                taken = await backlog.take(min(request.max_messages, 1000), backlog.subscription.ack_deadline_seconds)
        except TimeoutError:
            pass
        return types.PullResponse.pb()(received_messages=[received(backlog, delivery) for delivery in taken])

    async def Acknowledge(self, request: Proto, context: Any) -> Proto:
        """Not to be delivered again."""
        checks.check_name(request.subscription, "subscriptions")
        await self._broker.acknowledge(request.subscription, request.ack_ids)
        return Empty()

    async def ModifyAckDeadline(self, request: Proto, context: Any) -> Proto:
        """Longer, or given back."""
        checks.check_range("ack_deadline_seconds", request.ack_deadline_seconds, 0, 600)
        backlog = self._backlog(request.subscription)
        for ack_id in request.ack_ids:
            backlog.extend(ack_id, request.ack_deadline_seconds)
        return Empty()

    async def StreamingPull(self, requests: AsyncIterator[Proto], context: Any) -> AsyncIterator[Proto]:
        """Messages for as long as the client listens."""
        first = await anext(requests, None)
        if first is None:
            raise invalid("A streaming pull begins with a request that names the subscription.")
        checks.check_range("stream_ack_deadline_seconds", first.stream_ack_deadline_seconds, 10, 600)
        stream = Stream(self._broker, self._pulled(first), first)
        async for batch in stream.serve(requests):
            messages = [received(stream.backlog, delivery) for delivery in batch]
            yield types.StreamingPullResponse.pb()(received_messages=messages)

    def _complete(self, subscription: Proto) -> None:
        """Google's defaults, then Google's checks."""
        fill_defaults(subscription)
        checks.check_subscription(subscription)
        if subscription.HasField("dead_letter_policy"):
            self._broker.topic(subscription.dead_letter_policy.dead_letter_topic)

    async def _update(self, subscription: Proto) -> Proto:
        self._complete(subscription)
        await self._broker.update_subscription(subscription)
        return subscription

    def _backlog(self, name: str) -> Backlog:
        checks.check_name(name, "subscriptions")
        return self._broker.backlog(name)

    def _pulled(self, request: Proto) -> Backlog:
        backlog = self._backlog(request.subscription)
        if backlog.subscription.push_config.push_endpoint:
            sentence = (
                f"{backlog.name} pushes to {backlog.subscription.push_config.push_endpoint}; it cannot be pulled."
            )
            raise Refused(grpc.StatusCode.FAILED_PRECONDITION, sentence)
        return backlog


def fill_defaults(subscription: Proto) -> None:
    """What Google sets where a request says nothing."""
    subscription.state = types.Subscription.State.ACTIVE
    subscription.ack_deadline_seconds = subscription.ack_deadline_seconds or 10
    if not subscription.HasField("message_retention_duration"):
        subscription.message_retention_duration.seconds = 7 * checks.DAY_SECONDS
    if subscription.HasField("dead_letter_policy"):
        policy = subscription.dead_letter_policy
        policy.max_delivery_attempts = policy.max_delivery_attempts or 5
    if subscription.HasField("retry_policy"):
        for field, seconds in (("minimum_backoff", 10), ("maximum_backoff", 600)):
            if not subscription.retry_policy.HasField(field):
                getattr(subscription.retry_policy, field).seconds = seconds


def received(backlog: Backlog, delivery: Delivery) -> Proto:
    """A message as a pull gives it."""
    message, attempt = delivery.message.proto, backlog.attempt(delivery)
    return types.ReceivedMessage.pb()(ack_id=delivery.ack_id, message=message, delivery_attempt=attempt)


def _copy(proto: Proto) -> Proto:
    copy = type(proto)()
    copy.CopyFrom(proto)
    return copy
