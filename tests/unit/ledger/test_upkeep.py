"""What must go on for as long as a server runs goes on, whatever happens to it, and says so at once."""

from __future__ import annotations

import asyncio

import structlog

from tests.unit.ledger.waiting import until
from tierwise_server.ledger.upkeep import Upkeep

QUICK_S = 0.001


class Work:
    """Fails the first times, then goes on until it is told to end."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.begun = 0
        self.ended = asyncio.Event()

    async def __call__(self) -> None:
        self.begun += 1
        if self.begun <= self.failures:
            raise RecursionError("deep")
        await self.ended.wait()


async def test_what_fails_is_told_at_once_and_begun_again() -> None:
    work, upkeep = Work(failures=3), Upkeep(first_wait_s=QUICK_S, steady_s=0.05)
    with structlog.testing.capture_logs() as logs:
        async with upkeep.running(work, "keys"):
            await until(lambda: work.begun == 4)
            assert upkeep.down == {"keys"}
            told = [line["what"] for line in logs if line["event"] == "upkeep_failed"]
            assert told == ["keys"] * 3
            await until(lambda: not upkeep.down)
    assert not upkeep.down


async def test_it_waits_twice_as_long_each_time_and_never_longer_than_the_longest() -> None:
    work = Work(failures=5)
    upkeep = Upkeep(first_wait_s=QUICK_S, longest_wait_s=4 * QUICK_S)
    with structlog.testing.capture_logs() as logs:
        async with upkeep.running(work, "keys"):
            await until(lambda: work.begun == 6)
    assert [line["again_in_s"] / QUICK_S for line in logs] == [1, 2, 4, 4, 4]


async def test_work_that_ends_is_over_and_well() -> None:
    work, upkeep = Work(failures=1), Upkeep(first_wait_s=QUICK_S)
    work.ended.set()
    async with upkeep.running(work, "keys"):
        await until(lambda: work.begun == 2 and not upkeep.down)
        await asyncio.sleep(0.02)
    assert work.begun == 2


async def test_health_hears_of_what_is_down_and_of_what_is_well_again() -> None:
    work, upkeep = Work(failures=1), Upkeep(first_wait_s=QUICK_S, steady_s=0.4)
    heard: list[bool] = []

    async def tell(well: bool) -> None:
        heard.append(well)

    async with upkeep.running(lambda: upkeep.report(tell), "health"):
        await until(lambda: heard == [True])
        async with upkeep.running(work, "keys"):
            await until(lambda: heard == [True, False, True])
