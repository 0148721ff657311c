"""F40, F41 and F58 to F72: the process, what it tells, and load."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, Final

import grpc
import pytest

from tests.fault import test_overload, test_upstream_down
from tests.fault.wall.catalogue import scenario
from tests.fault.wall.labels import constant_series
from tests.fault.wall.tally import Tally, secretive
from tests.fault.worlds import GOOD
from tests.integration import test_draining
from tests.integration.test_listener import services_of
from tests.raw_grpc import framed, raw_caller
from tests.serving import Served, a_request, configured, outcome_of, serving, variables
from tierwise.v1 import router_pb2, router_pb2_grpc
from tierwise_client import AsyncClient, TierwiseError
from tierwise_server.config.examine import examine_raw
from tierwise_server.rpc.service import SERVICE

Check = Callable[[], Awaitable[None]]
DRIP: Final = {"chunks": ["word "] * 20, "delta_interval_s": 0.01}
SHORT: Final = {"chunks": ["word "] * 5, "delta_interval_s": 0.01}
"""So that at every moment some call is about to begin."""

ROUND_ROBIN: Final = (
    '{"loadBalancingConfig":[{"round_robin":{}}],'
    '"healthCheckConfig":{"serviceName":"tierwise.v1.RouterService"},"methodConfig":[{"name":[{}],"retryPolicy":{'
    '"maxAttempts":4,"initialBackoff":"0.05s","maxBackoff":"0.5s","backoffMultiplier":2,'
    '"retryableStatusCodes":["UNAVAILABLE"]}}]}'
)
"""Both servers in turn while they say that they serve, and gRPC's own retries, which end with the first event of an
answer: docs/guides/reliability.md recommends it."""


@scenario("F40", "connections that are told to go away lose no call")
async def goaway(tally: Tally) -> None:
    config = configured({"server": {"max_connection_age_s": 0.1, "max_connection_age_grace_s": 5}})
    async with asyncio.timeout(60), serving({"rules": [dict(DRIP)]}, config) as served:
        for _ in tally.times(100):
            with tally.run():
                outcome = await outcome_of(served.stub.Generate(a_request()))
                assert outcome.status == "OK"
    tally.detail = "each connection lives 0.1 s, each call 0.2 s"


@scenario("F41", "a call of 35 s is not torn down by pings every 10 s")
async def eager_pings(tally: Tally) -> None:
    silent_s = 35.0 if tally.scale == 1 else 0.5
    slow = {"first_token_delay_s": silent_s, **GOOD}
    config = configured({"server": {"heartbeat_s": 60}, "upstream": {"idle_timeout_s": 60}})
    async with serving({"rules": [slow]}, config) as served:
        options = (("grpc.keepalive_time_ms", 10_000), ("grpc.keepalive_permit_without_calls", 1))

        async def play(_: int) -> None:
            async with grpc.aio.insecure_channel(served.endpoint, options) as channel:
                stub: Any = router_pb2_grpc.RouterServiceStub(channel)
                assert (await outcome_of(stub.Generate(a_request()))).status == "OK"

        await tally.together(len(tally.times(20)), play, at_once=20)


async def repeated(tally: Tally, whole: int, check: Check) -> None:
    """Run a test of this folder so many times."""
    for _ in tally.times(whole):
        with tally.run(getattr(check, "__name__", "")):
            await check()


@scenario(
    "F58",
    "what runs within the grace finishes; later calls go to the other server; what outlives the grace is told "
    "UNAVAILABLE SHUTTING_DOWN, when to come back, and its bill, and is no cancellation of its caller's",
)
async def rolling_restarts(tally: Tally) -> None:
    broken: list[str] = []
    streams = 0
    ports = [free_port(), free_port()]
    async with AsyncExitStack() as first, asyncio.timeout(300):
        servers = [await started(port) for port in ports]
        target = "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in ports)
        options = (
            ("grpc.service_config", ROUND_ROBIN),
            # Back at a server before the other one leaves, as an ordinary roll-out waits for.
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.min_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 100),
        )
        channel = await first.enter_async_context(grpc.aio.insecure_channel(target, options))
        stub: Any = router_pb2_grpc.RouterServiceStub(channel)
        going = True

        async def caller() -> None:
            nonlocal streams
            while going:
                outcome = await outcome_of(stub.Generate(a_request(), wait_for_ready=True))
                streams += 1
                if outcome.status != "OK":
                    broken.append(f"{outcome.status} {outcome.reason} {outcome.message}")

        async with asyncio.TaskGroup() as tasks:
            for _ in range(16):
                tasks.create_task(caller())
            for number in tally.times(100):
                at = number % 2
                await servers[at][0].app.listener.drain()
                await servers[at][1].aclose()
                servers[at] = await started(ports[at])
                await asyncio.sleep(0.15)
            going = False
        for _, stack in servers:
            await stack.aclose()
    tally.count(streams, broken)
    for _ in tally.times(20):
        with tally.run("a stream beyond the grace"):
            await test_draining.test_a_stream_that_outlives_the_grace_is_told_why_and_what_it_cost()
    tally.detail = (
        f"{len(tally.times(100))} restarts under {streams:,} streams of callers that watch health"
    )


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port: int = unused.getsockname()[1]
        return port


async def started(port: int) -> tuple[Served, AsyncExitStack]:
    """Start a server on a port; the stack ends it."""
    closing = {"drain_delay_s": 0.1, "drain_grace_s": 30.0}

    def config(environ: Any) -> Any:
        return configured({"server": closing})(
            {**environ, "TIERWISE_SERVER__LISTEN": f"127.0.0.1:{port}"}
        )

    stack = AsyncExitStack()
    served = await stack.enter_async_context(serving({"rules": [dict(SHORT)]}, config))
    return served, stack


@scenario("F21", "refused when the configuration is read, by the name of the price")
async def unpriced(tally: Tally) -> None:
    limits = {"context_tokens": 200_000, "max_output_tokens": 64_000}
    for number in tally.times(20):
        with tally.run():
            model = {"id": f"claude-new-{number}", "provider": "anthropic", **limits}
            tiers = [{"name": "efficient", "model": model["id"]}]
            found = examine_raw(
                {"models": [model], "tiers": tiers}, variables("http://127.0.0.1:9")
            )
            assert found.config is None
            assert any("price" in str(fault) for fault in found.faults), found.faults


@scenario(
    "F59", "a loop that was blocked for longer than every limit takes no live answer for dead"
)
async def blocked_loop(tally: Tally) -> None:
    slow = {"chunks": ["word "] * 10, "delta_interval_s": 0.02, "times": 1}
    for _ in tally.times(20):
        with tally.run():
            async with tally.world([slow, dict(GOOD)]) as world:
                call = world.served.stub.Generate(secretive())
                events = aiter(call)
                while not (await anext(events)).HasField("text_delta"):
                    pass
                # Longer than the 0.3 s that the upstream may be silent.
                time.sleep(0.5)  # noqa: ASYNC251 - to block the loop is the fault
                kinds = [event.WhichOneof("event") async for event in events]
                assert kinds[-1] == "finished"
                await world.is_well_again()


@scenario(
    "F62",
    "told without control characters; spans carry no new names; 5,000 values in all that callers write add no series "
    "to any metric",
)
async def control_characters(tally: Tally) -> None:
    nasty = "a\nb\x1b[31m\u202e\x00c"
    async with serving({"rules": [dict(GOOD)]}) as served, asyncio.timeout(60):
        for number in tally.times(200):
            with tally.run():
                async with raw_caller(served.endpoint) as caller:
                    request = a_request(task_type=f"{nasty}{number}", labels={f"k{number}": "\x1b"})
                    body = framed(request.SerializeToString())
                    reply = await caller.call(
                        f"/{SERVICE}/Generate", body, [("traceparent", nasty), ("x-a", nasty)]
                    )
                    await caller.read_until_end(reply)
                    assert reply.status in (0, 3)
        spans = served.spans.spans()
        with tally.run("the spans"):
            values = [str(value) for span in spans for value in span.attributes.values()]
            assert not [v for v in values if any(ord(c) < 32 or ord(c) == 127 for c in v)]
            assert len({key for span in spans for key in span.attributes}) < 80
    with tally.run("the log"):
        lines = tally.witness.log.getvalue().splitlines()
        assert not [x for x in lines if any(ord(c) < 32 for c in x) or "\x1b" in x]
    tally.detail = await constant_series(tally)


@scenario(
    "F65",
    "404, 429 or 529 of every model, breaker on and off, with fallbacks and without: at most 1.1 POSTs for each "
    "request once the reserves are used up; an open breaker asks nobody; one model alone is replaced every time",
)
async def retry_storms(tally: Tally) -> None:
    await repeated(
        tally,
        10,
        test_upstream_down.test_retries_are_a_tenth_of_the_calls_once_the_reserve_is_used_up,
    )
    await repeated(tally, 10, test_upstream_down.test_an_open_breaker_keeps_everybody_from_asking)
    most = 0.0
    for code, breaker, fallbacks in tally.some(test_upstream_down.FULLY_DOWN):
        with tally.run(f"{code}, breaker {breaker}, fallbacks {fallbacks}"):
            posts = await test_upstream_down.posts_per_request(
                code, breaker=breaker, fallbacks=fallbacks
            )
            most = max(most, posts)
            assert posts <= test_upstream_down.MOST_POSTS
    for code in tally.some((404, 429, 529)):
        for breaker in (True, False):
            with tally.run(f"{code} of one model, breaker {breaker}"):
                await test_upstream_down.test_one_model_that_is_down_is_replaced_every_time(
                    code, breaker
                )
    tally.detail = f"{most:.2f} POSTs for each request at most"


@scenario("F66", "probes are few; nobody overruns what comes back")
async def herds(tally: Tally) -> None:
    async def herd() -> None:
        await (
            test_upstream_down.test_a_herd_finds_a_model_that_has_come_back_and_does_not_overrun_it(
                200
            )
        )

    await repeated(tally, 20, herd)


@scenario("F67", "a client whose server refuses it connects less and less often")
async def hot_reconnects(tally: Tally) -> None:
    connections = 0

    def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    lasting_s = 5.0 if tally.scale == 1 else 0.5
    calls = 0
    ends_s = time.monotonic() + lasting_s
    async with AsyncClient(f"127.0.0.1:{port}") as client:
        while time.monotonic() < ends_s:
            calls += 1
            try:
                await client.generate("Hello?", timeout_s=1)
            except TierwiseError:
                await asyncio.sleep(0.001)
    server.close()
    with tally.run():
        assert connections <= 10, f"{connections} connections"
    tally.detail = f"{connections} connections in {lasting_s:g} s of {calls} calls"


@scenario(
    "F68",
    "at least 80% of what the places allow is served; the rest is told so at once and costs nothing",
)
async def too_much_load(tally: Tally) -> None:
    shares: list[float] = []
    for _ in tally.times(10):
        with tally.run("three times too much"):
            shares.append(await test_overload.goodput())
            assert shares[-1] >= test_overload.LEAST_GOODPUT, f"{shares[-1]:.2f}"
    await repeated(
        tally, 20, test_overload.test_a_full_provider_makes_some_wait_and_turns_the_rest_away
    )
    tally.detail = (
        f"places in use {min(shares, default=0):.0%} to {max(shares, default=0):.0%} of the time"
    )


@scenario("F71", "no field of a request is an address; one host alone is asked")
async def addresses(tally: Tally) -> None:
    words = {"url", "uri", "host", "endpoint", "address", "path", "port", "proxy", "header"}
    for kind in (router_pb2.GenerateRequest, router_pb2.RouteRequest):
        for name in sorted(_names_below(kind.DESCRIPTOR, set())):
            with tally.run(name):
                assert not words.intersection(name.split("_"))


def _names_below(descriptor: Any, seen: set[str]) -> set[str]:
    names: set[str] = set()
    if descriptor.full_name in seen:
        return names
    seen.add(descriptor.full_name)
    for field in descriptor.fields:
        names.add(field.name)
        if field.message_type is not None:
            names |= _names_below(field.message_type, seen)
    return names


@scenario("F72", "reflection lists the golden services on loopback, and nothing where it is off")
async def anonymous_lists(tally: Tally) -> None:
    golden = {SERVICE, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}
    for _ in tally.times(10):
        with tally.run("on"):
            async with serving() as served:
                assert await services_of(served.channel) == golden
        with tally.run("off"):
            config = configured({"server": {"reflection": False}})
            async with serving(config=config) as served:
                with pytest.raises(grpc.aio.AioRpcError) as error:
                    await services_of(served.channel)
                assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED
