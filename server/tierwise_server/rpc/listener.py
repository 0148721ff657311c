"""Binds the port: server options, TLS, health, reflection, and the drain at the end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from tierwise_server.errors import ConfigurationError, Fault
from tierwise_server.rpc.certificates import Certificates, Pair
from tierwise_server.rpc.entry import Entry
from tierwise_server.rpc.guard import Guard, Unimplemented
from tierwise_server.rpc.service import SERVICE, RouterService

if TYPE_CHECKING:
    from tierwise_server.config import ServerSettings
    from tierwise_server.telemetry import Telemetry


CONFIGURATION = "tierwise.configuration"
"""The health service's name for whether the configuration that was read last is in force."""

UPKEEP = "tierwise.upkeep"
"""The health service's name for whether everything goes on that a server does beside its calls."""

MOST_UNSENT_BYTES = 8 * 1024
"""What grpc takes of a stream beyond what its reader allows: the default of 64 KiB adds up where readers stall."""

QUIET_S = 0.005
"""Without a call for so long, of a loop that kept up, nothing waits in grpc's own queue of calls."""

LONGEST_UNREST_S = 0.5
"""How long a drain waits for that while calls are served, and once more while they are refused."""

PARTING_S = 1.0
"""How long callers have to take in that their calls were ended, once the grace is over."""

LINGER_S = 0.3
"""What a call may take from its end to its status on the wire, before a drain ends what is no call of ours."""

SHORTEST_CLIENT_PING_MS = 10_000
"""Clients that ping every 30 s, as ours do, must not be turned away for it; grpc's own default is five minutes."""


class Listener:
    """One listening server. Start it once; drain it once.

    Attributes:
        handler: answers the calls of RouterService, for a port of another kind.
        certificates: what the port shows, for the same; None without TLS.
    """

    def __init__(
        self,
        service: RouterService,
        settings: ServerSettings,
        telemetry: Telemetry,
        entry: Entry | None = None,
    ) -> None:
        self._settings = settings
        self._started, self._ready = False, True
        entry = entry or Entry()
        self._guard = Guard(telemetry, entry)
        pair = Pair.read(settings.tls)
        self.certificates = None if pair is None else Certificates(pair)
        self._health = health.aio.HealthServicer()
        self._server = grpc.aio.server(options=server_options(settings))
        self.handler = service.handler(self._guard)
        self._server.add_generic_rpc_handlers((self.handler,))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        if settings.reflection_enabled:
            names = (SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, self._server)
        self._server.add_generic_rpc_handlers((Unimplemented(entry),))

    async def start(self) -> int:
        """Bind and serve; returns the port, which matters where the configuration says 0.

        Raises:
            ConfigurationError: the address cannot be bound or the TLS files cannot be used.
        """
        port = self._bind()
        await self._server.start()
        self._started = True
        await self.set_ready(self._ready)
        await self._health.set(CONFIGURATION, health_pb2.HealthCheckResponse.SERVING)
        await self._health.set(UPKEEP, health_pb2.HealthCheckResponse.SERVING)
        return port

    async def set_ready(self, ready: bool) -> None:
        """Say whether calls can be answered well. Calls are taken all the same; after `drain` it has no effect."""
        self._ready = ready
        states = health_pb2.HealthCheckResponse
        for name in ("", SERVICE) if self._started else ():
            await self._health.set(name, states.SERVING if ready else states.NOT_SERVING)

    async def drain(self) -> None:
        """Say NOT_SERVING, give balancers time to notice, let running calls finish, then end.

        Calls that outlive the grace are ended; their callers see UNAVAILABLE, SHUTTING_DOWN and their bill.
        Connections are told to go away only when no call waits to be taken, because grpc ends those with a bare
        CANCELLED, which nobody's policy retries (grpc issue 41785): a server that is too busy for that refuses
        calls first. What is left are calls of callers that do not watch health and that cross the goodbye on
        the wire.
        """
        await self._health.enter_graceful_shutdown()
        await asyncio.sleep(self._settings.drain_delay_s)
        if not await self._is_quiet():
            self._guard.draining = True
            await self._is_quiet()
        async with asyncio.TaskGroup() as tasks:
            grace_s = self._settings.drain_grace_s
            hurrying = tasks.create_task(self._end_others(grace_s))
            await self._server.stop(grace_s + PARTING_S)
            hurrying.cancel()

    async def _end_others(self, grace_s: float) -> None:
        """End our calls once the grace is over, and what is left when none of them runs.

        What is left is a health check's stream, or a call that grpcio 1.85 took in the moment of the stop and
        never handed over, as it did in one of some 300 restarts under too much load. Its caller would wait for
        the whole grace; now it sees UNAVAILABLE.
        """
        idle_since_s = now_s = asyncio.get_running_loop().time()
        grace_ends_s = now_s + grace_s
        while now_s - idle_since_s < LINGER_S:
            await asyncio.sleep(LINGER_S / 10)
            now_s = asyncio.get_running_loop().time()
            if now_s >= grace_ends_s:
                self.end_calls()
            if self._guard.running:
                idle_since_s = now_s
        await self._server.stop(None)

    async def _is_quiet(self) -> bool:
        """Wait until no call waits to be taken; False where that takes too long."""
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + LONGEST_UNREST_S
        while (began_s := loop.time()) < ends_s:
            taken = self._guard.taken
            await asyncio.sleep(QUIET_S)
            if taken == self._guard.taken and loop.time() - began_s < 2 * QUIET_S:
                return True
        return False

    def end_calls(self) -> None:
        """Refuse calls from now on, and end those that run, whichever port they came to; their callers are told."""
        self._guard.stop()

    async def stop_now(self) -> None:
        """End at once; callers whose calls run are told so, as far as they read."""
        self.end_calls()
        await self._server.stop(LINGER_S)

    def change_certificates(self, pair: Pair) -> None:
        """Show these from the next handshake on. A port without TLS stays without."""
        if self.certificates is not None:
            self.certificates.change(pair)

    async def tell_configuration(self, *, usable: bool) -> None:
        """Say whether what was read last could be taken over; the server as a whole serves either way."""
        states = health_pb2.HealthCheckResponse
        await self._health.set(CONFIGURATION, states.SERVING if usable else states.NOT_SERVING)

    async def tell_upkeep(self, well: bool) -> None:
        """Say whether keys, limits, the ledger and the configuration are kept up to date; calls are answered anyway."""
        states = health_pb2.HealthCheckResponse
        await self._health.set(UPKEEP, states.SERVING if well else states.NOT_SERVING)

    def _bind(self) -> int:
        address = self._settings.listen
        try:
            if self.certificates is None:
                return self._server.add_insecure_port(address)
            return self._server.add_secure_port(address, self.certificates.for_grpc())
        except (OSError, RuntimeError, ValueError):
            fault = Fault("server.listen", f"cannot listen on {address!r}: is the port in use?")
            raise ConfigurationError((fault,)) from None


def server_options(settings: ServerSettings) -> list[tuple[str, Any]]:
    """The options of the grpc server: every limit set on purpose, none left to a default."""

    def milliseconds(seconds: float) -> int:
        return int(seconds * 1000)

    return [
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", settings.max_message_bytes),
        ("grpc.max_concurrent_streams", settings.max_concurrent_streams),
        ("grpc.http2.write_buffer_size", MOST_UNSENT_BYTES),
        ("grpc.so_reuseport", int(settings.reuse_port)),
        ("grpc.keepalive_time_ms", milliseconds(settings.keepalive_time_s)),
        ("grpc.keepalive_timeout_ms", milliseconds(settings.keepalive_timeout_s)),
        ("grpc.http2.ping_timeout_ms", milliseconds(settings.ping_timeout_s)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", SHORTEST_CLIENT_PING_MS),
        ("grpc.server_handshake_timeout_ms", milliseconds(settings.handshake_timeout_s)),
        ("grpc.max_connection_age_ms", milliseconds(settings.max_connection_age_s)),
        ("grpc.max_connection_age_grace_ms", milliseconds(settings.max_connection_age_grace_s)),
    ]
