"""What a database must offer so that the ledger's SQL runs on it. Two do: SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import sqlalchemy as sa


class Database(Protocol):
    """One database, and the words that differ in it."""

    @property
    def shared(self) -> bool:
        """Whether several servers may write to it at the same time."""
        ...

    def connect(self) -> sa.Connection:
        """Open a connection, within a bounded time."""
        ...

    def insert(self, table: sa.Table) -> Any:
        """An INSERT that knows ON CONFLICT."""
        ...

    def now_s(self) -> sa.ColumnElement[float]:
        """The time by which leases end, the same for every server."""
        ...

    def serialise(self, connection: sa.Connection, tenants: Iterable[str]) -> None:
        """Let nobody else decide on these tenants' budgets until the transaction ends."""
        ...

    def interrupt(self) -> None:
        """Make whatever the newest connection does in another thread fail soon."""
        ...

    def dispose(self) -> None:
        """Let go of the database."""
        ...


class Refused(Exception):
    """The database refuses these values, and would again. Never leaves this package."""


_REFUSALS = (sa.exc.DataError, sa.exc.IntegrityError)
"""Not ProgrammingError: a table or a right that is missing can be given back, and then nothing is to be lost."""


def is_refusal(error: sa.exc.StatementError) -> bool:
    """Whether the values are to blame, and not the database's state."""
    return isinstance(error, _REFUSALS) or not isinstance(error, sa.exc.DBAPIError)


def cause_of(error: sa.exc.StatementError) -> str:
    """The database's own words, on one line, without the statement and its values."""
    text = str(error.orig or type(error).__name__).strip()
    return text.splitlines()[0][:200] if text else type(error).__name__


def may_be_tried_again(error: sa.exc.StatementError) -> bool:
    """Whether the same transaction may work at once: the connection was lost, or two transactions collided."""
    if not isinstance(error, sa.exc.DBAPIError):
        return False
    return error.connection_invalidated or getattr(error.orig, "sqlstate", None) in _COLLISIONS


_COLLISIONS = ("40001", "40P01")
"""serialization_failure and deadlock_detected: PostgreSQL manual, appendix A."""
