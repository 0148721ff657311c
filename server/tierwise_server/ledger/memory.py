"""A ledger in memory: for tests, and for a server that may forget. Keeps every rule and is durable in nothing.

Several ledgers may share one `MemoryBooks`, as several servers share one database.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tierwise_server.ledger.entries import (
    LOST,
    BudgetScope,
    CallAccount,
    Content,
    Origin,
    RequestAccount,
    RequestRow,
    RowState,
    Settlement,
)
from tierwise_server.ledger.rules import (
    charge_of,
    is_superseded,
    may_settle,
    orphan_charge_of,
    refusal,
)
from tierwise_server.ledger.spend import add_up

if TYPE_CHECKING:
    from tierwise_server.ledger.entries import Budget, Entry, Reservation
    from tierwise_server.ledger.spend import SpendQuery, SpendRow

SECONDS_PER_DAY = 86_400


@dataclass(slots=True)
class _Request:
    origin: Origin
    owner: int
    calls: dict[str, CallAccount] = field(default_factory=dict)
    leases: dict[str, tuple[int, float]] = field(default_factory=dict)
    row: RequestRow | None = None
    outcome: str = ""
    content: Content | None = None


@dataclass(slots=True)
class MemoryBooks:
    """What is written. `living` holds the ledgers that have it open; take one out to let its server die."""

    requests: dict[str, _Request] = field(default_factory=dict)
    living: set[int] = field(default_factory=set)
    numbers: itertools.count[int] = field(default_factory=itertools.count)


class MemoryLedger:
    """The ledger port in memory. See ledger/base.py for what it promises."""

    def __init__(
        self,
        books: MemoryBooks | None = None,
        *,
        reservation_lease_s: float = 900.0,
        keep_content_days: int = 0,
        wall_clock: Callable[[], float] = time.time,  # noqa: TID251 - leases and retention end on dates
    ) -> None:
        self.books = MemoryBooks() if books is None else books
        self.number = next(self.books.numbers)
        self.books.living.add(self.number)
        self._lease_s = reservation_lease_s
        self._keep_content_days = keep_content_days
        self._wall_clock = wall_clock

    @property
    def healthy(self) -> bool:
        """Always."""
        return True

    async def reserve(self, reservation: Reservation, budgets: Sequence[Budget] = ()) -> None:
        """Keep the row."""
        row_id = reservation.row_id
        request = self.books.requests.get(reservation.origin.run_id)
        if request is not None and row_id in request.calls:
            return
        refused = refusal(reservation, budgets, lambda budget: self._committed(reservation, budget))
        if refused is not None:
            raise refused
        request = self._request(reservation.origin)
        request.calls[row_id] = CallAccount(reservation, RowState.RESERVED, None)
        request.leases[row_id] = (self.number, self._wall_clock() + self._lease_s)

    async def record(self, entries: Sequence[Entry]) -> None:
        """Keep what happened."""
        for entry in entries:
            match entry:
                case Settlement():
                    self._settle(entry)
                case RequestRow():
                    self._end(entry)
                case Content() if self._keep_content_days:
                    self._request(entry.origin).content = entry

    async def recover(self) -> int:
        """Give up what dead ledgers hold, and what is too old."""
        orphans = 0
        for request in self.books.requests.values():
            for row_id, call in request.calls.items():
                if call.state is RowState.RESERVED and self._lapsed(*request.leases[row_id]):
                    charge = orphan_charge_of(call.reservation.worst_case_nano_usd)
                    request.calls[row_id] = replace(
                        call, state=RowState.ORPHANED, charged_nano_usd=charge
                    )
                    orphans += 1
            if not request.outcome and request.owner not in self.books.living:
                request.outcome = LOST
        return orphans

    async def purge(self) -> int:
        """Forget old prompts and answers."""
        oldest_s = self._wall_clock() - self._keep_content_days * SECONDS_PER_DAY
        purged = 0
        for request in self.books.requests.values():
            if request.content is not None and request.content.stored_at_s < oldest_s:
                request.content = None
                purged += 1
        return purged

    async def spend(self, query: SpendQuery) -> tuple[SpendRow, ...]:
        """Add up."""
        return add_up(map(_account, self.books.requests.values()), query)

    async def find(self, tenant: str, request_id: str) -> tuple[RequestAccount, ...]:
        """Look a request up."""
        found = [
            _account(request)
            for request in self.books.requests.values()
            if (request.origin.tenant, request.origin.request_id) == (tenant, request_id)
        ]
        return tuple(sorted(found, key=lambda run: (run.origin.started_at_s, run.origin.run_id)))

    async def audit(self) -> tuple[str, ...]:
        """Nothing can differ: no sum is stored."""
        return ()

    async def aclose(self) -> None:
        """Leave the books to others."""
        self.books.living.discard(self.number)

    def _request(self, origin: Origin) -> _Request:
        return self.books.requests.setdefault(origin.run_id, _Request(origin, self.number))

    def _lapsed(self, owner: int, expires_at_s: float) -> bool:
        return owner not in self.books.living or expires_at_s < self._wall_clock()

    def _settle(self, settlement: Settlement) -> None:
        request = self._request(settlement.reservation.origin)
        row_id = settlement.reservation.row_id
        before = request.calls.get(row_id)
        tries = before.settlement.tries if before and before.settlement else 1
        if may_settle(before.state if before else None, tries):
            void = request.row.superseded if request.row else ()
            superseded = is_superseded(settlement.reservation, void)
            request.calls[row_id] = CallAccount(
                settlement.reservation,
                settlement.state,
                charge_of(settlement),
                settlement,
                superseded=before.superseded if before else superseded,
            )

    def _end(self, row: RequestRow) -> None:
        request = self._request(row.origin)
        stands = request.row is not None and not request.row.provisional
        if not stands and not (row.provisional and request.outcome):
            request.row, request.outcome = row, row.outcome
        void = request.row.superseded if request.row and row.superseded else ()
        for row_id, call in request.calls.items():
            if is_superseded(call.reservation, void):
                request.calls[row_id] = replace(call, superseded=True)

    def _committed(self, reservation: Reservation, budget: Budget) -> int:
        """What the budget's period was charged, and what is open in it."""
        origin = reservation.origin
        first, last = budget.period.days(reservation.day)
        return sum(
            call.reservation.worst_case_nano_usd or 0
            if call.state is RowState.RESERVED
            else call.charged_nano_usd or 0
            for request in self.books.requests.values()
            if request.origin.tenant == origin.tenant
            and (budget.scope is BudgetScope.TENANT or request.origin.key_id == origin.key_id)
            for call in request.calls.values()
            if first <= call.reservation.day <= last
        )


def _account(request: _Request) -> RequestAccount:
    calls = tuple(request.calls.values())
    over = [call for call in calls if call.state is not RowState.RESERVED]
    unknown = any(call.charged_nano_usd is None for call in over)
    return RequestAccount(
        origin=request.origin,
        outcome=request.outcome,
        cost_nano_usd=None if unknown else sum(call.charged_nano_usd or 0 for call in over),
        calls=calls,
        row=request.row,
        content=request.content,
    )
