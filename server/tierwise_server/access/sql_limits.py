"""Limits that servers share through one database, by its clock. Every decision is one transaction."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import sqlalchemy as sa

from tierwise_server.access.rules import (
    LEASE_S,
    MINUTE_S,
    bucket_s,
    interval_s,
    rate_refusal,
    stream_refusal,
)
from tierwise_server.errors import LedgerUnavailable
from tierwise_server.ledger import tables

if TYPE_CHECKING:
    from tierwise_server.access.sql_worker import SqlWorker


class SqlLimits:
    """The port to limits over SQL. See access/base.py for what it promises.

    A lease ends `lease_s` after its server was last heard of; `keep` must run for as long as streams do.
    """

    def __init__(self, worker: SqlWorker, *, lease_s: float = LEASE_S) -> None:
        self._worker = worker
        self._lease_s = lease_s
        self._leases: set[str] = set()

    async def take(self, subject: str, per_minute: int) -> None:
        """Take one request."""
        refused = await self._worker.run(
            lambda connection: self._take(connection, subject, per_minute)
        )
        if refused is not None:
            raise rate_refusal(per_minute, *refused)

    @asynccontextmanager
    async def hold(self, subject: str, streams: int) -> AsyncIterator[None]:
        """Hold a stream."""
        lease_id = secrets.token_hex(8)
        try:
            granted = await self._worker.run(
                lambda connection: self._hold(connection, lease_id, subject, streams)
            )
            if not granted:
                raise stream_refusal(streams)
            self._leases.add(lease_id)
            yield
        finally:
            # Also when the answer to the question was not waited for; the one thread does it after that.
            self._leases.discard(lease_id)
            self._worker.later(lambda connection: _release(connection, [lease_id]))

    async def keep(self) -> None:
        """Renew what is held, for ever."""
        while True:
            await asyncio.sleep(self._lease_s / 3)
            if self._leases:
                with suppress(LedgerUnavailable):
                    await self._renew(tuple(self._leases))

    async def aclose(self) -> None:
        """Disconnect."""
        await self._worker.aclose()

    async def _renew(self, leases: tuple[str, ...]) -> None:
        lease = tables.access_lease
        now_s = self._worker.database.now_s()
        statement = (
            sa.update(lease)
            .where(lease.c.lease_id.in_(leases))
            .values(expires_at_s=now_s + self._lease_s)
        )
        await self._worker.run(lambda connection: connection.execute(statement))

    def _take(
        self, connection: sa.Connection, subject: str, per_minute: int
    ) -> tuple[float, float] | None:
        """Take one; or answer when the bucket is full, and the time."""
        rate, now_s = tables.access_rate, self._worker.database.now_s()
        step_s = interval_s(per_minute)
        insert = self._worker.database.insert(rate).values(
            subject=subject, full_at_s=now_s + step_s
        )
        full_at_s = sa.func.greatest(rate.c.full_at_s, now_s)
        # A bucket is never more than a minute from being full. If it seems to be, the clock was set back, which must
        # not lock anybody out: it is an empty bucket, and one request is a gift. By a minute more, because servers ask
        # for the time before they wait for each other.
        set_back = rate.c.full_at_s > now_s + 2 * MINUTE_S
        statement = insert.on_conflict_do_update(
            index_elements=["subject"],
            set_={"full_at_s": sa.func.least(full_at_s + step_s, now_s + MINUTE_S)},
            where=sa.or_(full_at_s - now_s <= bucket_s(per_minute), set_back),
        ).returning(rate.c.full_at_s)
        if connection.execute(statement).first() is not None:
            return None
        found = connection.execute(
            sa.select(rate.c.full_at_s, now_s).where(rate.c.subject == subject)
        ).first()
        return None if found is None else (min(found[0], found[1] + MINUTE_S), found[1])

    def _hold(self, connection: sa.Connection, lease_id: str, subject: str, streams: int) -> bool:
        lease, now_s = tables.access_lease, self._worker.database.now_s()
        self._worker.database.serialise(connection, [f"access:{subject}"])
        mine = lease.c.subject == subject
        connection.execute(sa.delete(lease).where(mine, lease.c.expires_at_s <= now_s))
        # Once the clock was set back, a dead server's lease would last by that much longer; a living one's is renewed.
        latest_s = now_s + self._lease_s
        too_far = sa.update(lease).where(mine, lease.c.expires_at_s > latest_s + MINUTE_S)
        connection.execute(too_far.values(expires_at_s=latest_s))
        # A transaction that is done again after a lost answer finds its own lease.
        others = sa.select(sa.func.count()).where(mine, lease.c.lease_id != lease_id)
        if (connection.execute(others).scalar() or 0) >= streams:
            return False
        insert = self._worker.database.insert(lease).values(
            lease_id=lease_id, subject=subject, expires_at_s=now_s + self._lease_s
        )
        connection.execute(insert.on_conflict_do_nothing())
        return True


def _release(connection: sa.Connection, leases: Iterable[str]) -> None:
    lease = tables.access_lease
    connection.execute(sa.delete(lease).where(lease.c.lease_id.in_(tuple(leases))))
