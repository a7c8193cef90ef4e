"""The gRPC server: which methods there are, and a sentence for every one that there is not."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc

from deploy.local.pubsub.broker import Broker
from deploy.local.pubsub.publisher import Publisher
from deploy.local.pubsub.refusals import Refused, unsupported
from deploy.local.pubsub.subscriber import Subscriber

log = logging.getLogger(__name__)
OPTIONS = [
    # A port that is taken is an error, not a second server beside the first.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", 20_000_000),
    ("grpc.max_send_message_length", 40_000_000),
    # The official client pings an idle streaming pull every 30 s; by default a server hangs up on that.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
]


def make_server(broker: Broker) -> grpc.aio.Server:
    """A server of both services, not yet bound to a port."""
    server = grpc.aio.server(options=OPTIONS)
    services = [Publisher(broker), Subscriber(broker)]
    server.add_generic_rpc_handlers([*(handler_of(service) for service in services), Unsupported()])
    return server


def handler_of(service: Any) -> grpc.GenericRpcHandler:
    """The methods of one service, on the messages of the official client."""
    methods = {name: _unary(service, name, request) for name, request in service.requests.items()}
    methods |= {name: _stream(service, name, request) for name, request in getattr(service, "streams", {}).items()}
    return grpc.method_handlers_generic_handler(service.name, methods)


class Unsupported(grpc.GenericRpcHandler):
    """Asked last: refuses every method that nobody serves."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        """A method that only refuses."""
        refused = unsupported(handler_call_details.method.removeprefix("/"))

        async def refuse(requests: AsyncIterator[bytes], context: Any) -> None:
            await context.abort(refused.code, refused.sentence)

        return grpc.stream_stream_rpc_method_handler(refuse)


def _unary(service: Any, name: str, request_type: Any) -> grpc.RpcMethodHandler:
    method = getattr(service, name)

    async def answer(request: Any, context: Any) -> Any:
        try:
            return await method(request, context)
        except (Refused, sqlite3.Error) as error:
            return await _abort(context, error)

    return grpc.unary_unary_rpc_method_handler(answer, request_type.pb().FromString, _serialize)


def _stream(service: Any, name: str, request_type: Any) -> grpc.RpcMethodHandler:
    method: Callable[..., AsyncIterator[Any]] = getattr(service, name)

    async def answer(requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        try:
            async for response in method(requests, context):
                yield response
        except (Refused, sqlite3.Error) as error:
            await _abort(context, error)

    return grpc.stream_stream_rpc_method_handler(answer, request_type.pb().FromString, _serialize)


def _serialize(proto: Any) -> bytes:
    return proto.SerializeToString()


async def _abort(context: Any, error: Refused | sqlite3.Error) -> Any:
    if isinstance(error, Refused):
        return await context.abort(error.code, error.sentence)
    return await context.abort(grpc.StatusCode.INTERNAL, f"The messages' file cannot be written: {error}.")
