"""What a request does with the ledger: a row before each call, a settlement after it, one end.

The engine opens a book for each request and writes into it whatever happens. Reserving waits until the row is durable;
everything else is handed to the bookkeeper and never waits, so that it also works while a request is being cancelled.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from tierwise_server.core.model import CallKind
from tierwise_server.errors import LedgerUnavailable, Reason
from tierwise_server.ledger.entries import (
    Content,
    Origin,
    RequestRow,
    Reservation,
    Settlement,
    new_run_id,
)

if TYPE_CHECKING:
    from tierwise_server.core.account import CallRecord, Summary
    from tierwise_server.core.cascade import Call
    from tierwise_server.core.model import Prompt, Task
    from tierwise_server.core.table import RoutingTable
    from tierwise_server.ledger.base import Ledger
    from tierwise_server.ledger.bookkeeper import Bookkeeper
    from tierwise_server.ledger.entries import Budget


@dataclass(frozen=True, slots=True)
class Payer:
    """Who pays for a request.

    Attributes:
        tenant: whose money it is; empty while the server runs open.
        key_id: the public id of the key that was used, never the key; empty while the server runs open.
        budgets: what the tenant and the key may spend; checked before every call.
    """

    tenant: str = ""
    key_id: str = ""
    budgets: tuple[Budget, ...] = ()


NOBODY = Payer()
"""The payer while the server runs open."""


class Book(Protocol):
    """The book of one request, used by its task alone."""

    async def reserve(self, call: Call, worst_case_nano_usd: int | None) -> None:
        """Write the row of a call about to be made; when this returns, it is durable.

        Raises:
            BudgetExceeded: a budget cannot pay the worst case.
            RequestError: UNPRICED_MODEL: there are budgets, and the worst case is unknown.
            LedgerUnavailable: it could not be recorded in time.
        """
        ...

    def settle(self, record: CallRecord, pieces: Sequence[str]) -> None:
        """Record what a reserved call came to; `pieces` is its text. Never waits, never raises."""
        ...

    def close(self, summary: Summary, reason: Reason | None) -> None:
        """Give back what was reserved and never called, and record the end. Never waits, never raises."""
        ...


class Books(Protocol):
    """Opens a book for each request."""

    def open(self, task: Task, table: RoutingTable, prices_version: str, payer: Payer) -> Book:
        """Open the book of a request that begins now. Writes nothing yet."""
        ...


class Unwritten:
    """Books, and a book, that record nothing and allow everything, except to who has a budget that must be kept."""

    def __init__(self, *, limited: bool = False) -> None:
        self._limited = limited

    def open(self, task: Task, table: RoutingTable, prices_version: str, payer: Payer) -> Book:  # noqa: ARG002 - see the port
        """Open nothing."""
        return Unwritten(limited=True) if payer.budgets else self

    async def reserve(self, call: Call, worst_case_nano_usd: int | None) -> None:  # noqa: ARG002 - see the port
        """Allow the call.

        Raises:
            LedgerUnavailable: there is a budget to keep, and nothing to keep it with.
        """
        if self._limited:
            text = "there is a budget to keep, but no ledger"
            raise LedgerUnavailable(text, retry_after_s=None)

    def settle(self, record: CallRecord, pieces: Sequence[str]) -> None:
        """Pass over it."""

    def close(self, summary: Summary, reason: Reason | None) -> None:
        """Pass over it."""


UNWRITTEN: Final = Unwritten()
"""The books of whoever keeps no ledger."""


@dataclass(frozen=True, slots=True)
class LedgerBooks:
    """Books in a ledger.

    Attributes:
        ledger: where reservations are made.
        keeper: takes everything else.
        fail_open: calls of who has no budget are made even when the ledger cannot record them first; they are settled
            later.
        keeps_content: whether the ledger was told to keep prompts and answers.
        unrecorded: told of every call that is made without a row. For metrics; must not raise.
    """

    ledger: Ledger
    keeper: Bookkeeper
    fail_open: bool = False
    keeps_content: bool = False
    unrecorded: Callable[[], None] = lambda: None
    wall_clock: Callable[[], float] = time.time  # noqa: TID251 - rows are dated

    def open(self, task: Task, table: RoutingTable, prices_version: str, payer: Payer) -> Book:
        """Open the book of a request that begins now. Writes nothing yet."""
        now_s = self.wall_clock()
        origin = Origin(
            run_id=new_run_id(now_s),
            request_id=task.request_id,
            task_type=task.task_type,
            table_version=table.version,
            started_at_s=now_s,
            tenant=payer.tenant,
            key_id=payer.key_id,
            labels=dict(task.labels),
        )
        baseline = table.baseline_tier
        return _LedgerBook(self, origin, prices_version, baseline, payer.budgets, task.prompt)


@dataclass(slots=True)
class _LedgerBook:
    """The book of one request in a ledger.

    `rows` holds what is reserved and not settled, by attempt and whether it is a check; `texts` the attempts' texts.
    """

    books: LedgerBooks
    origin: Origin
    prices_version: str
    baseline_tier: str
    budgets: tuple[Budget, ...]
    prompt: Prompt
    rows: dict[tuple[int, bool], Reservation] = field(default_factory=dict)
    texts: dict[int, Sequence[str]] = field(default_factory=dict)
    begun: bool = False

    async def reserve(self, call: Call, worst_case_nano_usd: int | None) -> None:
        books = self.books
        reservation = Reservation(
            origin=self.origin,
            attempt=call.attempt,
            kind=call.kind,
            tier=call.tier.name,
            model=call.tier.model.id,
            worst_case_nano_usd=worst_case_nano_usd,
            price_book_version=self.prices_version,
            reserved_at_s=books.wall_clock(),
        )
        try:
            await books.ledger.reserve(reservation, self.budgets)
        except LedgerUnavailable:
            # What is not counted cannot be held to a budget.
            if not books.fail_open or self.budgets:
                raise
            books.unrecorded()
        self.rows[call.attempt, call.kind is CallKind.CHECK] = reservation
        self.begun = True

    def settle(self, record: CallRecord, pieces: Sequence[str]) -> None:
        is_check = record.call.kind is CallKind.CHECK
        reservation = self.rows.pop((record.call.attempt, is_check))
        now_s = self.books.wall_clock()
        self.books.keeper.settle_soon(Settlement.of(reservation, record, now_s))
        if self.books.keeps_content and not is_check:
            self.texts[record.call.attempt] = pieces

    def close(self, summary: Summary, reason: Reason | None) -> None:
        if not self.begun:
            return
        now_s, keeper = self.books.wall_clock(), self.books.keeper
        for reservation in self.rows.values():
            keeper.settle_soon(Settlement.unsent(reservation, now_s, reason or Reason.CANCELLED))
        baseline = self.baseline_tier
        row = RequestRow.of(self.origin, summary, reason, ended_at_s=now_s, baseline_tier=baseline)
        keeper.finish_soon(row)
        final = summary.final
        if self.books.keeps_content and final is not None:
            answer = "".join(self.texts[final.call.attempt])
            keeper.keep_soon(Content(self.origin, prompt_text(self.prompt), answer, now_s))


def prompt_text(prompt: Prompt) -> str:
    """A prompt as one text, each turn under the name of its role."""
    turns = [
        f"{message.role.name.lower()}:\n" + "\n".join(message.texts) for message in prompt.messages
    ]
    if prompt.system:
        turns.insert(0, f"system:\n{prompt.system}")
    return "\n\n".join(turns)
