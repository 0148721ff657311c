"""Limits in memory: exact for the one server that has them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from tierwise_server.access.rules import (
    bucket_s,
    interval_s,
    rate_refusal,
    stream_refusal,
)

MOST_KEPT: Final = 10_000
"""Buckets kept before the full ones are forgotten."""


class MemoryLimits:
    """The port to limits in memory. See access/base.py for what it promises.

    Attributes:
        held: how many streams each subject holds; empty when nothing leaked.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._full_at_s: dict[str, float] = {}
        self.held: Counter[str] = Counter()

    async def take(self, subject: str, per_minute: int) -> None:
        """Take one request."""
        now_s = self._monotonic()
        full_at_s = max(self._full_at_s.get(subject, now_s), now_s)
        if full_at_s - now_s > bucket_s(per_minute):
            raise rate_refusal(per_minute, full_at_s, now_s)
        if len(self._full_at_s) >= MOST_KEPT:
            self._full_at_s = {s: at for s, at in self._full_at_s.items() if at > now_s}
        self._full_at_s[subject] = full_at_s + interval_s(per_minute)

    @asynccontextmanager
    async def hold(self, subject: str, streams: int) -> AsyncIterator[None]:
        """Hold a stream."""
        if self.held[subject] >= streams:
            raise stream_refusal(streams)
        self.held[subject] += 1
        try:
            yield
        finally:
            self.held[subject] -= 1
            if not self.held[subject]:
                del self.held[subject]
