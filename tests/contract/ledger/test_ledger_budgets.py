"""What ledger/base.py promises, kept by every implementation: budgets hold, whoever races for their last cent."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Sequence
from itertools import cycle

import pytest

from tests.contract.ledger.worlds import World
from tests.unit.ledger.rows import (
    DAY_S,
    NOON_S,
    a_day,
    a_month,
    a_reservation,
    a_settlement,
    an_origin,
)
from tierwise_server.errors import BudgetExceeded, Reason
from tierwise_server.ledger.base import Ledger
from tierwise_server.ledger.entries import Budget, BudgetScope, Reservation, RowState
from tierwise_server.ledger.spend import SpendQuery

RACERS = 64
ROUNDS = 8


async def is_granted(ledger: Ledger, reservation: Reservation, *budgets: Budget) -> bool:
    try:
        await ledger.reserve(reservation, budgets)
    except BudgetExceeded:
        return False
    return True


async def test_a_budget_pays_to_its_last_nano_usd_and_not_one_more(world: World) -> None:
    ledger = await world.open()
    await ledger.reserve(a_reservation(worst_case_nano_usd=60), [a_day(100)])
    with pytest.raises(BudgetExceeded) as caught:
        await ledger.reserve(a_reservation(an_origin(request_id="late")), [a_day(100)])
    error = caught.value
    assert (error.needed_nano_usd, error.left_nano_usd) == (100, 40)
    assert (error.reason, error.subject) == (Reason.BUDGET_EXCEEDED, "budget.key.day")
    assert await ledger.find("acme", "late") == ()
    await ledger.reserve(a_reservation(worst_case_nano_usd=40), [a_day(100)])
    await ledger.reserve(a_reservation(worst_case_nano_usd=0), [a_day(100)])
    assert not await is_granted(ledger, a_reservation(worst_case_nano_usd=1), a_day(100))


async def test_settling_gives_back_what_was_not_used(world: World) -> None:
    ledger = await world.open()
    reservation = a_reservation()
    await ledger.reserve(reservation, [a_day(100)])
    assert not await is_granted(ledger, a_reservation(worst_case_nano_usd=1), a_day(100))
    await ledger.record([a_settlement(reservation, 40)])
    assert await is_granted(ledger, a_reservation(worst_case_nano_usd=60), a_day(100))
    assert not await is_granted(ledger, a_reservation(worst_case_nano_usd=1), a_day(100))


async def test_a_failed_call_gives_everything_back_and_an_orphan_nothing(world: World) -> None:
    dead = await world.open()
    failed, orphan = a_reservation(), a_reservation()
    await dead.reserve(failed, [a_day(100)])
    await dead.record([a_settlement(failed, state=RowState.FAILED_UNBILLED)])
    await dead.reserve(orphan, [a_day(100)])
    await world.let_die(dead)
    ledger = await world.open()
    assert not await is_granted(ledger, a_reservation(worst_case_nano_usd=1), a_day(100))
    await ledger.record([a_settlement(orphan, 40)])
    assert await is_granted(ledger, a_reservation(worst_case_nano_usd=60), a_day(100))


async def test_every_budget_must_agree(world: World) -> None:
    ledger = await world.open()
    key, tenant = BudgetScope.KEY, BudgetScope.TENANT
    mine, other = an_origin(key_id="mine"), an_origin(key_id="other")
    await ledger.reserve(a_reservation(other, worst_case_nano_usd=70), [a_day(70, key)])
    for_key = a_reservation(mine, worst_case_nano_usd=30)
    assert not await is_granted(ledger, for_key, a_day(30, key), a_day(99, tenant))
    assert not await is_granted(ledger, for_key, a_day(29, key), a_day(100, tenant))
    assert not await is_granted(ledger, for_key, a_day(30, key), a_month(99, tenant))
    assert await is_granted(ledger, for_key, a_day(30, key), a_day(100, tenant))


async def test_budgets_of_tenants_do_not_touch_each_other(world: World) -> None:
    ledger = await world.open()
    tenant = BudgetScope.TENANT
    await ledger.reserve(a_reservation(an_origin(tenant="a")), [a_day(100, tenant)])
    await ledger.reserve(a_reservation(an_origin(tenant="b")), [a_day(100, tenant)])
    again = a_reservation(an_origin(tenant="a"), worst_case_nano_usd=1)
    assert not await is_granted(ledger, again, a_day(100, tenant))


def at(day: str) -> float:
    return datetime.datetime.fromisoformat(f"{day}+00:00").timestamp()


@pytest.mark.parametrize(
    ("first", "second", "same_day", "same_month"),
    [
        ("2026-11-23T00:00:00", "2026-11-23T23:59:59", True, True),
        ("2026-11-23T23:59:59", "2026-11-24T00:00:00", False, True),
        ("2026-11-01T00:00:00", "2026-11-30T23:59:59", False, True),
        ("2026-11-30T23:59:59", "2026-12-01T00:00:00", False, False),
        ("2026-12-31T23:59:59", "2027-01-01T00:00:00", False, False),
        ("2025-11-23T12:00:00", "2026-11-23T12:00:00", False, False),
    ],
)
async def test_a_period_begins_and_ends_in_utc(
    world: World, first: str, second: str, same_day: bool, same_month: bool
) -> None:
    ledger = await world.open()
    settled = a_reservation(at_s=at(first), worst_case_nano_usd=30)
    await ledger.reserve(settled)
    await ledger.reserve(a_reservation(at_s=at(first), worst_case_nano_usd=20))
    await ledger.record([a_settlement(settled, 30)])
    later = a_reservation(at_s=at(second), worst_case_nano_usd=1)
    assert await is_granted(ledger, later, a_day(50)) is not same_day
    later = a_reservation(at_s=at(second), worst_case_nano_usd=1)
    assert await is_granted(ledger, later, a_month(50)) is not same_month


async def test_a_call_is_charged_to_the_day_it_was_reserved_whenever_it_is_settled(
    world: World,
) -> None:
    ledger = await world.open()
    before_midnight = a_reservation(at_s=NOON_S)
    await ledger.reserve(before_midnight, [a_day(100)])
    world.clock.now_s += DAY_S
    tomorrow = a_reservation(at_s=NOON_S + DAY_S)
    assert await is_granted(ledger, tomorrow, a_day(100))
    await ledger.record([a_settlement(before_midnight, 100)])
    assert not await is_granted(ledger, a_reservation(worst_case_nano_usd=1), a_day(100))


async def race(ledgers: Sequence[Ledger], day_s: float, *budgets: Budget) -> int:
    """Let many reservations of 100 start at once; return how many were granted."""
    granted = 0

    async def run(ledger: Ledger) -> None:
        nonlocal granted
        won = await is_granted(ledger, a_reservation(at_s=day_s), *budgets)
        granted += won

    async with asyncio.TaskGroup() as tasks:
        for _, ledger in zip(range(RACERS), cycle(ledgers), strict=False):
            tasks.create_task(run(ledger))
    return granted


async def test_a_race_for_the_last_cent_has_one_winner(world: World) -> None:
    ledgers = [await world.open() for _ in range(3 if world.shared else 1)]
    for number in range(ROUNDS):
        assert await race(ledgers, NOON_S + number * DAY_S, a_day(199)) == 1


async def test_a_race_admits_exactly_what_the_tightest_budget_pays(world: World) -> None:
    ledgers = [await world.open() for _ in range(3 if world.shared else 1)]
    tenant = BudgetScope.TENANT
    granted = await race(ledgers, NOON_S, a_day(1_000), a_month(720), a_day(10**9, tenant))
    assert granted == 7
    (total,) = await ledgers[0].spend(SpendQuery())
    assert (total.open_calls, total.open_nano_usd) == (7, 700)


async def test_racing_calls_that_settle_never_overspend(world: World) -> None:
    ledgers = [await world.open() for _ in range(2 if world.shared else 1)]

    async def run(ledger: Ledger, nano_usd: int) -> None:
        reservation = a_reservation()
        if await is_granted(ledger, reservation, a_day(1_000)):
            await asyncio.sleep(0)
            await ledger.record([a_settlement(reservation, nano_usd)])

    async with asyncio.TaskGroup() as tasks:
        for number, ledger in zip(range(RACERS), cycle(ledgers), strict=False):
            tasks.create_task(run(ledger, 10 + 90 * (number % 2)))
    (total,) = await ledgers[0].spend(SpendQuery())
    assert total.cost_nano_usd <= 1_000
    assert total.open_calls == 0
    assert await ledgers[0].audit() == ()
