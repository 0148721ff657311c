"""The embedded database: one SQLite file in the data directory, and one server that holds its lock.

Durable against the loss of power: the write-ahead log is flushed at every commit (synchronous=FULL).
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from tierwise_server.errors import ConfigurationError, Fault

DATABASE_FILE = "ledger.sqlite3"
LOCK_FILE = "ledger.lock"

BUSY_TIMEOUT_S = 2.0
"""How long to wait for another program that has the file open, such as a shell."""

MOST_CHECKED_BYTES = 64 * 1024 * 1024
"""Up to this size the file's structure is checked at every start, in about a tenth of a second. Beyond it a start would
take too long, and damage shows when it is met."""

LONGEST_LOG_BYTES = 64 * 1024 * 1024
"""What the write-ahead log is cut back to after a checkpoint."""


class SqliteDatabase:
    """One SQLite file."""

    shared = False

    def __init__(
        self, path: Path, wall_clock: Callable[[], float], *, read_only: bool = False
    ) -> None:
        self._path = path
        self._wall_clock = wall_clock
        self._read_only = read_only
        self._latest: sqlite3.Connection | None = None
        mode = "ro" if read_only else "rwc"
        query = {"mode": mode, "uri": "true"}
        self._engine = sa.create_engine(
            sa.URL.create("sqlite", database=f"file:{_quoted(path)}", query=query),
            poolclass=sa.NullPool,
            connect_args={"isolation_level": None, "check_same_thread": False},
        )
        sa.event.listen(self._engine, "connect", self._prepare)
        sa.event.listen(self._engine, "begin", self._begin)

    def connect(self) -> sa.Connection:
        """Open the file."""
        return self._engine.connect()

    def insert(self, table: sa.Table) -> Any:
        """SQLite's INSERT."""
        return insert(table)

    def now_s(self) -> sa.ColumnElement[float]:
        """The server's wall clock, read whenever the statement runs."""
        return sa.bindparam(None, callable_=self._wall_clock, type_=sa.Double)

    def serialise(self, connection: sa.Connection, tenants: Iterable[str]) -> None:
        """Nothing to do: a transaction that writes has the whole file."""

    def interrupt(self) -> None:
        """Break off the running statement; a flush that hangs cannot be broken off."""
        if self._latest is not None:
            self._latest.interrupt()

    def dispose(self) -> None:
        """Close the file."""
        self._engine.dispose()

    def _prepare(self, connection: sqlite3.Connection, _record: object) -> None:
        self._latest = connection
        connection.execute(f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT_S * 1000)}")
        if self._read_only:
            return
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA fullfsync = ON")
        connection.execute(f"PRAGMA journal_size_limit = {LONGEST_LOG_BYTES}")
        # Prompts and answers that were deleted are to be gone from the file.
        connection.execute("PRAGMA secure_delete = ON")

    def _begin(self, connection: sa.Connection) -> None:
        # The driver would begin late and for reading; a lock taken at once is never refused half-way.
        connection.exec_driver_sql("BEGIN" if self._read_only else "BEGIN IMMEDIATE")


class DirectoryLock:
    """Held by the one server that may write to a data directory; the system lets go of it when that dies."""

    def __init__(self, directory: Path) -> None:
        self._file = os.open(directory / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(self._file, 20).decode("ascii", "replace").strip() or "unknown"
            os.close(self._file)
            text = f"{directory} is in use by another server (process {holder})"
            raise ConfigurationError((Fault("ledger.directory", text),)) from None
        os.ftruncate(self._file, 0)
        os.write(self._file, f"{os.getpid()}\n".encode("ascii"))

    def release(self) -> None:
        """Let another server have the directory."""
        os.close(self._file)


def examine(path: Path) -> None:
    """Look for damage before anything is written.

    Raises:
        ConfigurationError: the file is damaged, or is no SQLite database.
    """
    if not path.exists() or path.stat().st_size == 0:
        return
    try:
        connection = sqlite3.connect(f"file:{_quoted(path)}", uri=True, timeout=BUSY_TIMEOUT_S)
        try:
            whole = path.stat().st_size <= MOST_CHECKED_BYTES
            check = "PRAGMA quick_check(1)" if whole else "SELECT count(*) FROM sqlite_schema"
            (found,) = connection.execute(check).fetchone()
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError) and not _is_damage(error):
            raise _unusable(path, f"cannot be opened: {error}") from None
        raise _damaged(path, str(error)) from None
    if whole and found != "ok":
        raise _damaged(path, str(found).splitlines()[0])


def _is_damage(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorname", "").startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))


def _damaged(path: Path, what: str) -> ConfigurationError:
    text = (
        f"is damaged ({what}). Put a backup in its place; or move it away with its -wal and -shm "
        "files, start afresh, and recover what can be read with `sqlite3 FILE .recover`"
    )
    return _unusable(path, text)


def _unusable(path: Path, text: str) -> ConfigurationError:
    return ConfigurationError((Fault("ledger.directory", f"{path} {text}"),))


def make_private(directory: Path) -> None:
    """Make the data directory and the database file, readable by their owner alone.

    A file that is there is not opened: closing it again would drop every lock that this process has on it (so POSIX
    has it), and the next program to close the database would take itself for the last and delete the log in use.
    Source: sqlite.org/howtocorrupt.html, 2.2.

    Raises:
        ConfigurationError: that is not possible.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(directory / DATABASE_FILE, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise _unusable(directory, f"cannot be written: {error.strerror}") from None


def _quoted(path: Path) -> str:
    """The path as SQLite's URI form wants it."""
    return str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
