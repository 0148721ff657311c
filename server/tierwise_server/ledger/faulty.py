"""A ledger that fails on purpose, as often as it is told to and the same way for the same seed: for tests."""

from __future__ import annotations

import asyncio
import enum
import random
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import TYPE_CHECKING

from tierwise_server.errors import LedgerUnavailable

if TYPE_CHECKING:
    from tierwise_server.ledger.base import Ledger
    from tierwise_server.ledger.entries import Budget, Entry, RequestAccount, Reservation
    from tierwise_server.ledger.spend import SpendQuery, SpendRow


class LedgerFault(enum.Enum):
    """How a write fails."""

    REFUSED = enum.auto()
    """It fails and writes nothing."""
    REPLY_LOST = enum.auto()
    """It is written, and fails all the same."""
    SLOW = enum.auto()
    """It works, late."""


class FaultyLedger:
    """Passes on to `inner`; of its writes, the share `rate` (0 to 1, may be changed) meets one of `kinds`."""

    def __init__(
        self,
        inner: Ledger,
        *,
        rate: float,
        kinds: Collection[LedgerFault] = tuple(LedgerFault),
        seed: int = 0,
        slow_s: float = 0.05,
    ) -> None:
        self.inner = inner
        self.rate = rate
        self.faults = 0
        self._kinds = tuple(kinds)
        self._random = random.Random(seed)  # noqa: S311 - to be repeated, not to be unforeseeable
        self._slow_s = slow_s

    @property
    def healthy(self) -> bool:
        """Whether a write can work: not while all of them fail."""
        return self.inner.healthy and self.rate < 1

    async def reserve(self, reservation: Reservation, budgets: Sequence[Budget] = ()) -> None:
        """Reserve, or fail."""
        await self._perhaps(lambda: self.inner.reserve(reservation, budgets))

    async def record(self, entries: Sequence[Entry]) -> None:
        """Record, or fail."""
        await self._perhaps(lambda: self.inner.record(entries))

    async def recover(self) -> int:
        """Recover."""
        return await self.inner.recover()

    async def purge(self) -> int:
        """Purge."""
        return await self.inner.purge()

    async def spend(self, query: SpendQuery) -> tuple[SpendRow, ...]:
        """Add up."""
        return await self.inner.spend(query)

    async def find(self, tenant: str, request_id: str) -> tuple[RequestAccount, ...]:
        """Find."""
        return await self.inner.find(tenant, request_id)

    async def audit(self) -> tuple[str, ...]:
        """Audit."""
        return await self.inner.audit()

    async def aclose(self) -> None:
        """Close the inner ledger."""
        await self.inner.aclose()

    async def _perhaps(self, write: Callable[[], Awaitable[None]]) -> None:
        fault = self._random.choice(self._kinds) if self._random.random() < self.rate else None
        self.faults += fault is not None
        if fault is LedgerFault.REFUSED:
            raise LedgerUnavailable
        if fault is LedgerFault.SLOW:
            await asyncio.sleep(self._slow_s)
        await write()
        if fault is LedgerFault.REPLY_LOST:
            raise LedgerUnavailable
