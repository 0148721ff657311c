"""What every SQL that writes a ledger needs: who writes, the rows of calls and requests, the sums beside them.

Rows and stored sums are always locked in the same order (calls, spend, requests, then tenants' budgets), each sorted,
so that servers that write at the same time wait for each other and never in a circle.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from tierwise_server.ledger import tables
from tierwise_server.ledger.columns import origin_columns, reservation_columns
from tierwise_server.ledger.entries import Origin, Reservation, RowState

if TYPE_CHECKING:
    from tierwise_server.ledger.database import Database

IS_RESERVED = tables.call.c.state == sa.literal_column("'RESERVED'")
"""Said literally, so that the index of open rows serves it."""


@dataclass(frozen=True)
class Holder:
    """Who writes: the owner of new rows, and how long a reservation may stay open.

    Statements that every call needs are made once: making them anew took as long as running them.
    """

    database: Database
    owner: str
    reservation_lease_s: float
    keeps_content: bool

    @cached_property
    def new_request(self) -> Any:
        """Write a request that is not there yet."""
        return self.database.insert(tables.request).on_conflict_do_nothing()

    @cached_property
    def new_call(self) -> Any:
        """Write a call that is not there yet; its lease begins now."""
        expires = self.database.now_s() + self.reservation_lease_s
        insert = self.database.insert(tables.call).values(expires_at_s=expires)
        return insert.on_conflict_do_nothing()

    @cached_property
    def more_spent(self) -> Any:
        """Add to what a key spent on a day."""
        upsert = self.database.insert(tables.spend)
        added = tables.spend.c.nano_usd + upsert.excluded.nano_usd
        return upsert.on_conflict_do_update(
            index_elements=["tenant", "key_id", "day"], set_={"nano_usd": added}
        )


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


def reserved_row(holder: Holder, reservation: Reservation) -> dict[str, Any]:
    """A call's row as it is reserved."""
    return {
        **reservation_columns(reservation),
        "day": reservation.day,
        "state": RowState.RESERVED.name,
        "owner": holder.owner,
    }


def insert_requests(connection: sa.Connection, holder: Holder, origins: Iterable[Origin]) -> None:
    """Write the requests that are not there yet, as they begin."""
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
        connection.execute(holder.new_request, [rows[run_id] for run_id in sorted(rows)])


def insert_calls(connection: sa.Connection, holder: Holder, rows: Sequence[dict[str, Any]]) -> None:
    """Write the rows that are not there yet."""
    if rows:
        ordered = sorted(rows, key=lambda row: str(row["row_id"]))
        connection.execute(holder.new_call, ordered)


def apply_changes(connection: sa.Connection, holder: Holder, changes: Changes) -> None:
    """Bring the stored sums up to date."""
    spend = [
        {"tenant": tenant, "key_id": key_id, "day": day, "nano_usd": delta}
        for (tenant, key_id, day), delta in sorted(changes.spend.items())
        if delta
    ]
    if spend:
        connection.execute(holder.more_spent, spend)
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
