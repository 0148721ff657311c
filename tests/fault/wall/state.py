"""F49 to F53: the ledger under leaks, full disks, torn files and kills."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.contract.ledger import dying, test_ledger_crashes, test_ledger_sqlite_faults
from tests.contract.ledger.test_ledger_budgets import is_granted
from tests.fault.wall.catalogue import scenario
from tests.fault.wall.tally import Tally
from tests.postgres import running_cluster
from tests.unit.ledger.rows import a_day, a_reservation, a_settlement, an_end
from tierwise_server.ledger.opening import open_ledger
from tierwise_server.ledger.settings import LedgerSettings
from tierwise_server.ledger.spend import SpendQuery

RACERS: Final = 64


@contextmanager
def a_folder() -> Iterator[Path]:
    """A folder that goes with its context."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@scenario("F49", "nothing is reserved any more when every call has ended, however it ended")
async def leaks(tally: Tally) -> None:
    with a_folder() as folder:
        async with open_ledger(LedgerSettings(folder)) as ledger:

            async def call(settles: bool) -> None:
                reservation = a_reservation()
                if await is_granted(ledger, reservation, a_day(10**6)):
                    entry = a_settlement(reservation, 40)
                    await ledger.record([entry] if settles else [entry, an_end(reservation.origin)])

            for number in tally.times(200):
                with tally.run():
                    async with asyncio.TaskGroup() as tasks:
                        for racer in range(RACERS):
                            tasks.create_task(call((number + racer) % 2 == 0))
                    (total,) = await ledger.spend(SpendQuery())
                    assert (total.open_calls, total.open_nano_usd) == (0, 0)
            with tally.run("the sums"):
                assert await ledger.audit() == ()


async def repeated(tally: Tally, whole: int, check: Callable[[Path], Awaitable[None]]) -> None:
    """Run a test of the ledger so many times, in a folder of its own."""
    for _ in tally.times(whole):
        with tally.run(getattr(check, "__name__", "")), a_folder() as folder:
            await check(folder)


@scenario(
    "F50", "refused before anything is spent; nothing acknowledged is lost; recovers by itself"
)
async def full_disks(tally: Tally) -> None:
    faults = test_ledger_sqlite_faults
    await repeated(
        tally, 20, faults.test_a_file_that_may_not_grow_refuses_calls_and_recovers_by_itself
    )
    await repeated(
        tally, 20, faults.test_a_lock_held_by_another_program_is_waited_for_and_not_for_ever
    )


@scenario("F51", "refused while it is away, nothing acknowledged is lost, well again by itself")
async def lost_databases(tally: Tally) -> None:
    check = test_ledger_crashes.test_the_database_may_be_restarted_under_a_running_server
    with running_cluster() as cluster:
        await repeated(tally, 10, lambda folder: check(folder, cluster))


@scenario(
    "F52",
    "told at the start by the file's name, or harmless; a torn log loses what was not acknowledged",
)
async def torn_files(tally: Tally) -> None:
    faults = test_ledger_sqlite_faults
    for check in (
        faults.test_a_file_cut_short_is_told_at_the_start,
        faults.test_a_file_that_is_no_database_is_told_at_the_start,
        faults.test_spoiled_bytes_of_the_last_pages_are_told_or_do_no_harm,
        faults.test_a_torn_log_costs_what_was_not_acknowledged_and_no_more,
    ):
        await repeated(tally, 5, check)


@scenario("F53", "no acknowledged row is lost, none stays open, the sums are right")
async def kills(tally: Tally) -> None:
    chance = random.Random(tally.seed)
    acknowledged = 0
    with a_folder() as folder:
        settings = LedgerSettings(folder)
        for number in tally.times(200):
            with tally.run(f"kill {number}"):
                victim = await asyncio.to_thread(dying.start, settings, number)
                await asyncio.sleep(chance.uniform(0, 0.2))
                told = victim.kill()
                acknowledged += len(told)
                assert told
                await test_ledger_crashes.check(settings, number, told)
    tally.detail = f"{acknowledged:,} acknowledged entries"
