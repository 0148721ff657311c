"""Writes one stream's events: numbers them without gaps, and keeps the stream alive while nothing happens."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Self

import grpc

from tierwise_server.errors import Reason, RequestError
from tierwise_server.rpc.responses import event_message, heartbeat_message

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tierwise.v1 import router_pb2
    from tierwise_server.core.stream import StreamEvent

    Write = Callable[[router_pb2.GenerateResponse], Awaitable[None]]


class EventWriter:
    """The sink of one Generate stream, open inside its context, used by the task that opened it.

    A heartbeat follows `heartbeat_s` seconds of silence: proxies on the way count data, not pings. A write that does
    not get through within `stall_s` seconds means that the caller stopped reading.
    """

    def __init__(self, write: Write, *, heartbeat_s: float, stall_s: float) -> None:
        self._write = write
        self._heartbeat_s = heartbeat_s
        self._stall_s = stall_s
        self._look_every_s = min(heartbeat_s, stall_s)
        self._sequence = 0
        self._sending = False
        self._stalled = False
        self._loop = asyncio.get_running_loop()
        self._last_write_s = self._loop.time()
        self._owner = asyncio.current_task()
        self._timer: asyncio.TimerHandle | None = None
        self._beat: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._timer = self._loop.call_later(self._look_every_s, self._look)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._beat is not None:
            self._beat.cancel()
            await asyncio.wait((self._beat,))

    async def __call__(self, event: StreamEvent) -> None:
        """Send an event; events that are not part of the contract are passed over.

        Raises:
            RequestError: CLIENT_TOO_SLOW, when the caller stopped reading; CANCELLED, when it is gone.
        """
        message = event_message(event, self._sequence)
        if message is not None:
            await self.write(message)

    async def write(self, message: router_pb2.GenerateResponse) -> None:
        """Send a message under the next number, whatever its own.

        Raises:
            RequestError: see `__call__`.
        """
        self._sending = True
        try:
            if self._beat is not None:
                await asyncio.wait((self._beat,))
            message.sequence = self._sequence
            await self._send(message)
        except asyncio.CancelledError:
            if self._is_interrupted():
                raise RequestError(Reason.CLIENT_TOO_SLOW, "the caller stopped reading") from None
            raise
        except grpc.aio.InternalError:
            # So says grpcio where the caller left and the cancellation is still on its way to us.
            raise RequestError(Reason.CANCELLED, "the caller left") from None
        finally:
            self._sending = False

    async def _send(self, message: router_pb2.GenerateResponse) -> None:
        # No timer for each write: `_look` comes by, and sees a write that has taken too long.
        self._last_write_s = self._loop.time()
        await self._write(message)
        self._sequence += 1

    def _is_interrupted(self) -> bool:
        """Whether `_look` ended a write, and nobody else wants the task to end; the interruption is then over."""
        if not self._stalled or self._owner is None:
            return False
        return self._owner.uncancel() == 0

    def _look(self) -> None:
        since_s = self._loop.time() - self._last_write_s
        if self._sending:
            if since_s >= self._stall_s and self._owner is not None:
                self._stalled = True
                self._owner.cancel()
                return
        # A heartbeat never comes before `started`, which promises to be first.
        elif self._beat is None and since_s >= self._heartbeat_s and self._sequence > 0:
            # Known from here on, so that an event of the same turn waits for it.
            self._beat = self._loop.create_task(self._send_heartbeat())
        wait_s = self._look_every_s - since_s
        self._timer = self._loop.call_later(
            wait_s if wait_s > 0 else self._look_every_s, self._look
        )

    async def _send_heartbeat(self) -> None:
        # A heartbeat that fails tells nothing new: the next event, or the caller's cancellation, says it.
        try:
            with contextlib.suppress(Exception):
                await self._send(heartbeat_message(self._sequence))
        finally:
            self._beat = None
