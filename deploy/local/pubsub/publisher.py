"""The service google.pubsub.v1.Publisher."""

from __future__ import annotations

from typing import Any, ClassVar

from google.protobuf.empty_pb2 import Empty
from google.pubsub_v1.types import pubsub as types

from deploy.local.pubsub import checks
from deploy.local.pubsub.broker import Broker
from deploy.local.pubsub.paging import page

Proto = Any


class Publisher:
    """Topics, and messages published to them."""

    name = "google.pubsub.v1.Publisher"
    requests: ClassVar[dict[str, Any]] = {
        "CreateTopic": types.Topic,
        "GetTopic": types.GetTopicRequest,
        "ListTopics": types.ListTopicsRequest,
        "ListTopicSubscriptions": types.ListTopicSubscriptionsRequest,
        "DeleteTopic": types.DeleteTopicRequest,
        "Publish": types.PublishRequest,
    }

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def CreateTopic(self, topic: Proto, context: Any) -> Proto:
        """A new topic."""
        checks.check_name(topic.name, "topics")
        checks.check_fields(topic, checks.TOPIC_FIELDS)
        topic.state = types.Topic.State.ACTIVE
        await self._broker.create_topic(topic)
        return topic

    async def GetTopic(self, request: Proto, context: Any) -> Proto:
        """One topic."""
        checks.check_name(request.topic, "topics")
        return self._broker.topic(request.topic)

    async def ListTopics(self, request: Proto, context: Any) -> Proto:
        """A project's topics."""
        checks.check_project(request.project)
        names, token = page(self._broker.topics, f"{request.project}/topics/", request)
        topics = [self._broker.topics[name] for name in names]
        return types.ListTopicsResponse.pb()(topics=topics, next_page_token=token)

    async def ListTopicSubscriptions(self, request: Proto, context: Any) -> Proto:
        """The names of a topic's subscriptions."""
        self._broker.topic(request.topic)
        subscribed = [backlog.name for backlog in self._broker.subscriptions_of(request.topic)]
        names, token = page(subscribed, "", request)
        return types.ListTopicSubscriptionsResponse.pb()(subscriptions=names, next_page_token=token)

    async def DeleteTopic(self, request: Proto, context: Any) -> Proto:
        """The topic goes, its subscriptions stay."""
        checks.check_name(request.topic, "topics")
        await self._broker.delete_topic(request.topic)
        return Empty()

    async def Publish(self, request: Proto, context: Any) -> Proto:
        """Ids of messages that are safe."""
        checks.check_name(request.topic, "topics")
        checks.check_messages(request.messages)
        ids = await self._broker.publish(request.topic, request.messages)
        return types.PublishResponse.pb()(message_ids=ids)
