"""The SQL of entries: what calls came to, how requests ended, and content, in a transaction of the caller's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from tierwise_server.ledger import tables
from tierwise_server.ledger.columns import (
    ending_columns,
    reservation_columns,
    settlement_columns,
)
from tierwise_server.ledger.entries import Content, RequestRow, RowState, Settlement
from tierwise_server.ledger.rules import charge_of, is_superseded, may_settle
from tierwise_server.ledger.writing import (
    Changes,
    Holder,
    apply_changes,
    insert_calls,
    insert_requests,
    reserved_row,
)

if TYPE_CHECKING:
    from tierwise_server.ledger.entries import Entry


def record_all(connection: sa.Connection, holder: Holder, entries: Sequence[Entry]) -> None:
    """Write settlements, requests' ends and content."""
    settlements = [entry for entry in entries if isinstance(entry, Settlement)]
    rows = [entry for entry in entries if isinstance(entry, RequestRow)]
    contents = [entry for entry in entries if isinstance(entry, Content)]
    insert_requests(connection, holder, (row.origin for row in rows))
    if settlements:
        _settle(connection, holder, settlements)
    if rows:
        _end(connection, rows)
    if contents and holder.keeps_content:
        _keep(connection, holder, contents)


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
    found = connection.execute(_STANDING, {"row_ids": row_ids})
    return {row["row_id"]: row for row in found.mappings()}


_STANDING = (
    sa.select(
        tables.call.c.row_id,
        tables.call.c.state,
        tables.call.c.tries,
        tables.call.c.charged_nano_usd,
    )
    .where(tables.call.c.row_id.in_(sa.bindparam("row_ids", expanding=True)))
    .order_by(tables.call.c.row_id)
    .with_for_update()
)


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
    insert_requests(connection, holder, origins)
    void = _void_attempts(connection, [origin.run_id for origin in origins])
    rows = [
        {
            **reserved_row(holder, settlement.reservation),
            **_settled(settlement),
            "superseded": is_superseded(
                settlement.reservation, void[settlement.reservation.origin.run_id]
            ),
        }
        for settlement in settlements
    ]
    insert_calls(connection, holder, rows)


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
    insert_requests(connection, holder, (content.origin for content in contents))
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
