"""What the writer's thread writes to: a SQL database, one connection, one transaction for a batch of tasks."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa
import structlog

from tierwise_server.errors import ConfigurationError, LedgerUnavailable
from tierwise_server.ledger.base import Unrecordable
from tierwise_server.ledger.database import Refused, cause_of, is_refusal, may_be_tried_again
from tierwise_server.ledger.migrate import migrate
from tierwise_server.ledger.recording import record_all
from tierwise_server.ledger.reserving import known_rows, reserve_all
from tierwise_server.ledger.rules import given_back
from tierwise_server.ledger.sweeping import (
    MOST_AT_ONCE,
    end_lost_requests,
    enrol,
    leave,
    orphan_some,
    purge_some,
    renew,
)
from tierwise_server.ledger.writer import GiveBack, Purge, Record, Reserve, Sweep, Task
from tierwise_server.ledger.writing import Holder

if TYPE_CHECKING:
    from tierwise_server.ledger.entries import Entry
    from tierwise_server.ledger.settings import LedgerSettings

log = structlog.get_logger("tierwise.ledger")

Result = TypeVar("Result")

PURGE_EVERY_S = 3600.0

MOST_ENTRIES = 1000
"""Entries in one statement: SQLite takes 32,766 parameters, and PostgreSQL 65,535."""


class SqlStore:
    """Writes to one database. See ledger/writer.py for who calls it."""

    def __init__(self, holder: Holder, settings: LedgerSettings) -> None:
        self._holder = holder
        self._database = holder.database
        self._settings = settings
        self._connection: sa.Connection | None = None
        self._next_purge_s = time.monotonic()

    def open(self) -> None:
        """Connect, upgrade the tables, and name the owner among the living.

        Raises:
            ConfigurationError: the tables are newer than this version.
            LedgerUnavailable: the database cannot be reached or written.
        """
        lease_s = self._settings.owner_lease_s
        self._transact(lambda connection: migrate(connection, self._database))
        self._transact(lambda connection: enrol(connection, self._holder, lease_s))

    def apply(self, tasks: Sequence[Task]) -> Sequence[Any]:
        """Do all tasks, the entries first: what they release, the reservations beside them may use."""
        try:
            results = self._transact(lambda connection: self._written(connection, tasks))
        except Refused as refused:
            if len(tasks) > 1:
                return [self.apply([task])[0] for task in tasks]
            return [self._refusal(tasks[0], refused)]
        for index, task in enumerate(tasks):
            if isinstance(task, Sweep):
                results[index] = self.sweep()
            elif isinstance(task, Purge):
                results[index] = self.purge()
        return results

    def beat(self) -> None:
        """Renew the owner's lease, and give up what nobody holds; now and then delete old content."""
        lease_s = self._settings.owner_lease_s
        self._transact(lambda connection: renew(connection, self._holder, lease_s))
        self.sweep()
        if time.monotonic() >= self._next_purge_s:
            self.purge()
            self._next_purge_s = time.monotonic() + PURGE_EVERY_S

    def sweep(self) -> int:
        """Make ORPHANED what no living server holds; answers how many rows that were."""
        orphans = self._until_few(lambda connection: orphan_some(connection, self._holder))
        self._transact(lambda connection: end_lost_requests(connection, self._holder))
        if orphans:
            log.warning("calls of dead servers are charged at their worst case", calls=orphans)
        return orphans

    def purge(self) -> int:
        """Delete content past its retention; all of it when content is not kept any more."""
        days, now_s = self._settings.keep_content_days, self._settings.wall_clock()
        return self._until_few(lambda connection: purge_some(connection, days, now_s))

    def interrupt(self) -> None:
        """Make a call that hangs fail."""
        self._database.interrupt()

    def abandon(self) -> None:
        """Disconnect, having written nothing."""
        self._disconnect()
        self._database.dispose()

    def close(self) -> None:
        """Leave the living, if possible, and disconnect."""
        try:
            self._transact(lambda connection: leave(connection, self._holder))
        except (LedgerUnavailable, Refused):
            log.warning("the ledger was left without a farewell; its lease will end by itself")
        self.abandon()

    def _written(self, connection: sa.Connection, tasks: Sequence[Task]) -> list[Any]:
        results: list[Any] = [None] * len(tasks)
        entries = [entry for task in tasks if isinstance(task, Record) for entry in task.entries]
        entries += self._undone(connection, [task for task in tasks if isinstance(task, GiveBack)])
        for at in range(0, len(entries), MOST_ENTRIES):
            record_all(connection, self._holder, entries[at : at + MOST_ENTRIES])
        places = [index for index, task in enumerate(tasks) if isinstance(task, Reserve)]
        reserves = [task for task in tasks if isinstance(task, Reserve)]
        if reserves:
            answers = reserve_all(connection, self._holder, reserves)
            for index, answer in zip(places, answers, strict=True):
                results[index] = answer
        return results

    def _undone(self, connection: sa.Connection, tasks: Sequence[GiveBack]) -> list[Entry]:
        """What to record of reservations that are to be undone: nothing for those that were never written."""
        if not tasks:
            return []
        written = known_rows(connection, [task.reservation.row_id for task in tasks])
        return [
            entry
            for task in tasks
            if task.reservation.row_id in written
            for entry in given_back(task.reservation, task.at_s, task.reason)
        ]

    def _refusal(self, task: Task, refused: Refused) -> Exception:
        log.error("the ledger refuses a row", task=type(task).__name__, cause=str(refused))
        if isinstance(task, Reserve):
            return LedgerUnavailable("the ledger cannot record this call")
        return Unrecordable(str(refused))

    def _until_few(self, some: Callable[[sa.Connection], int]) -> int:
        whole = 0
        while (count := self._transact(some)) == MOST_AT_ONCE:
            whole += count
        return whole + count

    def _transact(self, work: Callable[[sa.Connection], Result]) -> Result:
        """Do the work in one transaction, once more if it failed for a reason that may be gone.

        A commit whose answer was lost is done again too: every statement finds what it wrote the first time.
        """
        for last in (False, True):
            try:
                connection = self._connected()
                with connection.begin():
                    return work(connection)
            except sa.exc.StatementError as error:
                if is_refusal(error):
                    raise Refused(cause_of(error)) from error
                self._disconnect()
                if last or not may_be_tried_again(error):
                    log.warning("the ledger's database failed", cause=cause_of(error))
                    raise LedgerUnavailable from error
            except sa.exc.SQLAlchemyError as error:
                log.warning("the ledger's database failed", cause=type(error).__name__)
                self._disconnect()
                raise LedgerUnavailable from error
            except (LedgerUnavailable, Refused, ConfigurationError):
                raise
            except Exception as error:
                # A fault of ours, or a value that the driver cannot take: the thread must outlive both.
                log.exception("a task of the ledger failed")
                self._disconnect()
                raise Refused(type(error).__name__) from error
        raise AssertionError("unreachable")

    def _connected(self) -> sa.Connection:
        if self._connection is None:
            self._connection = self._database.connect()
        return self._connection

    def _disconnect(self) -> None:
        """Drop the connection without a word to the other side, which may not listen."""
        connection, self._connection = self._connection, None
        if connection is not None and not connection.closed:
            connection.invalidate()
            connection.close()
