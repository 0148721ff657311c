"""What ledger/base.py promises, kept by every implementation: rows, settlements, requests."""

from __future__ import annotations

import datetime
from dataclasses import replace

import pytest

from tests.contract.ledger.worlds import World
from tests.unit.ledger.rows import (
    NOON_S,
    a_day,
    a_reservation,
    a_settlement,
    an_end,
    an_origin,
)
from tierwise_server.core.account import CallStatus
from tierwise_server.core.model import CallKind
from tierwise_server.errors import BudgetExceeded, Reason, RequestError
from tierwise_server.ledger.base import Ledger
from tierwise_server.ledger.entries import (
    LOST,
    OK,
    Content,
    RequestAccount,
    RowState,
    Settlement,
)
from tierwise_server.ledger.spend import SpendQuery

DAY = datetime.timedelta(days=1).total_seconds()


async def the_only(ledger: Ledger, request_id: str = "request") -> RequestAccount:
    (account,) = await ledger.find("acme", request_id)
    return account


async def test_a_reservation_is_there_when_reserve_returns(world: World) -> None:
    ledger = await world.open()
    reservation = a_reservation(an_origin(labels={"team": "search"}), kind=CallKind.DRAFT)
    await ledger.reserve(reservation)
    account = await the_only(ledger)
    (call,) = account.calls
    assert (call.reservation, call.state) == (reservation, RowState.RESERVED)
    assert (call.charged_nano_usd, call.settlement) == (None, None)
    assert (account.origin, account.outcome) == (reservation.origin, "")
    assert account.cost_nano_usd == 0
    assert ledger.healthy


async def test_a_reservation_outlives_its_server(world: World) -> None:
    ledger = await world.open()
    await ledger.reserve(a_reservation())
    await world.let_die(ledger)
    account = await the_only(await world.open())
    assert [call.state for call in account.calls] == [RowState.ORPHANED]


async def test_reserving_a_row_again_is_granted_and_changes_nothing(world: World) -> None:
    ledger = await world.open()
    reservation = a_reservation()
    budgets = [a_day(100)]
    await ledger.reserve(reservation, budgets)
    await ledger.reserve(reservation, budgets)
    await ledger.record([a_settlement(reservation)])
    await ledger.reserve(reservation, budgets)
    account = await the_only(ledger)
    assert [call.state for call in account.calls] == [RowState.SETTLED]
    with pytest.raises(BudgetExceeded) as caught:
        await ledger.reserve(a_reservation(worst_case_nano_usd=61), budgets)
    assert caught.value.left_nano_usd == 60


@pytest.mark.parametrize(
    ("state", "nano_usd", "charged"),
    [
        (RowState.SETTLED, 40, 40),
        (RowState.SETTLED, 0, 0),
        (RowState.SETTLED, 101, 101),
        (RowState.SETTLED, None, None),
        (RowState.ESTIMATED, 40, 40),
        (RowState.FAILED_UNBILLED, None, 0),
    ],
)
async def test_a_settlement_is_read_back_and_charged(
    world: World, state: RowState, nano_usd: int | None, charged: int | None
) -> None:
    ledger = await world.open()
    reservation = a_reservation()
    settlement = a_settlement(reservation, nano_usd, state=state)
    await ledger.reserve(reservation)
    await ledger.record([settlement])
    account = await the_only(ledger)
    (call,) = account.calls
    assert call.settlement == settlement
    assert (call.state, call.charged_nano_usd) == (state, charged)
    assert account.cost_nano_usd == charged
    assert await ledger.audit() == ()


async def test_a_settlement_may_come_twice_and_the_first_stands(world: World) -> None:
    ledger = await world.open()
    reservation = a_reservation()
    await ledger.reserve(reservation)
    await ledger.record([a_settlement(reservation, 40), a_settlement(reservation, 50)])
    await ledger.record([a_settlement(reservation, 60)])
    account = await the_only(ledger)
    assert (account.cost_nano_usd, len(account.calls)) == (40, 1)
    assert await ledger.audit() == ()


async def test_a_settlement_of_a_row_never_seen_records_the_whole(world: World) -> None:
    ledger = await world.open()
    first = a_reservation(kind=CallKind.DRAFT)
    check = a_reservation(first.origin, kind=CallKind.CHECK)
    second = a_reservation(first.origin, attempt=2, tier="frontier")
    await ledger.record([an_end(first.origin, tier="frontier", superseded=(1,))])
    await ledger.record([a_settlement(first, 1), a_settlement(check, 2)])
    await ledger.record([a_settlement(second, 4)])
    account = await the_only(ledger)
    calls = {call.reservation.row_id: call for call in account.calls}
    assert account.cost_nano_usd == 7
    assert account.outcome == OK
    assert calls[first.row_id].superseded
    assert not calls[check.row_id].superseded
    assert not calls[second.row_id].superseded
    assert await ledger.audit() == ()


async def test_a_request_is_read_back_as_it_ended(world: World) -> None:
    ledger = await world.open()
    first = a_reservation(kind=CallKind.DRAFT)
    second = a_reservation(first.origin, attempt=2, tier="frontier")
    end = an_end(first.origin, tier="frontier", superseded=(1,))
    for reservation in (first, second):
        await ledger.reserve(reservation)
    await ledger.record([a_settlement(first), end, a_settlement(second, 60)])
    account = await the_only(ledger)
    assert (account.row, account.outcome) == (end, OK)
    assert account.cost_nano_usd == 100
    assert [call.superseded for call in account.calls] == [True, False]


async def test_a_failed_request_says_why(world: World) -> None:
    ledger = await world.open()
    reservation = a_reservation()
    await ledger.reserve(reservation)
    failed = a_settlement(
        reservation,
        state=RowState.FAILED_UNBILLED,
        status=CallStatus.FAILED,
        failure=Reason.UPSTREAM_TIMEOUT,
    )
    end = an_end(reservation.origin, reason=Reason.UPSTREAM_TIMEOUT)
    await ledger.record([failed, end])
    account = await the_only(ledger)
    assert (account.outcome, account.row) == ("UPSTREAM_TIMEOUT", end)
    assert account.calls[0].settlement == failed


async def test_the_first_end_stands_unless_it_was_provisional(world: World) -> None:
    ledger = await world.open()
    origin = an_origin()
    unavailable = an_end(origin, reason=Reason.LEDGER_UNAVAILABLE, provisional=True)
    await ledger.record([unavailable])
    assert (await the_only(ledger)).outcome == "LEDGER_UNAVAILABLE"
    await ledger.record([an_end(origin), an_end(origin, reason=Reason.CANCELLED)])
    await ledger.record([unavailable])
    assert (await the_only(ledger)).row == an_end(origin)


async def test_what_was_never_sent_costs_nothing_unless_it_was_sent_after_all(
    world: World,
) -> None:
    ledger = await world.open()
    reservation = a_reservation()
    await ledger.reserve(reservation, [a_day(100)])
    await ledger.record([Settlement.unsent(reservation, NOON_S)])
    account = await the_only(ledger)
    assert (account.cost_nano_usd, account.calls[0].state) == (0, RowState.FAILED_UNBILLED)
    other = a_reservation()
    await ledger.reserve(other, [a_day(100)])
    await ledger.record([Settlement.unsent(other, NOON_S), a_settlement(reservation, 40)])
    await ledger.record([Settlement.unsent(reservation, NOON_S)])
    assert (await ledger.find("acme", "request"))[0].cost_nano_usd == 40
    assert await ledger.audit() == ()


async def test_runs_of_one_request_id_are_kept_apart_and_other_tenants_do_not_see_them(
    world: World,
) -> None:
    ledger = await world.open()
    earlier = a_reservation(an_origin(at_s=NOON_S - 60))
    later = a_reservation()
    await ledger.reserve(later)
    await ledger.reserve(earlier)
    await ledger.reserve(a_reservation(an_origin(tenant="other")))
    found = await ledger.find("acme", "request")
    assert [account.origin for account in found] == [earlier.origin, later.origin]
    assert all(len(account.calls) == 1 for account in found)
    assert await ledger.find("nobody", "request") == ()
    assert await ledger.find("acme", "") == ()


async def test_an_orphan_is_charged_its_worst_case_until_a_settlement_says_better(
    world: World,
) -> None:
    dead = await world.open()
    reservation, unpriced = a_reservation(), a_reservation(worst_case_nano_usd=None)
    settled = a_reservation()
    for row in (reservation, unpriced, settled):
        await dead.reserve(replace(row, origin=replace(row.origin, request_id=row.row_id)))
    settled = replace(settled, origin=replace(settled.origin, request_id=settled.row_id))
    reservation = replace(
        reservation, origin=replace(reservation.origin, request_id=reservation.row_id)
    )
    await dead.record([a_settlement(settled), an_end(settled.origin)])
    await world.let_die(dead)
    ledger = await world.open()
    assert await ledger.recover() == 0
    orphan = await the_only(ledger, reservation.row_id)
    assert (orphan.outcome, orphan.cost_nano_usd) == (LOST, 100)
    assert orphan.calls[0].charged_nano_usd == 100
    assert (await the_only(ledger, unpriced.row_id)).cost_nano_usd is None
    assert (await the_only(ledger, settled.row_id)).outcome == OK
    assert await ledger.audit() == ()
    await ledger.record([a_settlement(reservation, 40), an_end(reservation.origin)])
    corrected = await the_only(ledger, reservation.row_id)
    assert (corrected.outcome, corrected.cost_nano_usd) == (OK, 40)
    assert await ledger.audit() == ()


async def test_a_living_server_keeps_its_rows_when_another_starts(world: World) -> None:
    if not world.shared:
        pytest.skip("one server at a time")
    living = await world.open()
    reservation = a_reservation()
    await living.reserve(reservation)
    other = await world.open()
    assert await other.recover() == 0
    assert (await the_only(other)).calls[0].state is RowState.RESERVED
    await world.let_die(living)
    assert await other.recover() == 1
    assert (await the_only(other)).calls[0].state is RowState.ORPHANED


async def test_a_row_from_outside_is_stored_whatever_it_holds(world: World) -> None:
    ledger = await world.open()
    odd = "a\x00b\ud800'\"; DROP TABLE ledger_call; --\u202e\U0001f600"
    origin = an_origin(request_id="odd", task_type=odd, labels={odd: odd})
    reservation = a_reservation(origin, worst_case_nano_usd=2**70)
    await ledger.reserve(reservation)
    settlement = replace(a_settlement(reservation, 2**70), response_id=odd)
    await ledger.record([settlement, an_end(origin)])
    account = await the_only(ledger, "odd")
    assert account.calls[0].charged_nano_usd == 2**53
    assert account.origin.task_type.startswith("a")
    assert account.origin.task_type.endswith("\u202e\U0001f600")
    assert await ledger.audit() == ()


async def test_prompts_and_answers_are_kept_for_their_days_and_then_gone(world: World) -> None:
    ledger = await world.open(keep_content_days=30)
    old, new = an_origin(request_id="old"), an_origin(request_id="new")
    contents = [Content(old, "p1", "a1", NOON_S), Content(new, "p2", "a2", NOON_S + DAY)]
    await ledger.record(contents)
    assert (await the_only(ledger, "old")).content == contents[0]
    assert await ledger.purge() == 0
    world.clock.now_s = NOON_S + 30 * DAY + 60
    assert await ledger.purge() == 1
    assert (await the_only(ledger, "old")).content is None
    assert (await the_only(ledger, "new")).content == contents[1]


async def test_prompts_and_answers_are_not_kept_unless_asked_for(world: World) -> None:
    ledger = await world.open(keep_content_days=0)
    origin = an_origin()
    await ledger.reserve(a_reservation(origin))
    await ledger.record([Content(origin, "a prompt", "an answer", NOON_S)])
    assert (await the_only(ledger)).content is None


async def test_an_unpriced_call_is_recorded_but_not_against_a_budget(world: World) -> None:
    ledger = await world.open()
    unpriced = a_reservation(worst_case_nano_usd=None)
    with pytest.raises(RequestError) as caught:
        await ledger.reserve(unpriced, [a_day(10**12)])
    assert caught.value.reason is Reason.UNPRICED_MODEL
    assert await ledger.find("acme", "request") == ()
    await ledger.reserve(unpriced)
    assert len((await the_only(ledger)).calls) == 1


async def test_any_number_of_entries_may_come_at_once(world: World) -> None:
    ledger = await world.open()
    rows = [a_reservation() for _ in range(2_500)]
    await ledger.record([a_settlement(row, 1) for row in rows])
    (total,) = await ledger.spend(SpendQuery())
    assert (total.calls, total.cost_nano_usd) == (2_500, 2_500)
    assert await ledger.audit() == ()
