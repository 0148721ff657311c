"""Remembered answers over SQL, in the ledger's database and by its clock. Every decision is one transaction."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import sqlalchemy as sa

from tierwise_server.errors import LedgerUnavailable
from tierwise_server.idempotency.base import LEASE_S, Claim, Place, Room, conflict, reused
from tierwise_server.ledger.tables import remembered

if TYPE_CHECKING:
    from tierwise_server.access.sql_worker import SqlWorker


MOST_FORGOTTEN = 1000
"""How many answers one transaction forgets."""

MEASURED_EVERY = 16
"""After how many new bytes a tenant's answers are measured: a sixteenth of its room. By so much it may be exceeded.

It reads all of them, 0.1 s for 250 MB of large ones and 0.4 s of small ones on SQLite; besides that only once for each
tenant that comes to a server, because it may have been restarted often.
"""

_Row = tuple[bytes, bytes | None]


class SqlAnswers:
    """The port to remembered answers over SQL. See base.py for what it promises."""

    def __init__(self, worker: SqlWorker, room: Room, *, lease_s: float = LEASE_S) -> None:
        self.worker = worker
        self._room = room
        self._lease_s = lease_s
        self._running: dict[Place, tuple[str, bytes]] = {}
        self._unmeasured: Counter[str] = Counter()
        self._measured: set[str] = set()

    async def begin(self) -> None:
        """Free what the dead claimed, where nobody else can have claimed anything: in an embedded store.

        Its one server holds the data directory's lock, so whoever was there before is gone. Should the store not
        answer, the claims end with their leases.
        """
        if not self.worker.database.shared:
            dead = sa.delete(remembered).where(remembered.c.answer.is_(None))
            with suppress(LedgerUnavailable):
                await self.worker.run(lambda connection: connection.execute(dead))

    async def claim(self, place: Place, body_hash: bytes) -> Claim | bytes:
        """Take the right to run a request, or get its answer."""
        running = self._running.get(place)
        if running is not None:
            # It runs here, whatever the clock says of its lease.
            raise conflict(body_hash, running[1])
        claim = Claim(place, secrets.token_hex(8))
        try:
            found = await self.worker.run(
                lambda connection: self._claim(connection, claim, body_hash)
            )
        except BaseException:
            # Whether it was claimed is not known: a lost answer, or nobody left to hear it.
            self.release(claim)
            raise
        if found is None:
            self._running[place] = (claim.token, body_hash)
            return claim
        known_hash, answer = found
        if answer is None:
            raise conflict(body_hash, known_hash)
        if known_hash != body_hash:
            raise reused()
        return answer

    async def finish(self, claim: Claim, answer: bytes) -> None:
        """Keep the answer."""
        now_s = self.worker.database.now_s()
        statement = (
            sa.update(remembered)
            .where(_is_at(claim.place), remembered.c.token == claim.token)
            .values(answer=answer, ends_at_s=now_s + self._room.keep_s)
        )
        tenant = claim.place.tenant
        self._unmeasured[tenant] += len(answer)
        full = self._unmeasured[tenant] * MEASURED_EVERY >= self._room.tenant_bytes

        def finish(connection: sa.Connection) -> None:
            connection.execute(statement)
            if full:
                self._bound(connection, tenant)

        await self.worker.run(finish)
        self._ended(claim)
        if full:
            del self._unmeasured[tenant]

    def release(self, claim: Claim) -> None:
        """Give the id back, after what was asked for before."""
        self._ended(claim)
        statement = sa.delete(remembered).where(
            _is_at(claim.place), remembered.c.token == claim.token, remembered.c.answer.is_(None)
        )
        self.worker.later(lambda connection: connection.execute(statement))

    async def keep(self) -> None:
        """Renew what is claimed and forget what is over, for ever."""
        while True:
            await asyncio.sleep(self._lease_s / 3)
            claims = [token for token, _ in self._running.values()]
            tenants = [tenant for tenant in self._unmeasured if tenant not in self._measured]
            with suppress(LedgerUnavailable):
                await self.worker.run(partial(self._renew, claims=claims, tenants=tenants))
                self._measured.update(tenants)

    async def aclose(self) -> None:
        """Disconnect."""
        await self.worker.aclose()

    def _ended(self, claim: Claim) -> None:
        if self._running.get(claim.place, ("",))[0] == claim.token:
            del self._running[claim.place]

    def _claim(self, connection: sa.Connection, claim: Claim, body_hash: bytes) -> _Row | None:
        """Claim, and answer None; or answer what is there."""
        now_s = self.worker.database.now_s()
        values = {
            "body_hash": body_hash,
            "token": claim.token,
            "answer": None,
            "ends_at_s": now_s + self._lease_s,
        }
        insert = self.worker.database.insert(remembered).values(
            tenant=claim.place.tenant,
            key_id=claim.place.key_id,
            request_id=claim.place.request_id,
            **values,
        )
        # A transaction that is done again after a lost answer finds its own claim.
        mine = remembered.c.token == claim.token
        statement = insert.on_conflict_do_update(
            index_elements=["tenant", "key_id", "request_id"],
            set_=values,
            where=sa.or_(remembered.c.ends_at_s <= now_s, mine),
        ).returning(remembered.c.token)
        if connection.execute(statement).first() is not None:
            return None
        # The statement above has locked the row, or nothing stands in the way of the next one.
        columns = sa.select(remembered.c.body_hash, remembered.c.answer)
        found = connection.execute(columns.where(_is_at(claim.place))).first()
        return (body_hash, None) if found is None else (found[0], found[1])

    def _renew(
        self, connection: sa.Connection, *, claims: Sequence[str], tenants: Sequence[str]
    ) -> None:
        now_s = self.worker.database.now_s()
        if claims:
            connection.execute(
                sa.update(remembered)
                .where(remembered.c.token.in_(claims), remembered.c.answer.is_(None))
                .values(ends_at_s=now_s + self._lease_s)
            )
        over = (
            sa.select(remembered.c.token)
            .where(remembered.c.ends_at_s <= now_s)
            .limit(MOST_FORGOTTEN)
            .scalar_subquery()
        )
        connection.execute(sa.delete(remembered).where(remembered.c.token.in_(over)))
        for tenant in tenants:
            self._bound(connection, tenant)

    def _bound(self, connection: sa.Connection, tenant: str) -> None:
        """Forget a tenant's oldest answers, as far as those after them take all its room."""
        newest_first = (remembered.c.ends_at_s.desc(), remembered.c.token)
        sizes = (
            sa.select(
                remembered.c.token,
                sa.func.sum(sa.func.length(remembered.c.answer))
                .over(order_by=newest_first)
                .label("bytes"),
            )
            .where(remembered.c.tenant == tenant, remembered.c.answer.is_not(None))
            .subquery()
        )
        old = sa.select(sizes.c.token).where(sizes.c.bytes > self._room.tenant_bytes)
        connection.execute(sa.delete(remembered).where(remembered.c.token.in_(old)))


def _is_at(place: Place) -> sa.ColumnElement[bool]:
    return sa.and_(
        remembered.c.tenant == place.tenant,
        remembered.c.key_id == place.key_id,
        remembered.c.request_id == place.request_id,
    )
