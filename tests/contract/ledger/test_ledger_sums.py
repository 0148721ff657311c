"""The sum of the rows is the request's cost, always: whatever happens, in whatever order, as often as it likes."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.ledger.worlds import Clock
from tests.unit.ledger.rows import NOON_S, a_reservation, a_settlement, an_end, an_origin
from tierwise_server.core.model import CallKind
from tierwise_server.errors import Reason
from tierwise_server.ledger.base import Ledger
from tierwise_server.ledger.entries import Entry, Reservation, RowState, Settlement
from tierwise_server.ledger.memory import MemoryLedger
from tierwise_server.ledger.opening import open_ledger
from tierwise_server.ledger.settings import LedgerSettings
from tierwise_server.ledger.spend import Dimension, SpendQuery

LEASE_S = 900.0
EXAMPLES = 60


@dataclass(frozen=True)
class Step:
    """One thing that happens to one of a few rows of a few requests."""

    what: str
    run: int
    attempt: int
    check: bool
    nano_usd: int | None
    state: RowState
    batch: int


STEPS = st.lists(
    st.builds(
        Step,
        st.sampled_from(["reserve", "settle", "settle", "unsent", "end", "give up", "lapse"]),
        st.integers(0, 1),
        st.integers(1, 2),
        st.booleans(),
        st.sampled_from([None, 0, 3, 40, 150]),
        st.sampled_from([RowState.SETTLED, RowState.ESTIMATED, RowState.FAILED_UNBILLED]),
        st.integers(1, 3),
    ),
    max_size=14,
)


def row_of(step: Step, tenant: str) -> Reservation:
    origin = an_origin(
        run_id=f"{tenant}-{step.run}", request_id=f"{step.run}", tenant=tenant, at_s=NOON_S
    )
    kind = CallKind.CHECK if step.check else CallKind.DRAFT
    worst = None if step.attempt == 2 and step.check else 100
    return a_reservation(origin, attempt=step.attempt, kind=kind, worst_case_nano_usd=worst)


def entry_of(step: Step, row: Reservation) -> Entry:
    match step.what:
        case "settle":
            return a_settlement(row, step.nano_usd, state=step.state)
        case "unsent":
            return Settlement.unsent(row, NOON_S)
        case "end":
            return an_end(row.origin, superseded=(step.attempt,))
        case _:
            return an_end(row.origin, reason=Reason.CANCELLED, provisional=True)


async def play(ledgers: list[Ledger], clock: Clock, steps: list[Step], tenant: str) -> None:
    """Do the same to every ledger, entries in batches."""
    entries: list[Entry] = []
    for step in steps:
        row = row_of(step, tenant)
        if step.what == "lapse":
            clock.now_s += LEASE_S + 1
        elif step.what != "reserve":
            entries.append(entry_of(step, row))
            if len(entries) < step.batch:
                continue
        for ledger in ledgers:
            if step.what == "lapse":
                await ledger.recover()
            elif step.what == "reserve":
                await ledger.reserve(row)
            await ledger.record(entries)
        entries = []
        await compare(ledgers, tenant)


async def compare(ledgers: list[Ledger], tenant: str) -> None:
    """See that the ledgers hold the same, and that every sum is that of its rows."""
    model, *others = ledgers
    for run in range(2):
        expected = await model.find(tenant, f"{run}")
        for ledger in others:
            found = await ledger.find(tenant, f"{run}")
            assert [replace(account, calls=()) for account in found] == [
                replace(account, calls=()) for account in expected
            ]
            for account, same in zip(found, expected, strict=True):
                assert {call.reservation.row_id: call for call in account.calls} == {
                    call.reservation.row_id: call for call in same.calls
                }
    for ledger in others:
        assert await ledger.audit() == ()
        query = SpendQuery((Dimension.DAY, Dimension.TIER), tenant=tenant)
        assert await ledger.spend(query) == await model.spend(query)


@contextmanager
def a_loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def test_no_order_of_events_makes_a_sum_differ_from_its_rows() -> None:
    clock = Clock()
    numbers = iter(range(1_000_000))
    with tempfile.TemporaryDirectory() as folder, a_loop() as runner:
        context = open_ledger(
            LedgerSettings(Path(folder), reservation_lease_s=LEASE_S, wall_clock=clock)
        )
        sqlite = runner.run(context.__aenter__())

        @settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow])
        @given(STEPS)
        def check(steps: list[Step]) -> None:
            model = MemoryLedger(reservation_lease_s=LEASE_S, wall_clock=clock)
            tenant = f"tenant-{next(numbers)}"
            runner.run(play([model, sqlite], clock, steps, tenant))

        try:
            check()
        finally:
            runner.run(context.__aexit__(None, None, None))
