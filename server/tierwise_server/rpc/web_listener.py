"""Binds the web port: an HTTP server in this process's own event loop, closed to pages of other origins by default."""

from __future__ import annotations

import asyncio
import math
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import uvicorn
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from tierwise_server.errors import ConfigurationError, Fault
from tierwise_server.rpc.listener import PARTING_S
from tierwise_server.rpc.web import RouterApplication

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import grpc
    from starlette.types import ASGIApp

    from tierwise_server.config import ServerSettings
    from tierwise_server.rpc.certificates import Certificates

SENT_HEADERS: Final = (
    "authorization",
    "baggage",
    "connect-protocol-version",
    "connect-timeout-ms",
    "content-type",
    "grpc-timeout",
    "traceparent",
    "tracestate",
    "x-grpc-web",
    "x-user-agent",
)
"""What a page of another origin may send: what the protocols and the clients need, and nothing else."""
READ_HEADERS: Final = (
    "grpc-message",
    "grpc-status",
    "grpc-status-details-bin",
    "trailer-grpc-retry-pushback-ms",
    "trailer-x-request-id",
)
PREFLIGHT_S: Final = 7200
LOOPBACK_HOSTS: Final = ("localhost", "127.0.0.1", "[::1]", "::1")


class WebListener:
    """One listening web server. Start it once; drain it once.

    `end_calls` ends the handler's calls, and is called when the grace is over.

    Attributes:
        port: where it listens, once it has started.
    """

    def __init__(
        self,
        handler: grpc.GenericRpcHandler,
        settings: ServerSettings,
        certificates: Certificates | None,
        *,
        end_calls: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._end_calls = end_calls
        application = RouterApplication(handler, max_message_bytes=settings.max_message_bytes)
        self._server = _Server(_config(settings, guarded(application, settings), certificates))
        self._serving: asyncio.Task[None] | None = None
        self.port = 0

    async def start(self) -> int:
        """Bind and serve; returns the port, which matters where the configuration says 0.

        Raises:
            ConfigurationError: the address cannot be bound.
        """
        sockets = self._bind()
        loop = asyncio.get_running_loop()
        self._serving = loop.create_task(self._server.serve(sockets))
        ready = loop.create_task(self._server.ready.wait())
        await asyncio.wait((self._serving, ready), return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self._serving.done():
            await self._serving
        self.port = sockets[0].getsockname()[1]
        return self.port

    async def drain(self) -> None:
        """Let running calls finish after the same delay and within the same grace as the gRPC port's, then end."""
        await asyncio.sleep(self._settings.drain_delay_s)
        async with asyncio.TaskGroup() as tasks:
            ending = tasks.create_task(self._end_late())
            await self._end()
            ending.cancel()

    async def _end_late(self) -> None:
        await asyncio.sleep(self._settings.drain_grace_s)
        self._end_calls()

    async def stop_now(self) -> None:
        """End without waiting; running calls are cancelled."""
        self._server.force_exit = True
        await self._end()
        if self._serving is not None:
            await self._server.cancel_running()

    async def _end(self) -> None:
        self._server.should_exit = True
        if self._serving is not None:
            await asyncio.wait((self._serving,))

    def _bind(self) -> list[socket.socket]:
        address = self._settings.web.address
        try:
            return [_bound(*address)]
        except OSError:
            listen = self._settings.web.listen
            fault = Fault("server.web.listen", f"cannot listen on {listen!r}: is the port in use?")
            raise ConfigurationError((fault,)) from None


class _Server(uvicorn.Server):
    """A server that is a part of a program, which has signal handlers of its own."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    async def cancel_running(self) -> None:
        """Cancel what still runs, and wait for it."""
        tasks = tuple(self.server_state.tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


def guarded(application: ASGIApp, settings: ServerSettings) -> ASGIApp:
    """Put the checks of host and origin before an application.

    A port of this machine alone answers to this machine's names alone: else any page could reach it, by a name of its
    own that leads here.
    """
    web = settings.web
    hosts = web.hosts or (LOOPBACK_HOSTS if web.loopback else ("*",))
    hosted = TrustedHostMiddleware(application, allowed_hosts=hosts, www_redirect=False)
    if not web.allowed_origins:
        return hosted
    return CORSMiddleware(
        hosted,
        allow_origins=web.allowed_origins,
        allow_methods=("GET", "POST"),
        allow_headers=SENT_HEADERS,
        expose_headers=READ_HEADERS,
        max_age=PREFLIGHT_S,
    )


def _config(
    settings: ServerSettings, application: ASGIApp, certificates: Certificates | None
) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        access_log=False,
        date_header=False,
        http="h11",
        lifespan="off",
        log_config=None,
        proxy_headers=False,
        server_header=False,
        ssl_context_factory=None if certificates is None else lambda *_: certificates.context,
        # By then calls were ended in a way that tells callers why.
        timeout_graceful_shutdown=math.ceil(settings.drain_grace_s + PARTING_S),
        ws="none",
    )


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound
