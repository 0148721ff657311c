"""Whatever happens to a request, its book holds a row for every call, and their sum is what the request cost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest

from tests.unit.core.builders import a_task
from tests.unit.engine_world import Heard, an_engine, climbing, score, script
from tierwise_server.core import stream
from tierwise_server.core.cascade import Acceptance
from tierwise_server.core.model import CallKind, GenerationOptions, Usage
from tierwise_server.engine import Engine
from tierwise_server.errors import BudgetExceeded, LedgerUnavailable, Reason, RequestError
from tierwise_server.ledger.base import Ledger
from tierwise_server.ledger.bookkeeper import Limits, bookkeeping
from tierwise_server.ledger.books import NOBODY, LedgerBooks, Payer
from tierwise_server.ledger.entries import (
    OK,
    Budget,
    BudgetScope,
    Period,
    RequestAccount,
    RowState,
)
from tierwise_server.ledger.faulty import FaultyLedger, LedgerFault
from tierwise_server.ledger.memory import MemoryLedger
from tierwise_server.providers.base import Begun
from tierwise_server.providers.scripted import Pause, Script, ScriptedProvider, Step, answer

SHORT = GenerationOptions(max_output_tokens=100)


@dataclass
class World:
    engine: Engine
    provider: ScriptedProvider
    ledger: MemoryLedger

    async def run(self, payer: Payer = NOBODY, **options: object) -> RequestAccount:
        heard = Heard()
        try:
            await self.engine.generate(climbing(**options), heard, heard, payer=payer)
        finally:
            await asyncio.sleep(0.01)
        return await self.account(payer.tenant)

    async def account(self, tenant: str = "") -> RequestAccount:
        (account,) = await self.ledger.find(tenant, "r-1")
        return account


@asynccontextmanager
async def world(
    play: Script,
    *,
    faults: Callable[[Ledger], Ledger] = lambda ledger: ledger,
    fail_open: bool = False,
    keep_days: int = 0,
) -> AsyncIterator[World]:
    engine, provider = an_engine(play)
    memory = MemoryLedger(keep_content_days=keep_days)
    ledger = faults(memory)
    async with bookkeeping(ledger, limits=Limits(retry_s=0.01)) as keeper:
        books = LedgerBooks(
            ledger,
            keeper,
            fail_open=fail_open,
            keeps_content=keep_days > 0,
        )
        yield World(replace(engine, books=books), provider, memory)
    assert await memory.audit() == ()


def refused(ledger: Ledger) -> Ledger:
    return FaultyLedger(ledger, rate=1.0, kinds=[LedgerFault.REFUSED])


async def test_every_call_of_a_climb_has_its_row_and_their_sum_is_the_cost() -> None:
    async with world(script(answer("Draft"), score("1"), answer("Right"))) as it:
        heard = Heard()
        summary = await it.engine.generate(climbing(), heard, heard)
        await asyncio.sleep(0.01)
        account = await it.account()
    assert [row.reservation.kind for row in account.calls] == [
        *(CallKind.DRAFT, CallKind.CHECK, CallKind.DIRECT)
    ]
    assert {row.state for row in account.calls} == {RowState.SETTLED}
    assert [row.superseded for row in account.calls] == [True, False, False]
    assert summary.cost is not None
    assert account.cost_nano_usd == summary.cost.total_nano_usd > 0
    assert (account.outcome, account.row and account.row.final_tier) == (OK, "frontier")
    assert account.row is not None
    assert account.row.frontier_only_nano_usd is not None


async def test_no_row_holds_less_than_its_call_came_to() -> None:
    async with world(script(answer("Draft"), score("1"), answer("Right"))) as it:
        account = await it.run(generation=SHORT)
    for row in account.calls:
        assert row.charged_nano_usd is not None
        assert row.reservation.worst_case_nano_usd is not None
        assert row.charged_nano_usd <= row.reservation.worst_case_nano_usd


@pytest.mark.parametrize("stalled", [CallKind.DRAFT, CallKind.CHECK, CallKind.DIRECT])
async def test_a_cancelled_call_is_settled_to_what_was_seen(stalled: CallKind) -> None:
    stall: tuple[Step, ...] = (Begun("id", Usage(input_tokens=7)), Pause())
    steps = {
        CallKind.DRAFT: answer("x"),
        CallKind.CHECK: score("1"),
        CallKind.DIRECT: answer("y"),
        stalled: stall,
    }
    async with world(lambda call: steps[call.kind]) as it:
        heard = Heard()
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(it.engine.generate(climbing(), heard, heard))
            await asyncio.sleep(0.02)
            running.cancel()
        await asyncio.sleep(0.01)
        account = await it.account()
    last = account.calls[-1]
    assert last.reservation.kind is stalled
    assert last.state is RowState.ESTIMATED
    assert last.charged_nano_usd
    assert account.outcome == "CANCELLED"
    cost = heard.ended.summary.cost
    assert cost is not None
    assert account.cost_nano_usd == cost.total_nano_usd


async def test_a_row_whose_call_was_never_made_is_given_back() -> None:
    def leave(event: stream.StreamEvent) -> None:
        raise RequestError(Reason.CANCELLED, "the caller left")

    async with world(script((), strong=answer("x"))) as it:
        heard = Heard(before_sending=leave)
        with pytest.raises(RequestError):
            await it.engine.generate(climbing(), heard, heard)
        await asyncio.sleep(0.01)
        account = await it.account()
    (row,) = account.calls
    assert (row.state, row.charged_nano_usd) == (RowState.FAILED_UNBILLED, 0)
    assert row.settlement is not None
    assert row.settlement.tries == 0
    assert account.outcome == "CANCELLED"


async def test_a_call_is_not_made_while_the_ledger_cannot_record_it() -> None:
    async with world(script((), strong=answer("x")), faults=refused) as it:
        with pytest.raises(RequestError) as failure:
            await it.run()
        assert failure.value.reason is Reason.LEDGER_UNAVAILABLE
        assert it.provider.calls == []


async def test_a_ledger_that_fails_open_is_told_afterwards() -> None:
    down = FaultyLedger(MemoryLedger(), rate=1.0, kinds=[LedgerFault.REFUSED])
    engine, _ = an_engine(script(answer("Draft"), score("9")))
    unrecorded: list[None] = []
    async with bookkeeping(down, limits=Limits(retry_s=0.01)) as keeper:
        books = LedgerBooks(
            down, keeper, fail_open=True, unrecorded=lambda: unrecorded.append(None)
        )
        heard = Heard()
        await replace(engine, books=books).generate(climbing(), heard, heard)
        # Back before the bookkeeper, which runs in the same loop, has tried to write.
        down.rate = 0.0
        await asyncio.sleep(0.01)
        (account,) = await down.inner.find("", "r-1")
    assert len(unrecorded) == 2
    assert [row.state for row in account.calls] == [RowState.SETTLED] * 2


@pytest.mark.parametrize("fail_open", [True, False])
async def test_a_call_that_a_budget_pays_is_not_made_while_the_ledger_cannot_count_it(
    *, fail_open: bool
) -> None:
    payer = Payer("acme", "key", (Budget(BudgetScope.TENANT, Period.DAY, 10**12),))
    async with world(script(answer("x")), faults=refused, fail_open=fail_open) as it:
        with pytest.raises(LedgerUnavailable):
            await it.run(payer)
        assert it.provider.calls == []


async def test_a_budget_that_cannot_pay_refuses_before_anything_is_spent() -> None:
    payer = Payer("acme", "key", (Budget(BudgetScope.TENANT, Period.DAY, 10),))
    async with world(script((), strong=answer("x"))) as it:
        with pytest.raises(BudgetExceeded) as failure:
            await it.run(payer)
        assert failure.value.subject == "budget.tenant.day"
        assert it.provider.calls == []
        assert await it.ledger.find("acme", "r-1") == ()


async def test_a_budget_that_cannot_pay_the_climb_keeps_the_draft() -> None:
    # Enough for the draft (100 x 5,000 nano-USD of output) and its check, not for the frontier tier.
    payer = Payer("acme", "key", (Budget(BudgetScope.KEY, Period.MONTH, 1_200_000),))
    async with world(script(answer("Draft"), score("1"), answer("Right"))) as it:
        account = await it.run(payer, generation=SHORT)
    assert account.row is not None
    assert account.row.acceptance is Acceptance.ACCEPTED_LOW
    assert len(account.calls) == 2


async def test_a_race_for_the_last_cent_never_overspends() -> None:
    limit = 3_000_000
    payer = Payer("acme", "key", (Budget(BudgetScope.TENANT, Period.DAY, limit),))
    async with world(script((), strong=answer("x"))) as it:
        task = replace(a_task("generate_response"), request_id="r-1", generation=SHORT)

        async def one() -> bool:
            heard = Heard()
            try:
                await it.engine.generate(task, heard, heard, payer=payer)
            except BudgetExceeded:
                return False
            return True

        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(one()) for _ in range(64)]
        await asyncio.sleep(0.01)
        accounts = await it.ledger.find("acme", "r-1")
    granted = sum(each.result() for each in running)
    assert 0 < granted == len(accounts) < 64
    assert sum(account.cost_nano_usd or 0 for account in accounts) <= limit


@pytest.mark.parametrize("days", [0, 7])
async def test_prompts_are_kept_only_where_they_are_wanted(days: int) -> None:
    async with world(script(answer("Draft"), score("9")), keep_days=days) as it:
        account = await it.run()
        kept = account.content
        if days:
            assert kept is not None
            assert kept.answer == "Draft"
            assert kept.prompt.endswith("user:\nWhere is my parcel?")
        else:
            assert kept is None
            assert it.ledger.books.requests
            assert not it.engine.books.keeps_content  # type: ignore[attr-defined]  # a LedgerBooks
