"""Opens the store of keys beside the ledger that the settings name, also while a server has that open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError, StatementError

from tierwise_server.access.sql_keys import SqlKeyStore
from tierwise_server.access.sql_worker import SqlWorker
from tierwise_server.ledger.database import cause_of
from tierwise_server.ledger.migrate import NEWEST, current_revision, migrate
from tierwise_server.ledger.opening import claim, database_of, unusable
from tierwise_server.ledger.settings import MEMORY_URL, LedgerSettings
from tierwise_server.ledger.sqlite import make_private

if TYPE_CHECKING:
    from tierwise_server.access.base import KeyStore
    from tierwise_server.ledger.database import Database


@asynccontextmanager
async def open_keys(settings: LedgerSettings) -> AsyncIterator[KeyStore]:
    """Open the store of keys to read and write, making it where there is none. Closes it when the context ends.

    Raises:
        ConfigurationError: it cannot be used: in memory, damaged, newer, out of reach, or of a server of another
            version that runs.
    """
    if settings.url == MEMORY_URL:
        text = "a ledger in memory keeps no keys; set ledger.directory or a PostgreSQL URL"
        raise unusable(settings, text)
    database = database_of(settings)
    try:
        await asyncio.to_thread(_prepare, settings, database)
    except SQLAlchemyError as error:
        database.dispose()
        text = cause_of(error) if isinstance(error, StatementError) else type(error).__name__
        raise unusable(settings, f"cannot be used: {text}") from None
    reader = database_of(settings, read_only=True)
    timeout_s = settings.write_timeout_s
    store = SqlKeyStore(SqlWorker(database, timeout_s), SqlWorker(reader, timeout_s))
    try:
        yield store
    finally:
        await store.aclose()


def _prepare(settings: LedgerSettings, database: Database) -> None:
    """Make or upgrade the tables. In an embedded store only while no server has it, which may be of another version."""
    if settings.url:
        with database.connect() as connection, connection.begin():
            migrate(connection, database)
        return
    make_private(settings.directory)
    with database.connect() as connection, connection.begin():
        revision = current_revision(connection)
    if revision == NEWEST:
        return
    lock = claim(settings)
    try:
        with database.connect() as connection, connection.begin():
            migrate(connection, database)
    finally:
        lock.release()
