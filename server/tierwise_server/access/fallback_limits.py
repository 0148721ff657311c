"""Limits that hold within this server while the shared ones are away: a flood stays bounded, and nobody is shut out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from tierwise_server.access.memory_limits import MemoryLimits
from tierwise_server.errors import LedgerUnavailable

if TYPE_CHECKING:
    from tierwise_server.access.base import Limits


class FallbackLimits:
    """The port to limits: the shared ones, or while they do not answer, this server's own."""

    def __init__(self, shared: Limits) -> None:
        self._shared = shared
        self._own = MemoryLimits()

    async def take(self, subject: str, per_minute: int) -> None:
        """Take one request."""
        try:
            await self._shared.take(subject, per_minute)
        except LedgerUnavailable:
            await self._own.take(subject, per_minute)

    @asynccontextmanager
    async def hold(self, subject: str, streams: int) -> AsyncIterator[None]:
        """Hold a stream."""
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(self._shared.hold(subject, streams))
            except LedgerUnavailable:
                await stack.enter_async_context(self._own.hold(subject, streams))
            yield
