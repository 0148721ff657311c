"""The same handlers over the Connect protocol and gRPC-Web, for browsers and curl.

connectrpc reads and writes the protocols; here its calls are made to look like grpc's, so that every call goes through
the very handlers that the gRPC port has: the guard, with its parsing, statuses, spans and cancellation, and what is
behind it. The only module that knows connectrpc, which the extra `web` brings.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn

import grpc
from connectrpc.code import Code
from connectrpc.codec import Codec
from connectrpc.errors import ConnectError
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from connectrpc.server import ConnectASGIApplication, Endpoint
from google.protobuf.json_format import MessageToJson
from google.rpc import status_pb2
from protobuf.wkt import Any as ConnectAny

from tierwise.v1 import router_pb2
from tierwise_server.rpc.guard import JsonText
from tierwise_server.rpc.service import SERVICE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from connectrpc.request import RequestContext
    from google.protobuf.message import Message

    Context = RequestContext[Any, Any]
    Metadata = tuple[tuple[str, str | bytes], ...]

_DETAILS: Final = "grpc-status-details-bin"


class RouterApplication(ConnectASGIApplication["grpc.GenericRpcHandler"]):
    """RouterService as an ASGI application.

    Args:
        handler: answers the calls; grpc's own, as its port has it.
        max_message_bytes: the longest request.
    """

    def __init__(self, handler: grpc.GenericRpcHandler, *, max_message_bytes: int) -> None:
        super().__init__(
            service=handler,
            endpoints=_endpoints,
            read_max_bytes=max_message_bytes,
            # Tokens come in small pieces, and what a stranger compressed may be a bomb.
            compressions=(),
            codecs=(_Binary(), _Json()),
        )

    @property
    def path(self) -> str:
        """Where the methods are."""
        return f"/{SERVICE}"


class _Binary(Codec[Any, Any]):
    """Leaves requests to the guard to parse, as they came."""

    def name(self) -> str:
        return "proto"

    def encode(self, message: Message) -> bytes:
        return message.SerializeToString()

    def decode(self, data: bytes | bytearray, message_class: type[Any]) -> bytes:  # noqa: ARG002 - the codec's signature
        return bytes(data)


class _Json(Codec[Any, Any]):
    """The same for JSON. A line ends each answer, so that a stream can be read in a terminal."""

    def name(self) -> str:
        return "json"

    def encode(self, message: Message) -> bytes:
        return f"{MessageToJson(message, indent=None)}\n".encode()

    def decode(self, data: bytes | bytearray, message_class: type[Any]) -> bytes:  # noqa: ARG002 - the codec's signature
        return JsonText(data)


@dataclass
class _Asked:
    """What a generic handler of grpc is asked by."""

    method: str
    invocation_metadata: Metadata = ()


def _endpoints(handler: grpc.GenericRpcHandler) -> Mapping[str, Any]:
    route = MethodInfo(
        name="Route",
        service_name=SERVICE,
        input=router_pb2.RouteRequest,
        output=router_pb2.RouteResponse,
        idempotency_level=IdempotencyLevel.NO_SIDE_EFFECTS,
        stream_type=StreamType.UNARY,
    )
    generate = MethodInfo(
        name="Generate",
        service_name=SERVICE,
        input=router_pb2.GenerateRequest,
        output=router_pb2.GenerateResponse,
        idempotency_level=IdempotencyLevel.UNKNOWN,
        stream_type=StreamType.SERVER_STREAM,
    )
    # Any: grpc's types are those of its sync API, and the requests are as yet undecoded.
    routing: Any = handler.service(_Asked(f"/{SERVICE}/Route"))
    generating: Any = handler.service(_Asked(f"/{SERVICE}/Generate"))

    async def answer(raw: Any, context: Context) -> router_pb2.RouteResponse:
        response: router_pb2.RouteResponse = await routing.unary_unary(raw, WebCall(context))
        return response

    def stream(raw: Any, context: Context) -> AsyncIterator[router_pb2.GenerateResponse]:
        return Relay(lambda write: generating.unary_stream(raw, WebCall(context, write)))

    return {
        f"/{SERVICE}/Route": Endpoint.unary(route, answer),
        f"/{SERVICE}/Generate": Endpoint.server_stream(generate, stream),
    }


class WebCall:
    """A call over the web, as the guard knows calls: what grpc's context has of it."""

    def __init__(
        self, context: Context, write: Callable[[Message], Awaitable[None]] | None = None
    ) -> None:
        self._context = context
        if write is not None:
            self.write = write

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        """The request's headers."""
        return tuple(
            (name.lower(), value) for name, value in self._context.request_headers.allitems()
        )

    def auth_context(self) -> Mapping[str, Sequence[bytes]]:
        """Nothing: the HTTP server below checks client certificates and does not hand them on."""
        return {}

    def peer(self) -> str:
        """Where the call comes from, as grpc writes it."""
        address = self._context.client_address or ""
        return f"{'ipv4' if address.count(':') == 1 else 'ipv6'}:{address}"

    def time_remaining(self) -> float | None:
        """Seconds until the caller's deadline; None without one."""
        left_ms = self._context.timeout_ms
        return None if left_ms is None else left_ms / 1000

    def set_trailing_metadata(self, metadata: Metadata) -> None:
        """Send this after the answer."""
        for name, value in metadata:
            self._context.response_trailers[name] = str(value)

    async def abort(
        self,
        code: grpc.StatusCode,
        message: str,
        trailers: Metadata,
    ) -> NoReturn:
        """End the call with a status; the details are the ones that gRPC's trailers carry."""
        packed = dict(trailers).get(_DETAILS, b"")
        status = status_pb2.Status.FromString(packed if isinstance(packed, bytes) else b"")
        self.set_trailing_metadata(tuple(pair for pair in trailers if pair[0] != _DETAILS))
        raise ConnectError(
            _CODES[code],
            message,
            [ConnectAny(type_url=any_.type_url, value=any_.value) for any_ in status.details],
        )


_CODES: Final[Mapping[grpc.StatusCode, Code]] = {
    status: Code.CANCELED if status is grpc.StatusCode.CANCELLED else Code[status.name]
    for status in grpc.StatusCode
    if status is not grpc.StatusCode.OK
}


class Relay(AsyncIterator[router_pb2.GenerateResponse]):
    """Turns a method that writes its answers into a stream that is read.

    One message waits at most: a writer is held up while nobody reads, as it is on the gRPC port. Closing cancels the
    method and waits for its end; connectrpc closes in every case.
    """

    def __init__(self, work: Callable[[Callable[[Any], Awaitable[None]]], Awaitable[None]]) -> None:
        self._work = work
        self._messages: asyncio.Queue[router_pb2.GenerateResponse | None] = asyncio.Queue(1)
        self._task: asyncio.Task[None] | None = None
        self._error: ConnectError | None = None

    async def __anext__(self) -> router_pb2.GenerateResponse:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())
        message = await self._messages.get()
        if message is not None:
            return message
        if self._error is not None:
            raise self._error
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """End the method, if it runs."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def _run(self) -> None:
        try:
            await self._work(self._messages.put)
        except ConnectError as error:
            self._error = error
        await self._messages.put(None)
