"""The SQL that writes, inside a transaction of the caller's. Each function does a whole batch in a few statements.

Rows and stored sums are always locked in the same order (calls, spend, requests, then tenants' budgets), each sorted,
so that servers that write at the same time wait for each other and never in a circle.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from tierwise_server.errors import RequestError
from tierwise_server.ledger import tables
from tierwise_server.ledger.columns import (
    ending_columns,
    origin_columns,
    reservation_columns,
    settlement_columns,
)
from tierwise_server.ledger.committed import Committed
from tierwise_server.ledger.entries import (
    Content,
    Origin,
    Period,
    RequestRow,
    Reservation,
    RowState,
    Settlement,
)
from tierwise_server.ledger.rules import charge_of, is_superseded, may_settle, refusal

if TYPE_CHECKING:
    from tierwise_server.ledger.database import Database
    from tierwise_server.ledger.entries import Entry
    from tierwise_server.ledger.writer import Reserve

IS_RESERVED = tables.call.c.state == sa.literal_column("'RESERVED'")
"""Said literally, so that the index of open rows serves it."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who writes: the owner of new rows, and how long a reservation may stay open."""

    database: Database
    owner: str
    reservation_lease_s: float
    keeps_content: bool


@dataclass(slots=True)
class Changes:
    """What charges change in the stored sums."""

    spend: Counter[tuple[str, str, datetime.date]] = field(default_factory=Counter)
    cost: Counter[str] = field(default_factory=Counter)
    unpriced: Counter[str] = field(default_factory=Counter)

    def charge(
        self, row: Mapping[Any, Any], *, before: int | None, after: int | None, fresh: bool
    ) -> None:
        """Note that a row's charge went from `before` to `after` (None: unknown); `fresh`: it had none before."""
        delta = (after or 0) - (before or 0)
        self.spend[row["tenant"], row["key_id"], row["day"]] += delta
        self.cost[row["run_id"]] += delta
        self.unpriced[row["run_id"]] += (after is None) - (before is None and not fresh)


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
    _insert_requests(connection, holder, (r.origin for r in granted.values()))
    _insert_calls(connection, holder, [_reserved(holder, r) for r in granted.values()])
    return answers


def record_all(connection: sa.Connection, holder: Holder, entries: Sequence[Entry]) -> None:
    """Write settlements, requests' ends and content."""
    settlements = [entry for entry in entries if isinstance(entry, Settlement)]
    rows = [entry for entry in entries if isinstance(entry, RequestRow)]
    contents = [entry for entry in entries if isinstance(entry, Content)]
    _insert_requests(connection, holder, (row.origin for row in rows))
    if settlements:
        _settle(connection, holder, settlements)
    if rows:
        _end(connection, rows)
    if contents and holder.keeps_content:
        _keep(connection, holder, contents)


def apply_changes(connection: sa.Connection, holder: Holder, changes: Changes) -> None:
    """Bring the stored sums up to date."""
    spend = [
        {"tenant": tenant, "key_id": key_id, "day": day, "nano_usd": delta}
        for (tenant, key_id, day), delta in sorted(changes.spend.items())
        if delta
    ]
    if spend:
        upsert = holder.database.insert(tables.spend)
        added = tables.spend.c.nano_usd + upsert.excluded.nano_usd
        connection.execute(
            upsert.on_conflict_do_update(
                index_elements=["tenant", "key_id", "day"], set_={"nano_usd": added}
            ),
            spend,
        )
    costs = [
        {"run": run_id, "delta": delta, "more": changes.unpriced[run_id]}
        for run_id, delta in sorted(changes.cost.items())
        if delta or changes.unpriced[run_id]
    ]
    if costs:
        connection.execute(_ADD_COST, costs)


_ADD_COST = (
    sa.update(tables.request)
    .where(tables.request.c.run_id == sa.bindparam("run"))
    .values(
        cost_nano_usd=tables.request.c.cost_nano_usd + sa.bindparam("delta", type_=sa.BigInteger),
        unpriced_calls=tables.request.c.unpriced_calls + sa.bindparam("more", type_=sa.Integer),
    )
)


# Reserving.


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
    call = tables.call
    row_ids = [reserve.reservation.row_id for reserve in reserves]
    known = connection.execute(sa.select(call.c.row_id).where(call.c.row_id.in_(row_ids)))
    for day in {reservation.day for reservation in limited}:
        _load(connection, committed, tenants, day)
    return committed, set(known.scalars())


def _load(
    connection: sa.Connection, committed: Committed, tenants: Sequence[str], day: datetime.date
) -> None:
    """Count what was charged and what is open in the periods of `day`: one statement, so one moment."""
    first, last = Period.MONTH.days(day)
    spend, call = tables.spend, tables.call
    charged = sa.select(spend.c.tenant, spend.c.key_id, spend.c.day, spend.c.nano_usd).where(
        spend.c.tenant.in_(tenants), spend.c.day.between(first, last)
    )
    opened = sa.select(call.c.tenant, call.c.key_id, call.c.day, call.c.worst_case_nano_usd).where(
        IS_RESERVED, call.c.tenant.in_(tenants), call.c.day.between(first, last)
    )
    amounts = sa.union_all(charged, opened).subquery()
    of_day = sa.case((amounts.c.day == day, amounts.c.nano_usd), else_=0)
    sums = sa.select(
        amounts.c.tenant,
        amounts.c.key_id,
        sa.func.coalesce(sa.func.sum(amounts.c.nano_usd), 0),
        sa.func.coalesce(sa.func.sum(of_day), 0),
    ).group_by(amounts.c.tenant, amounts.c.key_id)
    for tenant, key_id, of_month, today in connection.execute(sums):
        committed.put(tenant, key_id, Period.MONTH, day, int(of_month))
        committed.put(tenant, key_id, Period.DAY, day, int(today))


def _reserved(holder: Holder, reservation: Reservation) -> dict[str, Any]:
    return {
        **reservation_columns(reservation),
        "day": reservation.day,
        "state": RowState.RESERVED.name,
        "owner": holder.owner,
    }


def _insert_requests(connection: sa.Connection, holder: Holder, origins: Iterable[Origin]) -> None:
    rows = {
        origin.run_id: {
            **origin_columns(origin),
            "labels": {
                tables.storable(key): tables.storable(value) for key, value in origin.labels.items()
            },
            "day": origin.day,
            "owner": holder.owner,
        }
        for origin in origins
    }
    if rows:
        insert = holder.database.insert(tables.request).on_conflict_do_nothing()
        connection.execute(insert, [rows[run_id] for run_id in sorted(rows)])


def _insert_calls(
    connection: sa.Connection, holder: Holder, rows: Sequence[dict[str, Any]]
) -> None:
    if rows:
        expires = holder.database.now_s() + holder.reservation_lease_s
        insert = holder.database.insert(tables.call).values(expires_at_s=expires)
        ordered = sorted(rows, key=lambda row: str(row["row_id"]))
        connection.execute(insert.on_conflict_do_nothing(), ordered)


# Settling.


def _settle(connection: sa.Connection, holder: Holder, settlements: Sequence[Settlement]) -> None:
    before = _standing(connection, [s.reservation.row_id for s in settlements])
    final = _deciding(before, settlements)
    if not final:
        return
    changes = Changes()
    for row_id, settlement in final.items():
        row = before.get(row_id)
        fresh = row is None or row["state"] == RowState.RESERVED.name
        changes.charge(
            {"day": settlement.reservation.day, **reservation_columns(settlement.reservation)},
            before=None if row is None else row["charged_nano_usd"],
            after=charge_of(settlement),
            fresh=fresh,
        )
    seen = {row_id: s for row_id, s in final.items() if row_id in before}
    if seen:
        connection.execute(
            _SETTLE, [{"row": row_id, **_settled(seen[row_id])} for row_id in sorted(seen)]
        )
    unseen = [s for row_id, s in final.items() if row_id not in before]
    if unseen:
        _insert_settled(connection, holder, unseen)
    apply_changes(connection, holder, changes)


def _standing(connection: sa.Connection, row_ids: Sequence[str]) -> dict[str, sa.RowMapping]:
    """The rows to settle as they are, locked."""
    call = tables.call
    found = connection.execute(
        sa.select(call.c.row_id, call.c.state, call.c.tries, call.c.charged_nano_usd)
        .where(call.c.row_id.in_(row_ids))
        .order_by(call.c.row_id)
        .with_for_update()
    )
    return {row["row_id"]: row for row in found.mappings()}


def _deciding(
    before: Mapping[str, sa.RowMapping], settlements: Sequence[Settlement]
) -> dict[str, Settlement]:
    """The settlement that stands for each row that changes, when all are taken in order."""
    final: dict[str, Settlement] = {}
    for settlement in settlements:
        row_id = settlement.reservation.row_id
        if row_id in final:
            state, tries = final[row_id].state, final[row_id].tries
        elif row_id in before:
            row = before[row_id]
            state, tries = RowState[row["state"]], 1 if row["tries"] is None else row["tries"]
        else:
            state, tries = None, 1
        if may_settle(state, tries):
            final[row_id] = settlement
    return final


def _settled(settlement: Settlement) -> dict[str, Any]:
    return {**settlement_columns(settlement), "charged_nano_usd": charge_of(settlement)}


_SETTLE = sa.update(tables.call).where(tables.call.c.row_id == sa.bindparam("row"))


def _insert_settled(
    connection: sa.Connection, holder: Holder, settlements: Sequence[Settlement]
) -> None:
    """Write rows that were never reserved here: the ledger was away when their calls were made."""
    origins = [settlement.reservation.origin for settlement in settlements]
    _insert_requests(connection, holder, origins)
    void = _void_attempts(connection, [origin.run_id for origin in origins])
    rows = [
        {
            **_reserved(holder, settlement.reservation),
            **_settled(settlement),
            "superseded": is_superseded(
                settlement.reservation, void[settlement.reservation.origin.run_id]
            ),
        }
        for settlement in settlements
    ]
    _insert_calls(connection, holder, rows)


# Ending.


def _end(connection: sa.Connection, rows: Sequence[RequestRow]) -> None:
    ordered = sorted(rows, key=lambda row: (row.origin.run_id, row.provisional))
    endings = [
        {"run": row.origin.run_id, "stands": not row.provisional, **ending_columns(row)}
        for row in ordered
    ]
    connection.execute(_END, endings)
    escalated = [row.origin.run_id for row in ordered if row.superseded]
    if escalated:
        _supersede(connection, escalated)


def _supersede(connection: sa.Connection, run_ids: Sequence[str]) -> None:
    """Mark the void attempts, as the end that stands for each run names them."""
    call = tables.call
    row_ids = [
        f"{run_id}.{attempt}.answer"
        for run_id, attempts in _void_attempts(connection, run_ids).items()
        for attempt in attempts
    ]
    if row_ids:
        connection.execute(
            sa.update(call).where(call.c.row_id.in_(row_ids)).values(superseded=True)
        )


def _void_attempts(connection: sa.Connection, run_ids: Sequence[str]) -> dict[str, list[int]]:
    request = tables.request
    found = connection.execute(
        sa.select(request.c.run_id, request.c.superseded).where(request.c.run_id.in_(run_ids))
    )
    return {run_id: attempts or [] for run_id, attempts in found}


_END = sa.update(tables.request).where(
    tables.request.c.run_id == sa.bindparam("run"),
    sa.or_(
        tables.request.c.outcome.is_(None),
        sa.and_(tables.request.c.provisional, sa.bindparam("stands", type_=sa.Boolean)),
    ),
)


def _keep(connection: sa.Connection, holder: Holder, contents: Sequence[Content]) -> None:
    _insert_requests(connection, holder, (content.origin for content in contents))
    rows = [
        {
            "run_id": content.origin.run_id,
            "stored_at_s": content.stored_at_s,
            "prompt": content.prompt,
            "answer": content.answer,
        }
        for content in contents
    ]
    connection.execute(holder.database.insert(tables.content).on_conflict_do_nothing(), rows)
