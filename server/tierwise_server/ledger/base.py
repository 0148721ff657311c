"""The port to the ledger: the durable record of every call that may cost money.

A call's row is RESERVED before the call is made and settled after it. What a ledger promises:

- When `reserve` returns, the row is durable: it survives the end of the process, and with a durable store the loss of
  power. When `reserve` raises, cancellation included, the row does not hold money: it was not written, or it is given
  back. In the same transaction every budget is checked: what the period was charged, plus what is reserved and open,
  plus this worst case is at most the limit, whoever else reserves at the same time.
- `record` is idempotent, and the order of entries does not matter: a settlement may come twice, late, after its request
  ended, or for a row that was ORPHANED in the meantime or never seen. All entries of one `record` are written, or none.
- The sum of the rows is the request's cost, and the charges of a day are the sum of its rows, at every moment.
- Every method answers within a bounded time: with LedgerUnavailable when the store is full, read-only, gone or silent.
  While the store is known to be down, that comes at once. It recovers by itself.
- Rows are never deleted. Prompts and answers are kept only by a ledger that was told to, for so many days.

It does not promise that a charge is at most its reservation: a worst case is an estimate of the prompt's tokens, and
what the provider bills is what is charged. Nor that LedgerUnavailable from `record` means that nothing was written:
record it again. Nor an order between calls that overlap.

A reservation is a lease. Its row becomes ORPHANED, charged its worst case, when its server died (servers renew a lease
of their own; an embedded store has one server, held by a lock), or when it is older than any request may be.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from tierwise_server.errors import TierwiseError

if TYPE_CHECKING:
    from tierwise_server.ledger.entries import Budget, Entry, RequestAccount, Reservation
    from tierwise_server.ledger.spend import SpendQuery, SpendRow


class Unrecordable(TierwiseError):
    """The store refuses an entry, today and tomorrow: a fault of ours. What its row reserved stays charged."""


class LedgerReader(Protocol):
    """Answers questions about what was spent. Changes nothing."""

    async def spend(self, query: SpendQuery) -> tuple[SpendRow, ...]:
        """Add up what was spent, in groups, sorted by group.

        Raises:
            LedgerUnavailable: the store does not answer.
        """
        ...

    async def find(self, tenant: str, request_id: str) -> tuple[RequestAccount, ...]:
        """Every run of a tenant's request, oldest first, with its calls; another tenant's are not found.

        Raises:
            LedgerUnavailable: the store does not answer.
        """
        ...

    async def audit(self) -> tuple[str, ...]:
        """Compare every sum with its rows; each line names one that differs. Reads the whole ledger.

        Raises:
            LedgerUnavailable: the store does not answer.
        """
        ...

    async def aclose(self) -> None:
        """Close. What is under way is finished first, within a bounded time; nothing is called afterwards."""
        ...


class Ledger(LedgerReader, Protocol):
    """Records. Safe for any number of requests at once in one event loop."""

    @property
    def healthy(self) -> bool:
        """Whether the last write worked and none is stuck. Costs nothing; true again by itself after recovery."""
        ...

    async def reserve(self, reservation: Reservation, budgets: Sequence[Budget] = ()) -> None:
        """Write the row of a call about to be made, if every budget allows. Reserving the same row again is granted.

        Raises:
            BudgetExceeded: a budget cannot pay the worst case; nothing was written.
            RequestError: UNPRICED_MODEL: there are budgets, and the worst case is unknown; nothing was written.
            LedgerUnavailable: it could not be recorded in time.
        """
        ...

    async def record(self, entries: Sequence[Entry]) -> None:
        """Write settlements, requests' ends and content.

        Raises:
            LedgerUnavailable: try again later.
            Unrecordable: never try again; nothing of `entries` was written.
        """
        ...

    async def recover(self) -> int:
        """Make ORPHANED what no living server holds, and end its requests; called once at start, then now and then.

        Returns how many rows there were.

        Raises:
            LedgerUnavailable: the store does not answer.
        """
        ...

    async def purge(self) -> int:
        """Delete prompts and answers past their retention; returns how many requests had some.

        Raises:
            LedgerUnavailable: the store does not answer.
        """
        ...
