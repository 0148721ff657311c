"""The rules that every store keeps."""

from __future__ import annotations

import pytest

from tests.unit.ledger.rows import (
    NOON_S,
    a_day,
    a_month,
    a_reservation,
    a_settlement,
    an_origin,
)
from tierwise_server.core.model import CallKind
from tierwise_server.errors import BudgetExceeded, Reason
from tierwise_server.ledger.committed import Committed
from tierwise_server.ledger.entries import BudgetScope, RequestRow, RowState, Settlement
from tierwise_server.ledger.rules import (
    charge_of,
    given_back,
    is_superseded,
    may_settle,
    orphan_charge_of,
    refusal,
)


@pytest.mark.parametrize(
    ("state", "tries", "may"),
    [
        (None, 1, True),
        (RowState.RESERVED, 1, True),
        (RowState.ORPHANED, 1, True),
        (RowState.FAILED_UNBILLED, 0, True),
        (RowState.FAILED_UNBILLED, 1, False),
        (RowState.SETTLED, 1, False),
        (RowState.ESTIMATED, 1, False),
    ],
)
def test_only_what_is_not_final_may_be_settled(
    state: RowState | None, tries: int, may: bool
) -> None:
    assert may_settle(state, tries) is may


@pytest.mark.parametrize(
    ("nano_usd", "charged"), [(40, 40), (0, 0), (None, None), (2**60, 2**53), (-1, 0)]
)
def test_a_charge_is_what_was_billed_within_reason(
    nano_usd: int | None, charged: int | None
) -> None:
    assert charge_of(a_settlement(a_reservation(), nano_usd)) == charged
    assert orphan_charge_of(nano_usd) == charged


def test_what_was_not_billed_is_charged_nothing() -> None:
    failed = a_settlement(a_reservation(), None, state=RowState.FAILED_UNBILLED)
    assert charge_of(failed) == 0


@pytest.mark.parametrize(
    ("committed", "refused"), [(0, False), (900, False), (901, True), (10**18, True)]
)
def test_a_budget_is_kept_to_the_nano_usd(committed: int, refused: bool) -> None:
    error = refusal(a_reservation(), [a_day(1_000)], lambda _: committed)
    assert (error is not None) is refused
    if refused:
        assert isinstance(error, BudgetExceeded)
        assert error.left_nano_usd == max(0, 1_000 - committed)


def test_the_first_budget_that_cannot_pay_is_named() -> None:
    budgets = [a_day(1_000), a_month(50, BudgetScope.TENANT), a_day(10)]
    error = refusal(a_reservation(), budgets, lambda _: 0)
    assert isinstance(error, BudgetExceeded)
    assert error.subject == "budget.tenant.month"


def test_an_unknown_price_is_refused_where_there_is_a_budget() -> None:
    unpriced = a_reservation(worst_case_nano_usd=None)
    error = refusal(unpriced, [a_day(10**15)], lambda _: 0)
    assert error is not None
    assert error.reason is Reason.UNPRICED_MODEL
    assert refusal(unpriced, [], lambda _: 0) is None


def test_a_check_is_never_superseded() -> None:
    assert is_superseded(a_reservation(attempt=2, kind=CallKind.DRAFT), (1, 2))
    assert not is_superseded(a_reservation(attempt=2, kind=CallKind.CHECK), (1, 2))
    assert not is_superseded(a_reservation(attempt=3), (1, 2))


def test_giving_the_first_call_back_ends_its_request_for_now() -> None:
    first = a_reservation(kind=CallKind.DRAFT)
    settlement, end = given_back(first, NOON_S, Reason.CANCELLED)
    assert isinstance(settlement, Settlement)
    assert isinstance(end, RequestRow)
    assert (end.reason, end.provisional) == (Reason.CANCELLED, True)
    check = a_reservation(first.origin, kind=CallKind.CHECK)
    assert len(given_back(check, NOON_S, Reason.CANCELLED)) == 1
    later = a_reservation(first.origin, attempt=2)
    assert len(given_back(later, NOON_S, Reason.CANCELLED)) == 1


def test_what_is_granted_counts_for_the_key_and_its_tenant_in_day_and_month() -> None:
    committed = Committed()
    committed.reserve(a_reservation(an_origin(key_id="a")))
    committed.reserve(a_reservation(an_origin(key_id="b"), worst_case_nano_usd=None))
    mine = a_reservation(an_origin(key_id="a"))
    other = a_reservation(an_origin(key_id="b"))
    foreign = a_reservation(an_origin(tenant="other", key_id="a"))
    tomorrow = a_reservation(an_origin(key_id="a"), at_s=NOON_S + 86_400)
    tenant = BudgetScope.TENANT
    assert committed.nano_usd(mine, a_day(0)) == 100
    assert committed.nano_usd(other, a_day(0)) == 0
    assert committed.nano_usd(other, a_month(0, tenant)) == 100
    assert committed.nano_usd(foreign, a_day(0, tenant)) == 0
    assert committed.nano_usd(tomorrow, a_day(0)) == 0
    assert committed.nano_usd(tomorrow, a_month(0)) == 100
