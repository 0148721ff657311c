"""What differs between gRPC's two Python APIs, for the async client. Its twin is _sync_transport.py.

The only hand-kept pair: keep both tiny, and everything else in _async/, from which _sync/ is generated.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NoReturn, TypeVar, cast

import grpc

from tierwise.v1.router_pb2_grpc import RouterServiceStub
from tierwise_client._errors import RequestCancelledError
from tierwise_client._settings import Metadatum, Settings
from tierwise_client._status import error_from, error_of

if TYPE_CHECKING:
    from tierwise.v1.router_pb2 import (
        GenerateRequest,
        GenerateResponse,
        RouteRequest,
        RouteResponse,
    )
    from tierwise.v1.router_pb2_grpc import RouterServiceAsyncStub

Message = TypeVar("Message")


class AsyncTransport:
    """One channel: opened by the first call, in the event loop of that call, and closed once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._loop: asyncio.AbstractEventLoop | None = None
        self._channel: grpc.aio.Channel | None = None
        self._closed = False

    async def route(
        self, request: RouteRequest, headers: tuple[Metadatum, ...], timeout_s: float | None
    ) -> RouteResponse:
        """Call Route."""
        call = self._stub().Route(
            request, metadata=self._settings.metadata + headers, timeout=timeout_s
        )
        try:
            return _readable(await call)
        except (grpc.RpcError, asyncio.CancelledError) as failure:
            _raise_typed(failure)

    def generate(
        self, request: GenerateRequest, headers: tuple[Metadatum, ...], timeout_s: float | None
    ) -> AsyncCall:
        """Call Generate; the caller cancels what it does not read to the end."""
        metadata = self._settings.metadata + headers
        return AsyncCall(self._stub().Generate(request, metadata=metadata, timeout=timeout_s))

    async def close(self) -> None:
        """Cancel what runs and close the channel; a second time does nothing."""
        self._closed = True
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()

    def _stub(self) -> RouterServiceAsyncStub:
        if self._closed:
            raise RuntimeError("the client is closed")
        loop = asyncio.get_running_loop()
        if self._channel is None:
            self._channel, self._loop = _open(self._settings), loop
        elif self._loop is not loop:
            raise RuntimeError("an AsyncClient belongs to the event loop of its first call")
        return RouterServiceStub(self._channel)


class AsyncCall:
    """One running Generate."""

    def __init__(self, call: grpc.aio.UnaryStreamCall[GenerateRequest, GenerateResponse]) -> None:
        self._call = call

    async def read(self) -> GenerateResponse | None:
        """Return the next message, or None at a good end."""
        try:
            message = await self._call.read()
        except (grpc.RpcError, asyncio.CancelledError) as failure:
            _raise_typed(failure)
        return None if message is grpc.aio.EOF else _readable(cast("GenerateResponse", message))

    def cancel(self) -> None:
        """Give the call up; after its end this does nothing."""
        self._call.cancel()


def _open(settings: Settings) -> grpc.aio.Channel:
    target = settings.endpoint.target
    if settings.credentials is None:
        return grpc.aio.insecure_channel(target, settings.options)
    return grpc.aio.secure_channel(target, settings.credentials, settings.options)


def _readable(message: Message | None) -> Message:
    """Refuse what gRPC gives for bytes that it could not read; its sync API fails with this status."""
    if message is None:
        raise error_from(grpc.StatusCode.INTERNAL, "a message cannot be read", ())
    return message


def _raise_typed(failure: BaseException) -> NoReturn:
    if isinstance(failure, grpc.RpcError):
        raise error_of(failure) from failure
    # gRPC reports a call that was cancelled on this side as if the task had been cancelled.
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise failure
    raise RequestCancelledError(
        "the call was cancelled on this side", status=grpc.StatusCode.CANCELLED
    ) from None
