"""One contract for limits, in one server and over several."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import psycopg
import pytest

from tests.postgres import Cluster
from tierwise_server.access.base import Limits
from tierwise_server.access.fallback_limits import FallbackLimits
from tierwise_server.access.memory_limits import MemoryLimits
from tierwise_server.access.opening import open_keys
from tierwise_server.access.sql_limits import SqlLimits
from tierwise_server.access.sql_worker import SqlWorker
from tierwise_server.errors import LimitExceeded
from tierwise_server.ledger.opening import database_of
from tierwise_server.ledger.settings import LedgerSettings

LEASE_S = 0.6


class World:
    """Servers that share limits."""

    def __init__(self, make: Callable[[], Limits], settle: Callable[[], object]) -> None:
        self.make = make
        self.settle = settle

    def servers(self, count: int) -> list[Limits]:
        return [self.make() for _ in range(count)]


@asynccontextmanager
async def shared(url: str, folder: Path) -> AsyncIterator[World]:
    settings = LedgerSettings(folder, url)
    async with open_keys(settings):
        pass
    async with AsyncExitStack() as stack:
        made: list[SqlLimits] = []

        def make() -> Limits:
            limits = SqlLimits(SqlWorker(database_of(settings), 5.0), lease_s=LEASE_S)
            stack.push_async_callback(limits.aclose)
            made.append(limits)
            return limits

        yield World(make, lambda: None)


@pytest.fixture(params=["memory", "postgres"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    if request.param == "memory":
        one = MemoryLimits()
        yield World(lambda: one, lambda: None)
        assert not one.held
        return
    async with shared(request.getfixturevalue("space"), tmp_path) as found:
        yield found


@pytest.fixture
def space(request: pytest.FixtureRequest) -> str:
    if "memory" in request.node.name:
        return ""
    cluster: Cluster = request.getfixturevalue("postgres")
    return cluster.space()


async def takes(limits: Limits, subject: str, per_minute: int, calls: int) -> int:
    granted = 0
    for _ in range(calls):
        try:
            await limits.take(subject, per_minute)
        except LimitExceeded:
            continue
        granted += 1
    return granted


async def test_a_bucket_gives_what_it_holds_and_says_when_there_is_more(
    space: str, world: World
) -> None:
    (limits,) = world.servers(1)
    for _ in range(3):
        await limits.take("key", 3)
    with pytest.raises(LimitExceeded) as refused:
        await limits.take("key", 3)
    assert refused.value.retry_after_s is not None
    assert 15 < refused.value.retry_after_s <= 20
    assert refused.value.subject == "key.requests_per_minute"
    await limits.take("another key", 3)


async def test_a_bucket_refills(space: str, world: World) -> None:
    (limits,) = world.servers(1)
    per_minute = 600
    await takes(limits, "key", per_minute, 2 * per_minute)
    await asyncio.sleep(1.5 * 60 / per_minute)
    await limits.take("key", per_minute)


async def test_a_limit_that_was_raised_shortens_the_wait(space: str, world: World) -> None:
    (limits,) = world.servers(1)
    await limits.take("key", 1)
    waits = []
    for per_minute in (1, 6):
        with pytest.raises(LimitExceeded) as refused:
            await limits.take("key", per_minute)
        waits.append(refused.value.retry_after_s or 0)
    assert 50 < waits[0] <= 60
    assert waits[1] <= 10


async def test_racing_servers_never_let_in_more_than_the_limit(space: str, world: World) -> None:
    per_minute, servers = 30, world.servers(4)
    began_s = time.monotonic()
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(takes(limits, "key", per_minute, 20))
            for limits in servers
            for _ in range(2)
        ]
    granted = sum(task.result() for task in tasks)
    elapsed_s = time.monotonic() - began_s
    assert per_minute <= granted <= per_minute + per_minute * elapsed_s / 60


async def test_racing_servers_never_hold_more_streams_than_the_limit(
    space: str, world: World
) -> None:
    most, now, peak, refusals = 3, 0, 0, 0

    async def run(limits: Limits) -> None:
        nonlocal now, peak, refusals
        for _ in range(6):
            try:
                async with limits.hold("key", most):
                    now += 1
                    peak = max(peak, now)
                    await asyncio.sleep(0.02)
                    now -= 1
            except LimitExceeded:
                refusals += 1

    async with asyncio.TaskGroup() as group:
        for limits in world.servers(4):
            for _ in range(4):
                group.create_task(run(limits))
    assert 0 < peak <= most
    assert refusals
    (fresh,) = world.servers(1)
    async with AsyncExitStack() as stack:
        async with asyncio.timeout(3):
            for _ in range(most):
                while True:
                    try:
                        await stack.enter_async_context(fresh.hold("key", most))
                    except LimitExceeded:
                        await asyncio.sleep(0.02)
                        continue
                    break
        await fresh_is_full(fresh, most)


async def fresh_is_full(limits: Limits, most: int) -> None:
    held = limits.hold("key", most)
    with pytest.raises(LimitExceeded) as refused:
        await held.__aenter__()
    assert refused.value.subject == "key.streams"


async def test_a_caller_that_leaves_while_waiting_holds_nothing(space: str, world: World) -> None:
    (limits,) = world.servers(1)
    for _ in range(20):
        task = asyncio.get_running_loop().create_task(held_for_ever(limits))
        await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await asyncio.sleep(0.1)
    async with limits.hold("key", 1):
        pass


async def held_for_ever(limits: Limits) -> None:
    async with limits.hold("key", 100):
        await asyncio.Event().wait()


async def test_the_streams_of_a_killed_server_are_free_after_the_lease(
    postgres: Cluster, tmp_path: Path
) -> None:
    async with shared(postgres.space(), tmp_path) as world:
        killed, living = world.servers(2)
        assert isinstance(killed, SqlLimits)
        assert isinstance(living, SqlLimits)
        # Nobody renews the leases of `killed`, as when its process is gone; those of `living` are kept.
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(killed.hold("key", 2))
            async with living.hold("key", 2), asyncio.TaskGroup() as group:
                keeping = group.create_task(living.keep())
                await fresh_is_full(living, 2)
                await asyncio.sleep(1.5 * LEASE_S)
                async with living.hold("key", 2):
                    await fresh_is_full(living, 2)
                keeping.cancel()


@pytest.mark.parametrize("by_s", [3600.0, 86_400.0, 1e9])
async def test_a_clock_that_is_set_back_neither_locks_up_nor_unlocks_a_limit(
    by_s: float, postgres: Cluster, tmp_path: Path
) -> None:
    """The clock is the database's; set back, it makes all that it wrote before lie so far ahead."""
    url = postgres.space()
    async with shared(url, tmp_path) as world:
        (limits,) = world.servers(1)
        assert await takes(limits, "key", 3, 4) == 3
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("UPDATE access_rate SET full_at_s = full_at_s + %s", (by_s,))
        assert await takes(limits, "key", 3, 4) == 1
        with pytest.raises(LimitExceeded) as refused:
            await limits.take("key", 3)
        assert refused.value.retry_after_s is not None
        assert 15 < refused.value.retry_after_s <= 20
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("UPDATE access_rate SET full_at_s = full_at_s - 20")
        assert await takes(limits, "key", 3, 4) == 1


async def test_a_clock_that_is_set_back_does_not_keep_the_streams_of_a_dead_server(
    postgres: Cluster, tmp_path: Path
) -> None:
    url = postgres.space()
    async with shared(url, tmp_path) as world, AsyncExitStack() as stack:
        killed, living = world.servers(2)
        await stack.enter_async_context(killed.hold("key", 1))
        await fresh_is_full(living, 1)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("UPDATE access_lease SET expires_at_s = expires_at_s + 3600")
        await fresh_is_full(living, 1)
        await asyncio.sleep(1.2 * LEASE_S)
        async with living.hold("key", 1):
            await fresh_is_full(living, 1)


async def test_while_the_shared_limits_are_away_a_server_keeps_its_own(
    tmp_path: Path,
) -> None:
    away = LedgerSettings(tmp_path, "postgresql://nobody@127.0.0.1:1/none")
    shared_limits = SqlLimits(SqlWorker(database_of(away), 2.0))
    limits = FallbackLimits(shared_limits)
    await limits.take("key", 1)
    with pytest.raises(LimitExceeded):
        await limits.take("key", 1)
    async with limits.hold("key", 1):
        with pytest.raises(LimitExceeded):
            async with limits.hold("key", 1):
                pass
    await shared_limits.aclose()
