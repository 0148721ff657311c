"""Reads one answer: raw bytes in, the port's events out, and every fault with its reason."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final, Self

import httpx2

from tierwise_server.providers.anthropic import failures
from tierwise_server.providers.anthropic.stream import Ping, Progress
from tierwise_server.providers.base import Begun, Completed

if TYPE_CHECKING:
    from tierwise_server.errors import UpstreamError
    from tierwise_server.providers.anthropic.stream import MessageStreamParser
    from tierwise_server.providers.anthropic.transport import Body
    from tierwise_server.providers.base import ProviderEvent
    from tierwise_server.providers.watchdog import Watchdog

# The end of the body normally comes with message_stop. Waiting for it keeps the connection for the next
# call; waiting longer would keep the caller from an answer that is whole.
_SETTLE_S: Final = 0.25


class Answer:
    """Iterates over one answer. Whoever made it closes the body and stops the watchdog.

    Args:
        body: the response's body.
        parser: reads the body's bytes.
        watchdog: watches the call; its `bark` is taken over.
        request_id: the provider's id of the request, for its failures.
    """

    def __init__(
        self, body: Body, parser: MessageStreamParser, watchdog: Watchdog, request_id: str
    ) -> None:
        self._body = body
        self._parser = parser
        self._watchdog = watchdog
        self._request_id = request_id
        self._ready: deque[ProviderEvent] = deque()
        self._failure: UpstreamError | None = None
        self._over = False
        watchdog.bark = body.abort

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ProviderEvent:
        while not self._ready:
            if self._failure is not None:
                raise self._failure
            if self._over:
                raise StopAsyncIteration
            await self._advance()
        return self._ready.popleft()

    async def _advance(self) -> None:
        """Read once, and put what came of it in line: events, the failure, or the end."""
        self._watchdog.read_starts()
        chunk = await self._read()
        moved = self._take(chunk)
        self._watchdog.read_ends(progress=moved)
        if self._parser.ended and not self._body.whole:
            await self._settle()
        if self._parser.ended or not chunk:
            self._conclude()

    async def _read(self) -> bytes:
        try:
            if self._watchdog.passed is None:
                return await self._body.read()
        except httpx2.TransportError:
            if self._watchdog.passed is None:
                raise failures.body_failure(self._request_id) from None
        raise failures.limit_failure(self._watchdog, self._request_id)

    def _take(self, chunk: bytes) -> bool:
        """Put the events of a chunk in line; whether they moved the answer on."""
        moved = False
        for event in self._parser.feed(chunk):
            if isinstance(event, Ping):
                continue
            moved = True
            if isinstance(event, Progress):
                continue
            if isinstance(event, Begun):
                self._watchdog.begun()
            self._ready.append(event)
        return moved

    async def _settle(self) -> None:
        """Read on to the end of the body, if it comes at once. What still comes can spoil the answer."""
        try:
            async with asyncio.timeout(_SETTLE_S):
                while chunk := await self._body.read():
                    self._take(chunk)
        except (TimeoutError, httpx2.TransportError):
            self._body.abort()

    def _conclude(self) -> None:
        self._watchdog.stop()
        end = self._parser.close()
        if isinstance(end, Completed):
            self._ready.append(end)
            self._over = True
        else:
            self._failure = failures.stream_failure(end, self._request_id)
