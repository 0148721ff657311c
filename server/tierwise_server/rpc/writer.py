"""Writes one stream's events: numbers them without gaps, and keeps the stream alive while nothing happens."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Self

from tierwise_server.errors import Reason, RequestError
from tierwise_server.rpc.responses import event_message, heartbeat_message

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tierwise.v1 import router_pb2
    from tierwise_server.core.stream import StreamEvent

    Write = Callable[[router_pb2.GenerateResponse], Awaitable[None]]


class EventWriter:
    """The sink of one Generate stream, open inside its context.

    A heartbeat follows `heartbeat_s` seconds of silence: proxies on the way count data, not pings. A write that does
    not get through within `stall_s` seconds means that the caller stopped reading.
    """

    def __init__(self, write: Write, *, heartbeat_s: float, stall_s: float) -> None:
        self._write = write
        self._heartbeat_s = heartbeat_s
        self._stall_s = stall_s
        self._sequence = 0
        self._lock = asyncio.Lock()
        self._loop = asyncio.get_running_loop()
        self._last_write_s = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._beat: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._timer = self._loop.call_later(self._heartbeat_s, self._beat_if_silent)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._beat is not None and not self._beat.done():
            self._beat.cancel()
            await asyncio.wait((self._beat,))

    async def __call__(self, event: StreamEvent) -> None:
        """Send an event; events that are not part of the contract are passed over.

        Raises:
            RequestError: CLIENT_TOO_SLOW, when the caller stopped reading.
        """
        async with self._lock:
            message = event_message(event, self._sequence)
            if message is not None:
                await self._send(message)

    async def _send(self, message: router_pb2.GenerateResponse) -> None:
        try:
            async with asyncio.timeout(self._stall_s):
                await self._write(message)
        except TimeoutError:
            raise RequestError(Reason.CLIENT_TOO_SLOW, "the caller stopped reading") from None
        self._sequence += 1
        self._last_write_s = self._loop.time()

    def _beat_if_silent(self) -> None:
        wait_s = self._heartbeat_s - (self._loop.time() - self._last_write_s)
        # A heartbeat never comes before `started`, which promises to be first.
        if wait_s <= 0:
            if self._sequence > 0 and not self._lock.locked():
                self._beat = self._loop.create_task(self._send_heartbeat())
            wait_s = self._heartbeat_s
        self._timer = self._loop.call_later(wait_s, self._beat_if_silent)

    async def _send_heartbeat(self) -> None:
        # A heartbeat that fails tells nothing new: the next event, or the caller's cancellation, says it.
        with contextlib.suppress(Exception):
            async with self._lock:
                await self._send(heartbeat_message(self._sequence))
