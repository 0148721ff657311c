"""What was acknowledged survives the end of the process, at whatever moment it comes, and of the database's."""

from __future__ import annotations

import asyncio
import os
import random
from dataclasses import replace
from pathlib import Path

import pytest

from tests.contract.ledger import dying
from tests.postgres import Cluster
from tests.unit.ledger.rows import a_reservation, an_origin
from tests.unit.ledger.waiting import SOON_S, until
from tierwise_server.errors import LedgerUnavailable
from tierwise_server.ledger.base import Ledger
from tierwise_server.ledger.entries import RowState
from tierwise_server.ledger.opening import open_ledger
from tierwise_server.ledger.settings import LedgerSettings
from tierwise_server.ledger.spend import SpendQuery

pytestmark = pytest.mark.fault

KILLS = int(os.environ.get("TIERWISE_KILLS", "15"))
"""How often a server is killed; half a second each."""

LIFE_S = 0.25
"""The longest that a server lives after its first row."""


def settings_of(name: str, folder: Path, request: pytest.FixtureRequest) -> LedgerSettings:
    if name == "sqlite":
        return LedgerSettings(folder)
    cluster: Cluster = request.getfixturevalue("postgres")
    return LedgerSettings(folder, cluster.space(), owner_lease_s=0.3)


async def states_of(ledger: Ledger, number: int) -> dict[str, RowState]:
    """The rows that a victim left."""
    return {
        call.reservation.row_id: call.state
        for worker in range(dying.WORKERS)
        for account in await ledger.find("acme", f"{number}-{worker}")
        for call in account.calls
    }


@pytest.mark.timeout(KILLS * 20)
@pytest.mark.parametrize("name", ["sqlite", "postgres"])
def test_a_killed_server_loses_no_row_that_it_acknowledged(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    settings = settings_of(name, tmp_path, request)
    chance = random.Random(7)
    kills = KILLS if name == "sqlite" else KILLS // 3
    for number in range(kills):
        victim = dying.start(settings, number)
        asyncio.run(asyncio.sleep(chance.uniform(0, LIFE_S)))
        told = victim.kill()
        assert told
        asyncio.run(check(settings, number, told))


async def check(settings: LedgerSettings, number: int, told: list[tuple[str, str]]) -> None:
    settled = {row_id for what, row_id in told if what == "settled"}
    reserved = {row_id for what, row_id in told if what == "reserved"}
    async with asyncio.timeout(SOON_S), open_ledger(settings) as ledger:
        while (await total_open(ledger)) > 0:
            await asyncio.sleep(0.05)
            await ledger.recover()
        states = await states_of(ledger, number)
        assert {states[row_id] for row_id in settled} <= {RowState.SETTLED}
        # Settled but not told, or given up: never open, never gone.
        unsettled = {states[row_id] for row_id in reserved - settled}
        assert unsettled <= {RowState.SETTLED, RowState.ORPHANED}
        assert await ledger.audit() == ()


async def total_open(ledger: Ledger) -> int:
    (total,) = await ledger.spend(SpendQuery())
    return total.open_calls


async def test_the_database_may_be_restarted_under_a_running_server(
    tmp_path: Path, postgres: Cluster
) -> None:
    settings = replace(LedgerSettings(tmp_path, postgres.space()), reserve_timeout_s=1.0)
    async with asyncio.timeout(3 * SOON_S), open_ledger(settings) as ledger:
        acknowledged: list[str] = []
        stop = asyncio.Event()

        async def work(name: str) -> None:
            count = 0
            while not stop.is_set():
                count += 1
                row = a_reservation(an_origin(run_id=f"{name}-{count}", request_id=name))
                try:
                    await ledger.reserve(row)
                    acknowledged.append(row.row_id)
                except LedgerUnavailable:
                    await asyncio.sleep(0.02)

        async with asyncio.TaskGroup() as tasks:
            for worker in range(8):
                tasks.create_task(work(f"worker-{worker}"))
            await until(lambda: acknowledged)
            await asyncio.to_thread(postgres.stop)
            try:
                await until(lambda: not ledger.healthy)
            finally:
                await asyncio.to_thread(postgres.start)
            await until(lambda: ledger.healthy)
            before = len(acknowledged)
            await until(lambda: len(acknowledged) > before)
            stop.set()
        found = {
            call.reservation.row_id
            for worker in range(8)
            for account in await ledger.find("acme", f"worker-{worker}")
            for call in account.calls
        }
        assert set(acknowledged) <= found
        assert await ledger.audit() == ()
