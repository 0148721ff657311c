"""F56 and F57: keys and certificates that come and go, and a store of the limits that is lost."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import grpc
import trustme

from tests.fault.proxy import FaultProxy, ResetPeer
from tests.fault.wall.catalogue import scenario
from tests.fault.wall.state import a_folder
from tests.fault.wall.tally import Tally
from tests.integration.test_certificate_callers import AS_TENANT, NAME, TLS
from tests.integration.test_keys import REQUIRED, bearer, generate, refused_in_time, stored
from tests.integration.test_reloading_certificates import certificate, shown_by
from tests.integration.test_tls import client_credentials
from tests.postgres import Cluster, running_cluster
from tests.serving import KEY, Served, a_request, configured, outcome_of, serving
from tests.unit.access.records import NOW_S, a_key
from tests.unit.ledger.waiting import until_found
from tierwise.v1 import router_pb2_grpc
from tierwise_server import config
from tierwise_server.access.opening import open_keys
from tierwise_server.access.ring import REVOKED_WITHIN_S
from tierwise_server.ledger.settings import LedgerSettings

DRIP: Final = {"rules": [{"chunks": ["word "] * 30, "delta_interval_s": 0.02}]}
PER_MINUTE: Final = 5


@scenario(
    "F56",
    "what is new counts at once, what was withdrawn is refused in time, running streams finish",
)
async def rotated(tally: Tally) -> None:
    slowest_s = 0.0

    async def keys(_: int) -> None:
        nonlocal slowest_s
        first, old = a_key()
        second, new = a_key()
        store = await stored(old)
        async with serving(DRIP, configured(REQUIRED), keys=store) as served:
            async with asyncio.TaskGroup() as tasks:
                running = tasks.create_task(generate(served, bearer(first)))
                await served.simulator.journal.until(lambda journal: len(journal) > 0)
                await store.add(new)
                assert (await generate(served, bearer(second))).status == "OK"
                await store.revoke(old.key_id, NOW_S)
                began = time.monotonic()
                await refused_in_time(served, bearer(first))
                slowest_s = max(slowest_s, time.monotonic() - began)
            assert running.result().status == "OK"
            assert (await generate(served, bearer(second))).status == "OK"

    async def certificates(_: int) -> None:
        with a_folder() as folder:
            await _rotated_certificates(folder)

    await tally.together(len(tally.times(20)), keys, at_once=10)
    await tally.together(len(tally.times(20)), certificates)
    tally.detail = (
        f"a key is refused within {slowest_s:.1f} s, promised are {REVOKED_WITHIN_S:g} s; "
        "a certificate at once"
    )


async def _rotated_certificates(folder: Path) -> None:
    """Rotate the server's certificate, the callers' authority, and whom a certificate stands for."""
    authority, callers, next_callers = trustme.CA(), trustme.CA(), trustme.CA()
    path = folder / "tierwise.toml"
    path.write_text(AS_TENANT.format(NAME))
    certificate(folder, authority, "first")
    callers.cert_pem.write_to_path(folder / "ca.pem")
    async with serving(DRIP, lambda environ: config.load(path, environ)) as served:
        reloader = served.app.reloader(config.Source(path, {"ANTHROPIC_API_KEY": KEY}))
        port = int(served.endpoint.rpartition(":")[2])
        old = client_credentials(authority, callers)
        new = client_credentials(authority, next_callers)
        async with grpc.aio.secure_channel(served.endpoint, old) as channel:
            stub = router_pb2_grpc.RouterServiceStub(channel)
            async with asyncio.TaskGroup() as tasks:
                running = tasks.create_task(outcome_of(stub.Generate(a_request())))
                await served.simulator.journal.until(lambda journal: len(journal) > 0)
                certificate(folder, authority, "second")
                next_callers.cert_pem.write_to_path(folder / "ca.pem")
                assert await reloader.reload()
                assert await asyncio.to_thread(shown_by, port, authority) == "second"
                assert await _told(served, new) == ("OK", "")
                assert (await _told(served, old))[0] == "UNAVAILABLE"
                path.write_text(TLS)
                assert await reloader.reload()
                refused = await outcome_of(stub.Generate(a_request()))
                assert refused.reason == "MISSING_CREDENTIALS"
                assert await _told(served, new) == ("UNAUTHENTICATED", "MISSING_CREDENTIALS")
            assert running.result().status == "OK"
        path.write_text(AS_TENANT.format(NAME))
        assert await reloader.reload()
        assert await _told(served, new) == ("OK", "")


async def _told(served: Served, credentials: grpc.ChannelCredentials) -> tuple[str, str]:
    """What a caller with a connection of its own is told."""
    async with grpc.aio.secure_channel(served.endpoint, credentials) as channel:
        stub = router_pb2_grpc.RouterServiceStub(channel)
        outcome = await outcome_of(stub.Generate(a_request(), timeout=10))
        return outcome.status, outcome.reason


@scenario("F57", "known keys go on within the limits of this server; unknown ones are to come back")
async def lost_stores(tally: Tally) -> None:
    with running_cluster() as cluster:
        await tally.together(len(tally.times(20)), partial(_lost_store, cluster), at_once=3)


async def _lost_store(cluster: Cluster, _: int) -> None:
    url = cluster.space()
    (few, rated), (single, streaming) = (
        a_key(requests_per_minute=PER_MINUTE),
        a_key(streams=1),
    )
    late, made_late = a_key()
    with a_folder() as folder:
        async with FaultProxy() as proxy, open_keys(LedgerSettings(folder / "keys", url)) as store:
            proxy.upstream = f"http://127.0.0.1:{cluster.port}"
            for key in (rated, streaming):
                await store.add(key)
            through = url.replace(f":{cluster.port}/", f":{urlsplit(proxy.base_url).port}/")
            ledger = {"directory": str(folder), "url": through, "on_unavailable": "allow"}
            settings = configured({**REQUIRED, "ledger": ledger})
            async with serving(DRIP, settings) as served:
                assert (await generate(served, bearer(few))).status == "OK"
                proxy.toxic = ResetPeer()
                began_s = time.monotonic()
                told = await _all_at_once(served, few, 3 * PER_MINUTE)
                refilled = (time.monotonic() - began_s) * PER_MINUTE / 60
                assert told.count("RATE_LIMITED") == len(told) - told.count("OK")
                assert PER_MINUTE <= told.count("OK") <= PER_MINUTE + refilled
                told = await _all_at_once(served, single, 4)
                assert sorted(told) == ["OK", *["RATE_LIMITED"] * 3]
                await store.add(made_late)
                unknown = await generate(served, bearer(late))
                assert (unknown.status, unknown.reason) == ("UNAVAILABLE", "LEDGER_UNAVAILABLE")
                assert unknown.all_of("RetryInfo")
                proxy.toxic = None

                async def found() -> bool:
                    return (await generate(served, bearer(late))).status == "OK"

                await until_found(found)
                assert (await generate(served, bearer(single))).status == "OK"


async def _all_at_once(served: Served, secret: str, count: int) -> list[str]:
    """What so many calls of one key, made together, are told."""
    async with asyncio.TaskGroup() as tasks:
        calls = [tasks.create_task(generate(served, bearer(secret))) for _ in range(count)]
    return [call.result().reason or call.result().status for call in calls]
