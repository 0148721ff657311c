"""Short ways to what goes into a ledger, with defaults that a test need not read."""

from __future__ import annotations

import itertools

from tierwise_server.core.account import CallStatus
from tierwise_server.core.cascade import Acceptance
from tierwise_server.core.model import CallKind, Usage
from tierwise_server.core.prices import Cost
from tierwise_server.errors import Reason
from tierwise_server.ledger.entries import (
    Budget,
    BudgetScope,
    Origin,
    Period,
    RequestRow,
    Reservation,
    RowState,
    Settlement,
)

NOON_S = 1_795_435_200.0
"""2026-11-23T12:00:00Z."""

DAY_S = 86_400.0

_numbers = itertools.count(1)


def an_origin(
    *,
    run_id: str = "",
    request_id: str = "request",
    tenant: str = "acme",
    key_id: str = "key-1",
    task_type: str = "answer_faq",
    labels: dict[str, str] | None = None,
    at_s: float = NOON_S,
) -> Origin:
    """A request; a run of its own unless `run_id` says otherwise."""
    return Origin(
        run_id=run_id or f"run-{next(_numbers):06d}",
        request_id=request_id,
        task_type=task_type,
        table_version="table-1",
        started_at_s=at_s,
        tenant=tenant,
        key_id=key_id,
        labels={} if labels is None else labels,
    )


def a_reservation(
    origin: Origin | None = None,
    *,
    attempt: int = 1,
    kind: CallKind = CallKind.DIRECT,
    tier: str = "efficient",
    worst_case_nano_usd: int | None = 100,
    at_s: float | None = None,
) -> Reservation:
    """A call about to be made."""
    origin = an_origin() if origin is None else origin
    return Reservation(
        origin=origin,
        attempt=attempt,
        kind=kind,
        tier=tier,
        model=f"model-{tier}",
        worst_case_nano_usd=worst_case_nano_usd,
        price_book_version="prices-1",
        reserved_at_s=origin.started_at_s if at_s is None else at_s,
    )


def a_settlement(
    reservation: Reservation,
    nano_usd: int | None = 40,
    *,
    state: RowState = RowState.SETTLED,
    status: CallStatus = CallStatus.COMPLETED,
    failure: Reason | None = None,
) -> Settlement:
    """What a call came to; None: nobody knows its price."""
    billed = state is not RowState.FAILED_UNBILLED
    cost = None
    if billed and nano_usd is not None:
        cost = Cost(0, 0, 0, nano_usd, "prices-1")
    return Settlement(
        reservation=reservation,
        state=state,
        status=status,
        usage=Usage(input_tokens=10, output_tokens=5) if billed else None,
        cost=cost,
        settled_at_s=reservation.reserved_at_s + 1,
        failure=failure,
        finish_reason="STOP" if status is CallStatus.COMPLETED else "",
        response_id="msg_1",
        duration_s=0.5,
        first_token_s=0.1,
    )


def an_end(
    origin: Origin,
    *,
    reason: Reason | None = None,
    tier: str = "efficient",
    frontier_only_nano_usd: int | None = 120,
    superseded: tuple[int, ...] = (),
    provisional: bool = False,
) -> RequestRow:
    """How a request ended; well, unless there is a reason."""
    answered = reason is None
    return RequestRow(
        origin=origin,
        ended_at_s=origin.started_at_s + 2,
        duration_s=1.5,
        reason=reason,
        final_tier=tier if answered else "",
        final_model=f"model-{tier}" if answered else "",
        acceptance=Acceptance.ACCEPTED if answered else None,
        confidence=0.9 if answered else None,
        escalated=bool(superseded),
        frontier_only_nano_usd=frontier_only_nano_usd if answered else None,
        superseded=superseded,
        provisional=provisional,
    )


def a_day(limit_nano_usd: int, scope: BudgetScope = BudgetScope.KEY) -> Budget:
    """A budget of a day."""
    return Budget(scope, Period.DAY, limit_nano_usd)


def a_month(limit_nano_usd: int, scope: BudgetScope = BudgetScope.KEY) -> Budget:
    """A budget of a month."""
    return Budget(scope, Period.MONTH, limit_nano_usd)
