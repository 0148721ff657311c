"""The SQL of reservations: budgets and rows of a whole batch in a few statements, in a transaction of the caller's."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from tierwise_server.errors import RequestError
from tierwise_server.ledger import tables
from tierwise_server.ledger.committed import Committed
from tierwise_server.ledger.entries import Period, Reservation
from tierwise_server.ledger.rules import refusal
from tierwise_server.ledger.writing import (
    IS_RESERVED,
    Holder,
    insert_calls,
    insert_requests,
    reserved_row,
)

if TYPE_CHECKING:
    from tierwise_server.ledger.writer import Reserve


def reserve_all(
    connection: sa.Connection, holder: Holder, reserves: Sequence[Reserve]
) -> list[RequestError | None]:
    """Write the reservations that their budgets allow, in order; answer for each why not, or None."""
    committed, known = _committed(connection, holder, reserves)
    answers: list[RequestError | None] = []
    granted: dict[str, Reservation] = {}
    for reserve in reserves:
        reservation, budgets = reserve.reservation, reserve.budgets
        refused = None
        if reservation.row_id not in known and reservation.row_id not in granted:
            held = partial(committed.nano_usd, reservation)
            refused = refusal(reservation, budgets, held)
            if refused is None:
                granted[reservation.row_id] = reservation
                committed.reserve(reservation)
        answers.append(refused)
    insert_requests(connection, holder, (r.origin for r in granted.values()))
    insert_calls(connection, holder, [reserved_row(holder, r) for r in granted.values()])
    return answers


def _committed(
    connection: sa.Connection, holder: Holder, reserves: Sequence[Reserve]
) -> tuple[Committed, set[str]]:
    """What the budgets hold already, and which of the rows are there already (those are granted)."""
    committed = Committed()
    limited = [reserve.reservation for reserve in reserves if reserve.budgets]
    if not limited:
        return committed, set()
    tenants = sorted({reservation.origin.tenant for reservation in limited})
    holder.database.serialise(connection, tenants)
    row_ids = [reserve.reservation.row_id for reserve in reserves]
    known = known_rows(connection, row_ids)
    for day in {reservation.day for reservation in limited}:
        _load(connection, committed, tenants, day)
    return committed, known


_KNOWN = sa.select(tables.call.c.row_id).where(
    tables.call.c.row_id.in_(sa.bindparam("row_ids", expanding=True))
)


def _load(
    connection: sa.Connection, committed: Committed, tenants: Sequence[str], day: datetime.date
) -> None:
    """Count what was charged and what is open in the periods of `day`."""
    first, last = Period.MONTH.days(day)
    values = {"tenants": tenants, "day": day, "first": first, "last": last}
    for tenant, key_id, of_month, of_day in connection.execute(_COMMITTED, values):
        committed.put(tenant, key_id, Period.MONTH, day, int(of_month))
        committed.put(tenant, key_id, Period.DAY, day, int(of_day))


def _sums_of_periods() -> sa.Select[Any]:
    """What the day and the month hold, by key: one statement, so that a row is seen open or charged, never both."""
    tenants = sa.bindparam("tenants", type_=tables.Text(), expanding=True)
    first, last = sa.bindparam("first", type_=sa.Date), sa.bindparam("last", type_=sa.Date)
    spend, call = tables.spend, tables.call
    charged = sa.select(spend.c.tenant, spend.c.key_id, spend.c.day, spend.c.nano_usd).where(
        spend.c.tenant.in_(tenants), spend.c.day.between(first, last)
    )
    opened = sa.select(call.c.tenant, call.c.key_id, call.c.day, call.c.worst_case_nano_usd).where(
        IS_RESERVED, call.c.tenant.in_(tenants), call.c.day.between(first, last)
    )
    amounts = sa.union_all(charged, opened).subquery()
    is_day = amounts.c.day == sa.bindparam("day", type_=sa.Date)
    return sa.select(
        amounts.c.tenant,
        amounts.c.key_id,
        sa.func.coalesce(sa.func.sum(amounts.c.nano_usd), 0),
        sa.func.coalesce(sa.func.sum(sa.case((is_day, amounts.c.nano_usd), else_=0)), 0),
    ).group_by(amounts.c.tenant, amounts.c.key_id)


_COMMITTED = _sums_of_periods()


def known_rows(connection: sa.Connection, row_ids: Sequence[str]) -> set[str]:
    """Which of the rows are written."""
    return set(connection.execute(_KNOWN, {"row_ids": row_ids}).scalars())
