"""Measure the ledger: reservations a second, and what one waits, on SQLite and PostgreSQL that flush every commit.

`python -m tests.bench.ledger` writes build/bench/ledger.json. A round reserves against a budget of a day and of a
month; "and settled" also records the settlement and the request's end, which is what one call costs in the end.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from tests.bench.rows import Row, publish, row
from tests.postgres import running_cluster
from tests.unit.ledger.rows import a_day, a_month, a_reservation, a_settlement, an_end, an_origin
from tierwise_server.ledger.base import Ledger
from tierwise_server.ledger.entries import new_run_id
from tierwise_server.ledger.opening import open_ledger
from tierwise_server.ledger.settings import LedgerSettings

ROUNDS = 5
ROUND_S = 1.0
IN_FLIGHT = (1, 16, 64, 256)
BUDGETS = (a_day(10**15), a_month(10**15))
BUSY_S = 0.004
PAUSE_S = 0.001


def fresh() -> tuple[str, float]:
    now_s = time.time()  # noqa: TID251 - run ids begin with the time
    return new_run_id(now_s), now_s


async def reserve(ledger: Ledger) -> None:
    run_id, now_s = fresh()
    await ledger.reserve(a_reservation(an_origin(run_id=run_id, at_s=now_s)), BUDGETS)


async def reserve_and_settle(ledger: Ledger) -> None:
    run_id, now_s = fresh()
    reservation = a_reservation(an_origin(run_id=run_id, at_s=now_s))
    await ledger.reserve(reservation, BUDGETS)
    await ledger.record([a_settlement(reservation), an_end(reservation.origin)])


async def rate(work: Callable[[Ledger], Awaitable[None]], ledger: Ledger, workers: int) -> float:
    """Let workers do it again and again for one round; return how often they did it a second."""
    done = 0
    start_s = time.perf_counter()

    async def run() -> None:
        nonlocal done
        while time.perf_counter() - start_s < ROUND_S:
            await work(ledger)
            done += 1

    async with asyncio.TaskGroup() as tasks:
        for _ in range(workers):
            tasks.create_task(run())
    return done / (time.perf_counter() - start_s)


async def waits_ms(ledger: Ledger, count: int = 300) -> list[float]:
    """What single settled reservations wait, one after the other, shortest first."""
    waits = []
    for _ in range(count):
        run_id, now_s = fresh()
        reservation = a_reservation(an_origin(run_id=run_id, at_s=now_s))
        start_s = time.perf_counter()
        await ledger.reserve(reservation, BUDGETS)
        waits.append((time.perf_counter() - start_s) * 1000)
        await ledger.record([a_settlement(reservation)])
    return sorted(waits)


async def waits_beside_work_ms(ledger: Ledger, switch_s: float) -> list[float]:
    """The same while the event loop is busy four fifths of the time."""
    usual_s = sys.getswitchinterval()
    sys.setswitchinterval(switch_s)
    stop = asyncio.Event()

    async def work() -> None:
        while not stop.is_set():
            until_s = time.perf_counter() + BUSY_S
            while time.perf_counter() < until_s:
                pass
            await asyncio.sleep(PAUSE_S)

    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(work())
            waits = await waits_ms(ledger, 100)
            stop.set()
        return waits
    finally:
        sys.setswitchinterval(usual_s)


async def measure(name: str, settings: LedgerSettings) -> list[Row]:
    """Measure one store."""
    rows = []
    async with open_ledger(settings) as ledger:
        alone = [await waits_ms(ledger) for _ in range(3)]
        rows.append(row(f"{name}: one waits, p50", [w[150] for w in alone], "ms"))
        rows.append(row(f"{name}: one waits, p99", [w[297] for w in alone], "ms"))
        for switch_s in (0.005, 0.05):
            title = f"{name}: beside a busy loop, switch interval {switch_s * 1000:.0f} ms"
            busy = await waits_beside_work_ms(ledger, switch_s)
            rows.append(row(f"{title}, p50", [busy[50]], "ms"))
            rows.append(row(f"{title}, p99", [busy[98]], "ms"))
        for workers in IN_FLIGHT:
            settled = [await rate(reserve_and_settle, ledger, workers) for _ in range(ROUNDS)]
            rows.append(row(f"{name}: reserved and settled, {workers} in flight", settled, "/s"))
        for workers in IN_FLIGHT:
            reserved = [await rate(reserve, ledger, workers)]
            rows.append(row(f"{name}: reserved and left open, {workers} in flight", reserved, "/s"))
    return rows


def main() -> None:
    """Measure every store."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder, running_cluster(flushes=True) as cluster:
        settings = LedgerSettings(Path(folder), reserve_timeout_s=30.0, write_timeout_s=30.0)
        for name, url in (("sqlite", ""), ("postgres", cluster.space())):
            rows += asyncio.run(measure(name, replace(settings, url=url)))
    publish(rows, "ledger.json")


if __name__ == "__main__":
    main()
