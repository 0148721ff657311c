"""The rules that every store keeps, as pure functions: what may follow what, what is charged, what a budget allows."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from typing import TYPE_CHECKING

from tierwise_server.core.model import CallKind
from tierwise_server.errors import BudgetExceeded, Reason, RequestError
from tierwise_server.ledger.entries import RequestRow, RowState, Settlement

if TYPE_CHECKING:
    from tierwise_server.ledger.entries import Budget, Entry, Reservation

MOST_NANO_USD = 2**53
"""What one call is charged at most: nine million USD. More is a broken provider, and would overflow a database."""


def charge_of(settlement: Settlement) -> int | None:
    """What a settlement charges; None when that is unknown."""
    if settlement.usage is None:
        return 0
    return None if settlement.cost is None else bounded(settlement.cost.total_nano_usd)


def orphan_charge_of(worst_case_nano_usd: int | None) -> int | None:
    """What a call is charged whose end nobody saw; None when the model has no price."""
    return None if worst_case_nano_usd is None else bounded(worst_case_nano_usd)


def bounded(nano_usd: int) -> int:
    """An amount that every store can hold and add up."""
    return max(0, min(nano_usd, MOST_NANO_USD))


def may_settle(state: RowState | None, tries: int = 1) -> bool:
    """Whether a settlement changes a row that was asked `tries` times.

    It changes one that was never seen (None), is open, was given up for lost, or was given back: the last two may turn
    out to be wrong, when whoever was thought dead, or was told that the ledger is unavailable, made the call after all.
    """
    if state is RowState.FAILED_UNBILLED:
        return tries == 0
    return state in (None, RowState.RESERVED, RowState.ORPHANED)


def is_superseded(reservation: Reservation, superseded: Container[int]) -> bool:
    """Whether a call's text is among the void attempts; a check has no text of its own."""
    return reservation.kind is not CallKind.CHECK and reservation.attempt in superseded


def refusal(
    reservation: Reservation,
    budgets: Sequence[Budget],
    committed_nano_usd: Callable[[Budget], int],
) -> RequestError | None:
    """Why a reservation may not be made; None when it may.

    `committed_nano_usd` tells what a budget's period was charged plus what is reserved and open in it.
    """
    if not budgets:
        return None
    needed = reservation.worst_case_nano_usd
    if needed is None:
        return RequestError(
            Reason.UNPRICED_MODEL, "there is a budget to keep, but the model has no price"
        )
    for budget in budgets:
        left = budget.limit_nano_usd - committed_nano_usd(budget)
        if needed > left:
            return BudgetExceeded(
                needed_nano_usd=needed, left_nano_usd=max(0, left), subject=budget.name
            )
    return None


def given_back(reservation: Reservation, now_s: float, reason: Reason) -> tuple[Entry, ...]:
    """What to record of a reservation that was written after its caller had given up.

    The first call of a run takes the run with it: nobody else will end it.
    """
    unsent = Settlement.unsent(reservation, now_s, reason)
    if reservation.attempt > 1 or reservation.kind is CallKind.CHECK:
        return (unsent,)
    return (unsent, RequestRow(reservation.origin, now_s, 0.0, reason, provisional=True))
