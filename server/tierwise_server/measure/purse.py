"""The money of a run: what is spent, what calls under way may still cost, and the limit that both keep to."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


@dataclass(slots=True)
class Purse:
    """Grants money before it is spent. For one event loop.

    The limit is hard as far as worst cases are: what was spent plus what is granted never exceeds it.

    Attributes:
        limit_nano_usd: the most the run may spend, from its very beginning; None: no limit.
        spent_nano_usd: what was paid so far, by earlier runs too.
        granted_nano_usd: the worst case of everything under way.
    """

    limit_nano_usd: int | None
    spent_nano_usd: int = 0
    granted_nano_usd: int = 0
    _change: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def take(self, worst_nano_usd: int) -> bool:
        """Grant the worst case, when need be after others are done; False when it can never be granted."""
        async with self._change:
            while not self._fits(worst_nano_usd):
                if self.granted_nano_usd == 0:
                    return False
                await self._change.wait()
            self.granted_nano_usd += worst_nano_usd
            return True

    async def settle(self, worst_nano_usd: int, spent_nano_usd: int) -> None:
        """Give a grant back, and say what everything has cost so far."""
        async with self._change:
            self.granted_nano_usd -= worst_nano_usd
            self.spent_nano_usd = spent_nano_usd
            self._change.notify_all()

    def _fits(self, worst_nano_usd: int) -> bool:
        limit = self.limit_nano_usd
        spoken_for = self.spent_nano_usd + self.granted_nano_usd
        return limit is None or spoken_for + worst_nano_usd <= limit
