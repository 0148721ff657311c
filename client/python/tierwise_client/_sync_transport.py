"""What differs between gRPC's two Python APIs, for the sync client. Its twin is _async_transport.py.

The only hand-kept pair: keep both tiny, and everything else in _async/, from which _sync/ is generated.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import grpc

from tierwise.v1.router_pb2_grpc import RouterServiceStub
from tierwise_client._settings import Metadatum, Settings
from tierwise_client._status import error_of

if TYPE_CHECKING:
    from tierwise.v1.router_pb2 import (
        GenerateRequest,
        GenerateResponse,
        RouteRequest,
        RouteResponse,
    )


class Transport:
    """One channel: opened by the first call and closed once. Threads may share it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._channel: grpc.Channel | None = None
        self._closed = False

    def route(
        self, request: RouteRequest, headers: tuple[Metadatum, ...], timeout_s: float | None
    ) -> RouteResponse:
        """Call Route."""
        metadata = self._settings.metadata + headers
        try:
            return self._stub().Route(request, metadata=metadata, timeout=timeout_s)
        except grpc.RpcError as failure:
            raise error_of(failure) from failure

    def generate(
        self, request: GenerateRequest, headers: tuple[Metadatum, ...], timeout_s: float | None
    ) -> Call:
        """Call Generate; the caller cancels what it does not read to the end."""
        metadata = self._settings.metadata + headers
        return Call(self._stub().Generate(request, metadata=metadata, timeout=timeout_s))

    def close(self) -> None:
        """Cancel what runs and close the channel; a second time does nothing."""
        with self._lock:
            self._closed = True
            channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    def _stub(self) -> RouterServiceStub:
        with self._lock:
            if self._closed:
                raise RuntimeError("the client is closed")
            if self._channel is None:
                self._channel = _open(self._settings)
            return RouterServiceStub(self._channel)


class Call:
    """One running Generate."""

    def __init__(self, call: grpc._CallIterator[GenerateResponse]) -> None:
        self._call = call

    def read(self) -> GenerateResponse | None:
        """Return the next message, or None at a good end."""
        try:
            return next(self._call, None)
        except grpc.RpcError as failure:
            raise error_of(failure) from failure

    def cancel(self) -> None:
        """Give the call up; after its end this does nothing."""
        self._call.cancel()


def _open(settings: Settings) -> grpc.Channel:
    target = settings.endpoint.target
    if settings.credentials is None:
        return grpc.insecure_channel(target, settings.options)
    return grpc.secure_channel(target, settings.credentials, settings.options)
