"""Lets an identity in as often, and as many times at once, as its key may."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tierwise_server.access.base import Limits
    from tierwise_server.access.gate import Identity


class Turnstile:
    """Applies the limits of keys. What has no limit costs nothing here."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    async def count(self, identity: Identity) -> None:
        """Count a call.

        Raises:
            LimitExceeded: the key has made as many as it may.
        """
        key = identity.key
        if key is not None and key.requests_per_minute is not None:
            await self._limits.take(key.key_id, key.requests_per_minute)

    @asynccontextmanager
    async def stream(self, identity: Identity) -> AsyncIterator[None]:
        """Hold a stream in the block.

        Raises:
            LimitExceeded: the key holds as many as it may.
        """
        key = identity.key
        if key is None or key.streams is None:
            yield
            return
        async with self._limits.hold(key.key_id, key.streams):
            yield
