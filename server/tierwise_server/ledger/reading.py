"""The ledger's reading side over SQL: sums, single requests, and the check that sums and rows agree."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa

from tierwise_server.errors import LedgerUnavailable
from tierwise_server.ledger import tables
from tierwise_server.ledger.columns import (
    content_of,
    ending_of,
    origin_of,
    reservation_of,
    settlement_of,
)
from tierwise_server.ledger.database import cause_of
from tierwise_server.ledger.entries import LOST, CallAccount, Origin, RequestAccount, RowState
from tierwise_server.ledger.spend_sql import spend_rows

if TYPE_CHECKING:
    from tierwise_server.ledger.database import Database
    from tierwise_server.ledger.spend import SpendQuery, SpendRow

Result = TypeVar("Result")


class SqlReader:
    """Reads a ledger, beside whoever writes it. See ledger/base.py for what it promises."""

    def __init__(self, database: Database, timeout_s: float) -> None:
        self._database = database
        self._timeout_s = timeout_s

    async def spend(self, query: SpendQuery) -> tuple[SpendRow, ...]:
        """Add up what was spent."""
        return await self.read(lambda connection: spend_rows(connection, query))

    async def find(self, tenant: str, request_id: str) -> tuple[RequestAccount, ...]:
        """Look a request up."""
        return await self.read(lambda connection: _find(connection, tenant, request_id))

    async def audit(self) -> tuple[str, ...]:
        """Compare every sum with its rows."""
        return await self.read(_audit)

    async def aclose(self) -> None:
        """Close."""
        await asyncio.to_thread(self._database.dispose)

    async def read(self, work: Callable[[sa.Connection], Result]) -> Result:
        """Do some reading on a connection of its own, within the time there is for that.

        Raises:
            LedgerUnavailable: the database does not answer.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                return await asyncio.to_thread(self._read, work)
        except TimeoutError:
            self._database.interrupt()
            raise LedgerUnavailable("the ledger does not answer in time") from None
        except sa.exc.StatementError as error:
            raise LedgerUnavailable(f"the ledger cannot be read: {cause_of(error)}") from None

    def _read(self, work: Callable[[sa.Connection], Result]) -> Result:
        with self._database.connect() as connection:
            return work(connection)


def _find(connection: sa.Connection, tenant: str, request_id: str) -> tuple[RequestAccount, ...]:
    request, call, content = tables.request, tables.call, tables.content
    found = (
        connection.execute(
            sa.select(request)
            .where(request.c.tenant == tenant, request.c.request_id == request_id)
            .order_by(request.c.started_at_s, request.c.run_id)
        )
        .mappings()
        .all()
    )
    run_ids = [row["run_id"] for row in found]
    calls: dict[str, list[sa.RowMapping]] = defaultdict(list)
    rows = connection.execute(
        sa.select(call).where(call.c.run_id.in_(run_ids)).order_by(call.c.attempt, call.c.row_id)
    )
    for row in rows.mappings():
        calls[row["run_id"]].append(row)
    contents = connection.execute(sa.select(content).where(content.c.run_id.in_(run_ids)))
    kept = {row["run_id"]: row for row in contents.mappings()}
    return tuple(_account(row, calls[row["run_id"]], kept.get(row["run_id"])) for row in found)


def _account(
    row: Mapping[Any, Any], calls: list[sa.RowMapping], content: sa.RowMapping | None
) -> RequestAccount:
    origin = origin_of(row)
    ended = row["outcome"] not in (None, LOST)
    return RequestAccount(
        origin=origin,
        outcome=row["outcome"] or "",
        cost_nano_usd=None if row["unpriced_calls"] else row["cost_nano_usd"],
        calls=tuple(_call(origin, call) for call in calls),
        row=ending_of(origin, row) if ended else None,
        content=None if content is None else content_of(origin, content),
    )


def _call(origin: Origin, row: sa.RowMapping) -> CallAccount:
    reservation = reservation_of(origin, row)
    state = RowState[row["state"]]
    open_or_lost = state in (RowState.RESERVED, RowState.ORPHANED)
    return CallAccount(
        reservation=reservation,
        state=state,
        charged_nano_usd=row["charged_nano_usd"],
        settlement=None if open_or_lost else settlement_of(reservation, row),
        superseded=row["superseded"],
    )


def _audit(connection: sa.Connection) -> tuple[str, ...]:
    return (*_wrong_requests(connection), *_wrong_days(connection))


def _wrong_requests(connection: sa.Connection) -> list[str]:
    """Requests whose cost is not the sum of their calls'."""
    request, call = tables.request, tables.call
    over = call.c.state != RowState.RESERVED.name
    unknown = sa.and_(over, call.c.charged_nano_usd.is_(None))
    charged = sa.func.coalesce(sa.func.sum(call.c.charged_nano_usd), 0)
    unpriced = sa.func.coalesce(sa.func.sum(sa.case((unknown, 1), else_=0)), 0)
    wrong = (
        sa.select(request.c.run_id, request.c.cost_nano_usd, charged)
        .select_from(request.outerjoin(call, call.c.run_id == request.c.run_id))
        .group_by(request.c.run_id, request.c.cost_nano_usd, request.c.unpriced_calls)
        .having(sa.or_(charged != request.c.cost_nano_usd, unpriced != request.c.unpriced_calls))
    )
    return [
        f"run {run_id}: the request says {says} nano-USD, its calls {sum_}"
        for run_id, says, sum_ in connection.execute(wrong)
    ]


def _wrong_days(connection: sa.Connection) -> list[str]:
    """Days whose charges are not the sum of their calls'."""
    spend, call = tables.spend, tables.call
    says = sa.select(
        spend.c.tenant,
        spend.c.key_id,
        spend.c.day,
        spend.c.nano_usd,
        sa.literal_column("0").label("charged"),
    )
    rows = sa.select(
        call.c.tenant,
        call.c.key_id,
        call.c.day,
        sa.literal_column("0").label("nano_usd"),
        sa.func.coalesce(call.c.charged_nano_usd, 0),
    )
    both = sa.union_all(says, rows).subquery()
    said, charged = sa.func.sum(both.c.nano_usd), sa.func.sum(both.c.charged)
    wrong = (
        sa.select(both.c.tenant, both.c.key_id, both.c.day, said, charged)
        .group_by(both.c.tenant, both.c.key_id, both.c.day)
        .having(said != charged)
    )
    return [
        f"tenant {tenant!r}, key {key_id!r}, {day}: the day says {says_} nano-USD, its calls {sum_}"
        for tenant, key_id, day, says_, sum_ in connection.execute(wrong)
    ]
