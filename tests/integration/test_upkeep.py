"""What a server does beside its calls goes on whatever is in its way: keys, and what health says of it."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from grpc_health.v1 import health_pb2

from tests.integration.test_keys import bearer, refused_in_time, route
from tests.integration.test_reloading import health_of
from tests.serving import configured, serving
from tests.unit.access.records import NOW_S, a_key
from tests.unit.ledger.waiting import until_found
from tierwise_server.access.opening import open_keys
from tierwise_server.access.ring import REFRESH_S
from tierwise_server.ledger.settings import LedgerSettings
from tierwise_server.ledger.sqlite import DATABASE_FILE
from tierwise_server.rpc.listener import UPKEEP


async def test_a_row_that_cannot_be_read_keeps_no_other_key_from_being_revoked(
    tmp_path: Path,
) -> None:
    settings = LedgerSettings(tmp_path)
    (secret, key), (spoiled_secret, spoiled) = a_key(), a_key()
    values = {"auth": {"mode": "required"}, "ledger": {"directory": str(tmp_path)}}
    async with open_keys(settings) as store:
        await store.add(key)
        await store.add(spoiled)
    async with (
        serving(config=configured(values)) as served,
        open_keys(settings) as store,
    ):
        for known in (secret, spoiled_secret):
            assert (await route(served, bearer(known)))[1].status == "OK"
        with closing(sqlite3.connect(tmp_path / DATABASE_FILE)) as connection:
            spoil = "UPDATE access_key SET tiers = 'not json' WHERE key_id = ?"
            connection.execute(spoil, (spoiled.key_id,))
            connection.execute("UPDATE access_change SET number = number + 1")
            connection.commit()
        await asyncio.sleep(2 * REFRESH_S)
        refused = (await route(served, bearer(spoiled_secret)))[1]
        assert (refused.status, refused.reason) == ("UNAUTHENTICATED", "INVALID_CREDENTIALS")
        assert (await route(served, bearer(secret)))[1].status == "OK"
        await store.revoke(key.key_id, NOW_S)
        await refused_in_time(served, bearer(secret))


async def test_health_says_while_something_is_down_and_calls_go_on() -> None:
    fails = True

    async def failing() -> None:
        if fails:
            raise RuntimeError("once more")

    states = health_pb2.HealthCheckResponse

    async def upkeep_is(state: int) -> bool:
        return await health_of(served.channel, UPKEEP) == state

    async with serving() as served:
        assert await upkeep_is(states.SERVING)
        async with served.app.upkeep.running(failing, "a test"):
            await until_found(lambda: upkeep_is(states.NOT_SERVING))
            assert await health_of(served.channel, "") == states.SERVING
            assert (await route(served))[1].status == "OK"
            fails = False
            await until_found(lambda: upkeep_is(states.SERVING))
