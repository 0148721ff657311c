"""Several servers on one PostgreSQL: one set of keys, and limits that hold over all of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from tests.postgres import Cluster, postgres
from tests.serving import Served, a_request, configured, outcome_of, serving
from tests.unit.access.records import NOW_S, a_key
from tierwise.v1 import router_pb2
from tierwise_server.access.opening import open_keys
from tierwise_server.access.ring import REVOKED_WITHIN_S
from tierwise_server.ledger.settings import LedgerSettings

__all__ = ["postgres"]

SLOW = {"rules": [{"chunks": ["one"], "first_token_delay_s": 0.5}]}


@asynccontextmanager
async def servers(url: str, folder: Path, count: int) -> AsyncIterator[list[Served]]:
    async with AsyncExitStack() as stack:
        running = []
        for number in range(count):
            ledger = {"directory": str(folder / str(number)), "url": url}
            settings = configured({"auth": {"mode": "required"}, "ledger": ledger})
            running.append(await stack.enter_async_context(serving(SLOW, settings)))
        yield running


async def status_of(served: Served, secret: str) -> str:
    metadata = (("authorization", f"Bearer {secret}"),)
    outcome = await outcome_of(served.stub.Generate(a_request(), metadata=metadata))
    return outcome.reason or outcome.status


@pytest.fixture
def url(postgres: Cluster) -> str:
    return postgres.space()


async def test_streams_and_requests_are_counted_over_all_servers(url: str, tmp_path: Path) -> None:
    (few, streaming), (some, counting) = a_key(streams=3), a_key(requests_per_minute=6)
    async with open_keys(LedgerSettings(tmp_path, url)) as store:
        await store.add(streaming)
        await store.add(counting)
        async with servers(url, tmp_path, 3) as all_:
            async with asyncio.TaskGroup() as group:
                calls = [
                    group.create_task(status_of(served, few)) for served in all_ for _ in range(4)
                ]
            told = sorted(call.result() for call in calls)
            assert told == ["OK"] * 3 + ["RATE_LIMITED"] * 9
            began_s = time.monotonic()
            async with asyncio.TaskGroup() as group:
                calls = [
                    group.create_task(status_of(served, some)) for served in all_ for _ in range(5)
                ]
            granted = [call.result() for call in calls].count("OK")
            assert 6 <= granted <= 6 + (time.monotonic() - began_s) / 10


async def test_every_server_refuses_a_revoked_key_in_time(url: str, tmp_path: Path) -> None:
    secret, key = a_key()
    request = router_pb2.RouteRequest(task_type="classify_intent")
    metadata = (("authorization", f"Bearer {secret}"),)
    async with open_keys(LedgerSettings(tmp_path, url)) as store:
        await store.add(key)
        async with servers(url, tmp_path, 2) as all_:
            for served in all_:
                assert (await served.stub.Route(request, metadata=metadata)).decision.tier
            await store.revoke(key.key_id, NOW_S)
            await asyncio.sleep(REVOKED_WITHIN_S)
            for served in all_:
                assert await status_of(served, secret) == "INVALID_CREDENTIALS"
