"""The ledger port over SQL: hands tasks to the writer's thread, and bounds how long anybody waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tierwise_server.errors import LedgerUnavailable, Reason
from tierwise_server.ledger.writer import GiveBack, Purge, Record, Reserve, Sweep, Task, Writer

if TYPE_CHECKING:
    from tierwise_server.ledger.entries import Budget, Entry, RequestAccount, Reservation
    from tierwise_server.ledger.reading import SqlReader
    from tierwise_server.ledger.settings import LedgerSettings
    from tierwise_server.ledger.spend import SpendQuery, SpendRow


class SqlLedger:
    """A durable ledger. See ledger/base.py for what it promises."""

    def __init__(self, writer: Writer, reader: SqlReader, settings: LedgerSettings) -> None:
        self._writer = writer
        self._reader = reader
        self._settings = settings

    @property
    def healthy(self) -> bool:
        """Whether the last write worked and none is stuck."""
        return self._writer.healthy

    async def reserve(self, reservation: Reservation, budgets: Sequence[Budget] = ()) -> None:
        """Write the row durably, if every budget allows."""
        done = self._writer.submit(Reserve(reservation, tuple(budgets)))
        try:
            refused = await self._within(done, self._settings.reserve_timeout_s)
        except BaseException as error:
            # Whether it was written is not known: a lost answer, or nobody left to hear it.
            self._give_back(reservation, error)
            raise
        if refused is not None:
            raise refused

    async def record(self, entries: Sequence[Entry]) -> None:
        """Write settlements, requests' ends and content."""
        if entries:
            await self._ask(Record(tuple(entries)), self._settings.write_timeout_s)

    async def recover(self) -> int:
        """Give up what no living server holds."""
        orphans: int = await self._ask(Sweep(), self._settings.read_timeout_s)
        return orphans

    async def purge(self) -> int:
        """Delete content past its retention."""
        purged: int = await self._ask(Purge(), self._settings.read_timeout_s)
        return purged

    async def spend(self, query: SpendQuery) -> tuple[SpendRow, ...]:
        """Add up what was spent."""
        return await self._reader.spend(query)

    async def find(self, tenant: str, request_id: str) -> tuple[RequestAccount, ...]:
        """Look a request up."""
        return await self._reader.find(tenant, request_id)

    async def audit(self) -> tuple[str, ...]:
        """Compare every sum with its rows."""
        return await self._reader.audit()

    async def aclose(self) -> None:
        """Write what waits, and close."""
        await self._writer.aclose()
        await self._reader.aclose()

    async def _ask(self, task: Task, timeout_s: float) -> Any:
        return await self._within(self._writer.submit(task), timeout_s)

    async def _within(self, done: asyncio.Future[Any], timeout_s: float) -> Any:
        try:
            async with asyncio.timeout(timeout_s):
                return await done
        except TimeoutError:
            self._writer.hurry()
            raise LedgerUnavailable("the ledger does not answer in time") from None

    def _give_back(self, reservation: Reservation, error: BaseException) -> None:
        left = isinstance(error, asyncio.CancelledError)
        reason = Reason.CANCELLED if left else Reason.LEDGER_UNAVAILABLE
        now_s = self._settings.wall_clock()
        self._writer.submit_unheard(GiveBack(reservation, now_s, reason))
