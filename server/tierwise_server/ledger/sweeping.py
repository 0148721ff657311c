"""The SQL that keeps a ledger tidy: leases of its servers, rows that nobody will settle, content past its time."""

from __future__ import annotations

import sqlalchemy as sa

from tierwise_server.ledger import tables
from tierwise_server.ledger.entries import LOST, RowState
from tierwise_server.ledger.rules import orphan_charge_of
from tierwise_server.ledger.writing import IS_RESERVED, Changes, Holder, apply_changes

SECONDS_PER_DAY = 86_400.0

MOST_AT_ONCE = 500
"""Rows in one transaction: a long sweep lets reservations through between."""

FORGOTTEN_S = 30 * SECONDS_PER_DAY
"""How long the name of a server that is gone is kept."""


def enrol(connection: sa.Connection, holder: Holder, lease_s: float) -> None:
    """Name the owner among the living; in an embedded store, whoever was there before is dead."""
    owner, now_s = tables.owner, holder.database.now_s()
    if not holder.database.shared:
        connection.execute(
            sa.update(owner).where(owner.c.closed_at_s.is_(None)).values(closed_at_s=now_s)
        )
    connection.execute(sa.delete(owner).where(owner.c.expires_at_s < now_s - FORGOTTEN_S))
    connection.execute(
        sa.insert(owner).values(
            owner=holder.owner, started_at_s=now_s, expires_at_s=now_s + lease_s
        )
    )


def renew(connection: sa.Connection, holder: Holder, lease_s: float) -> None:
    """Stay among the living for another `lease_s`."""
    owner, now_s = tables.owner, holder.database.now_s()
    renewed = connection.execute(
        sa.update(owner).where(owner.c.owner == holder.owner).values(expires_at_s=now_s + lease_s)
    )
    if not renewed.rowcount:
        enrol(connection, holder, lease_s)


def leave(connection: sa.Connection, holder: Holder) -> None:
    """Say that what is still open here will not be settled by this owner any more."""
    owner = tables.owner
    connection.execute(
        sa.update(owner)
        .where(owner.c.owner == holder.owner)
        .values(closed_at_s=holder.database.now_s())
    )


def orphan_some(connection: sa.Connection, holder: Holder) -> int:
    """Give up to MOST_AT_ONCE lost rows up, at their worst case; answers how many there were."""
    call = tables.call
    lost = connection.execute(
        sa.select(
            call.c.row_id,
            call.c.run_id,
            call.c.tenant,
            call.c.key_id,
            call.c.day,
            call.c.worst_case_nano_usd,
        )
        .where(
            IS_RESERVED,
            sa.or_(
                call.c.expires_at_s < holder.database.now_s(),
                _owned_by_the_dead(holder, call.c.owner),
            ),
        )
        .order_by(call.c.row_id)
        .limit(MOST_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    changes = Changes()
    updates = []
    for row in lost.mappings():
        charge = orphan_charge_of(row["worst_case_nano_usd"])
        changes.charge(row, before=None, after=charge, fresh=True)
        updates.append({"row": row["row_id"], "charged_nano_usd": charge})
    if updates:
        connection.execute(_ORPHAN, updates)
        apply_changes(connection, holder, changes)
    return len(updates)


_ORPHAN = (
    sa.update(tables.call)
    .where(tables.call.c.row_id == sa.bindparam("row"))
    .values(state=RowState.ORPHANED.name)
)


def end_lost_requests(connection: sa.Connection, holder: Holder) -> None:
    """End the requests whose server died; a late settlement or end may still correct them."""
    request = tables.request
    connection.execute(
        sa.update(request)
        .where(request.c.outcome.is_(None), _owned_by_the_dead(holder, request.c.owner))
        .values(outcome=LOST, ended_at_s=holder.database.now_s(), provisional=True)
    )


def purge_some(connection: sa.Connection, keep_days: int, now_s: float) -> int:
    """Delete the content of up to MOST_AT_ONCE requests that is older than `keep_days`; answers of how many."""
    content = tables.content
    old = (
        sa.select(content.c.run_id)
        .where(content.c.stored_at_s < now_s - keep_days * SECONDS_PER_DAY)
        .limit(MOST_AT_ONCE)
    )
    deleted = connection.execute(sa.delete(content).where(content.c.run_id.in_(old)))
    return deleted.rowcount


def _owned_by_the_dead(
    holder: Holder, owner_column: sa.ColumnElement[str]
) -> sa.ColumnElement[bool]:
    owner = tables.owner
    living = sa.select(owner.c.owner).where(
        owner.c.closed_at_s.is_(None), owner.c.expires_at_s > holder.database.now_s()
    )
    return sa.and_(owner_column != holder.owner, owner_column.not_in(living))
