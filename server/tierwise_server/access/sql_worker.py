"""One connection and one thread that does the short transactions of keys and limits, in the order they are asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import sqlalchemy as sa
import structlog

from tierwise_server.errors import LedgerUnavailable
from tierwise_server.ledger.database import cause_of, may_be_tried_again

if TYPE_CHECKING:
    from tierwise_server.ledger.database import Database

log = structlog.get_logger("tierwise.access")

Result = TypeVar("Result")


class SqlWorker:
    """Does work on a database, within a bounded time each."""

    def __init__(self, database: Database, timeout_s: float) -> None:
        self.database = database
        self._timeout_s = timeout_s
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="tierwise-access")
        self._connection: sa.Connection | None = None

    async def run(self, work: Callable[[sa.Connection], Result]) -> Result:
        """Do some work in a transaction of its own. It is done or not done when the caller is cancelled.

        Raises:
            LedgerUnavailable: the database does not answer, or not in time.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._thread, self._transact, work)
        except TimeoutError:
            self.database.interrupt()
            raise LedgerUnavailable("the store of keys does not answer in time") from None

    def later(self, work: Callable[[sa.Connection], object]) -> None:
        """Do some work after what was asked for before, and tell nobody; it may fail."""
        self._thread.submit(self._quietly, work)

    async def aclose(self) -> None:
        """Finish what was asked for, and disconnect."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._disconnect)
        self._thread.shutdown(wait=False)
        self.database.dispose()

    def _quietly(self, work: Callable[[sa.Connection], object]) -> None:
        # What it was for ends by itself in time; the failure is in the log.
        with suppress(LedgerUnavailable):
            self._transact(work)

    def _transact(self, work: Callable[[sa.Connection], Result]) -> Result:
        for last in (False, True):
            try:
                if self._connection is None:
                    self._connection = self.database.connect()
                with self._connection.begin():
                    return work(self._connection)
            except sa.exc.SQLAlchemyError as error:
                self._disconnect()
                cause = type(error).__name__
                if isinstance(error, sa.exc.StatementError):
                    if not last and may_be_tried_again(error):
                        continue
                    cause = cause_of(error)
                log.warning("the store of keys failed", cause=cause)
                raise LedgerUnavailable("the store of keys is unavailable") from error
            except Exception as error:
                self._disconnect()
                log.exception("the store of keys failed")
                raise LedgerUnavailable("the store of keys cannot be used") from error
        raise AssertionError("unreachable")

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and not connection.closed:
            connection.invalidate()
            connection.close()
