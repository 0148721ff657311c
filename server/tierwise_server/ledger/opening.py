"""Opens the ledger that the settings name."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from sqlalchemy.exc import StatementError

from tierwise_server.errors import ConfigurationError, Fault, LedgerUnavailable
from tierwise_server.ledger.base import Ledger, LedgerReader
from tierwise_server.ledger.database import cause_of
from tierwise_server.ledger.ledger import SqlLedger
from tierwise_server.ledger.memory import MemoryLedger
from tierwise_server.ledger.migrate import require_newest
from tierwise_server.ledger.postgres import PostgresDatabase
from tierwise_server.ledger.reading import SqlReader
from tierwise_server.ledger.settings import MEMORY_URL, LedgerSettings
from tierwise_server.ledger.sqlite import (
    DATABASE_FILE,
    DirectoryLock,
    SqliteDatabase,
    examine,
    make_private,
)
from tierwise_server.ledger.store import SqlStore
from tierwise_server.ledger.writer import Pace, Writer
from tierwise_server.ledger.writing import Holder

if TYPE_CHECKING:
    from tierwise_server.ledger.database import Database


@asynccontextmanager
async def open_ledger(settings: LedgerSettings) -> AsyncIterator[Ledger]:
    """Open the ledger to write; `recover` was called once. Closes it when the context ends.

    Raises:
        ConfigurationError: it cannot be used: damaged, in use, newer, out of reach.
    """
    if settings.url == MEMORY_URL:
        yield MemoryLedger(
            reservation_lease_s=settings.reservation_lease_s,
            keep_content_days=settings.keep_content_days,
            wall_clock=settings.wall_clock,
        )
        return
    lock = None if settings.url else await asyncio.to_thread(claim, settings)
    try:
        ledger = await _opened(settings)
        try:
            await ledger.recover()
            yield ledger
        finally:
            await ledger.aclose()
    finally:
        if lock is not None:
            lock.release()


@asynccontextmanager
async def open_reader(settings: LedgerSettings) -> AsyncIterator[LedgerReader]:
    """Open the ledger to read, beside a server that may have it open. Closes it when the context ends.

    Raises:
        ConfigurationError: there is none, or its tables are older or newer than this version's.
    """
    if not settings.url and not (settings.directory / DATABASE_FILE).exists():
        raise unusable(settings, "there is no ledger here yet; it is made when the server starts")
    reader = _reader(settings)
    try:
        try:
            await reader.read(require_newest)
        except LedgerUnavailable as error:
            raise unusable(settings, error.message) from None
        yield reader
    finally:
        await reader.aclose()


def claim(settings: LedgerSettings) -> DirectoryLock:
    """Take the data directory for one server, and look for damage. Blocks; the caller releases the lock.

    Raises:
        ConfigurationError: another server has it, or its file is damaged.
    """
    make_private(settings.directory)
    lock = DirectoryLock(settings.directory)
    try:
        examine(settings.directory / DATABASE_FILE)
    except ConfigurationError:
        lock.release()
        raise
    return lock


async def _opened(settings: LedgerSettings) -> SqlLedger:
    database = database_of(settings)
    holder = Holder(
        database=database,
        owner=secrets.token_hex(8),
        reservation_lease_s=settings.reservation_lease_s,
        keeps_content=settings.keep_content_days > 0,
    )
    store = SqlStore(holder, settings)
    try:
        await asyncio.to_thread(store.open)
    except (ConfigurationError, LedgerUnavailable) as error:
        store.abandon()
        if isinstance(error, ConfigurationError):
            raise
        cause = error.__cause__
        text = cause_of(cause) if isinstance(cause, StatementError) else error.message
        raise unusable(settings, f"cannot be used: {text}") from None
    pace = Pace(
        most_waiting=settings.most_waiting,
        write_timeout_s=settings.write_timeout_s,
        beat_s=settings.owner_lease_s / 3,
    )
    writer = Writer(store, pace)
    writer.start()
    return SqlLedger(writer, _reader(settings), settings)


def database_of(
    settings: LedgerSettings, *, read_only: bool = False, timeout_s: float | None = None
) -> Database:
    """The database that the settings name; a statement of a shared one takes `timeout_s`, or what a write may take."""
    if settings.url:
        most_s = settings.write_timeout_s if timeout_s is None else timeout_s
        return PostgresDatabase(settings.url, statement_timeout_s=most_s)
    path = settings.directory / DATABASE_FILE
    return SqliteDatabase(path, settings.wall_clock, read_only=read_only)


def unusable(settings: LedgerSettings, text: str) -> ConfigurationError:
    """The fault of the setting that says where the ledger is."""
    return ConfigurationError((Fault("ledger.url" if settings.url else "ledger.directory", text),))


def _reader(settings: LedgerSettings) -> SqlReader:
    timeout_s = settings.read_timeout_s
    return SqlReader(database_of(settings, read_only=True, timeout_s=timeout_s), timeout_s)
