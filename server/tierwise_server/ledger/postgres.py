"""PostgreSQL, for many servers on one ledger. Any URL that psycopg takes; options in it win over those set here."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from tierwise_server.errors import ConfigurationError, Fault

if TYPE_CHECKING:
    import psycopg

CONNECT_TIMEOUT_S = 2
"""How long a connection may take; libpq knows no less."""

_CONNECTING = {
    "application_name": "tierwise",
    "connect_timeout": CONNECT_TIMEOUT_S,
    # A peer that is gone is noticed within ten seconds, asked or not.
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": 10_000,
}


class PostgresDatabase:
    """One PostgreSQL database."""

    shared = True

    def __init__(self, url: str, *, statement_timeout_s: float) -> None:
        self._statement_timeout_ms = int(statement_timeout_s * 1000)
        self._latest: psycopg.Connection[Any] | None = None
        parsed = _parsed(url)
        given = {name: value for name, value in _CONNECTING.items() if name not in parsed.query}
        try:
            self._engine = sa.create_engine(
                parsed, poolclass=sa.NullPool, isolation_level="READ COMMITTED", connect_args=given
            )
        except ModuleNotFoundError:
            text = "PostgreSQL needs the extra: pip install 'tierwise[server,postgres]'"
            raise ConfigurationError((Fault("ledger.url", text),)) from None
        sa.event.listen(self._engine, "connect", self._prepare)

    def connect(self) -> sa.Connection:
        """Open a connection."""
        return self._engine.connect()

    def insert(self, table: sa.Table) -> Any:
        """PostgreSQL's INSERT."""
        return insert(table)

    def now_s(self) -> sa.ColumnElement[float]:
        """The database's clock: servers' clocks differ."""
        return sa.cast(sa.extract("epoch", sa.func.clock_timestamp()), sa.Double)

    def serialise(self, connection: sa.Connection, tenants: Iterable[str]) -> None:
        """Take the tenants' locks, in the order of their numbers; the transaction's end releases them."""
        numbers = sorted(map(_lock_number, tenants))
        connection.execute(_LOCK, {"numbers": numbers})

    def interrupt(self) -> None:
        """Cut the connection: a server that does not answer would not hear a request to cancel either."""
        connection = self._latest
        if connection is None or connection.closed:
            return
        try:
            with socket.socket(fileno=os.dup(connection.fileno())) as cut:
                cut.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # It is gone already.

    def dispose(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def _prepare(self, connection: psycopg.Connection[Any], _record: object) -> None:
        self._latest = connection
        for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
            connection.execute(
                "SELECT set_config(%s, %s, false)", (name, str(self._statement_timeout_ms))
            )
        connection.commit()


_LOCK = sa.text(
    "SELECT pg_advisory_xact_lock(number) FROM unnest(CAST(:numbers AS bigint[])) AS number"
)


def _lock_number(tenant: str) -> int:
    digest = hashlib.sha256(b"tierwise.ledger:" + tenant.encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _parsed(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        raise ConfigurationError((Fault("ledger.url", "is no URL"),)) from None
    if parsed.get_backend_name() not in ("postgresql", "postgres"):
        text = "must be postgresql://..., memory:, or empty"
        raise ConfigurationError((Fault("ledger.url", text),))
    return parsed.set(drivername="postgresql+psycopg")
