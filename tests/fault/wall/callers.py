"""F25 to F35: what a caller can do wrong with a call."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

import grpc
from google.rpc import error_details_pb2, status_pb2

from tests.fault.wall import leaving
from tests.fault.wall.catalogue import scenario
from tests.fault.wall.tally import Tally, World, secretive, with_config
from tests.fault.worlds import GOOD, Rule, text_of
from tests.raw_grpc import framed, raw_caller
from tests.serving import Served, a_request, outcome_of
from tierwise.v1 import routing_pb2
from tierwise_server.rpc.service import SERVICE

GENERATE: Final = f"/{SERVICE}/Generate"
DRIP: Final[Rule] = {"chunks": ["word "] * 400, "delta_interval_s": 0.01}
HANG: Final[Rule] = {"fault": {"kind": "hang"}}
SLOW_START: Final[Rule] = {"first_token_delay_s": 30.0}
QUICK: Final[Rule] = {"usage": {"input_tokens": 10, "output_tokens": 2}}
BUSY: Final[Rule] = {"fault": {"kind": "status", "status": 529, "retry_after": "30"}}
PATIENT: Final = with_config(
    {
        "upstream": {
            "first_event_timeout_s": 30.0,
            "idle_timeout_s": 30.0,
            "progress_timeout_s": 30.0,
            "retry": {"max_tries": 3},
            "max_queue": 5,
        }
    }
)

REFUSING: Final = with_config({"routing": {"default": "refuse"}})

POINTS: Final[Mapping[str, tuple[Sequence[Rule], int]]] = {
    "before the head": ([HANG], 1),
    "before the first text": ([SLOW_START], 1),
    "within a held draft": ([DRIP], 1),
    "within the text": ([DRIP], 1),
    "within the check": ([{"kind": "check", **HANG}, QUICK], 2),
    "after the climb": (
        [{"model": "claude-sonnet-*", **DRIP}, {"kind": "check", "confidence": 1}, QUICK],
        3,
    ),
}
"""Where the caller leaves, and how many calls were made by then."""


@scenario(
    "F25",
    "left at any of eleven points, the reservation, the connecting and the settling among them: the upstream is left "
    "at once, p99 under 50 ms; nothing stays reserved or held",
)
async def left_calls(tally: Tally) -> None:
    took_ms: list[float] = []
    for point, (rules, calls) in POINTS.items():
        async with tally.world(rules, config=PATIENT, limit_s=60) as world:
            for _ in tally.times(100):
                with tally.run(point):
                    took_ms.append(await _leave(world, point, calls))
    await _leave_a_pause(tally)
    await _leave_the_queue(tally)
    await leaving.leave_the_reservation(tally)
    await leaving.leave_the_connecting(tally)
    await leaving.leave_the_settlement(tally)
    took_ms.sort()
    p99 = took_ms[int(len(took_ms) * 0.99)] if took_ms else 0.0
    if tally.scale == 1:
        with tally.run("p99"):
            assert p99 < 50, f"p99 is {p99:.1f} ms"
    middle = took_ms[len(took_ms) // 2] if took_ms else 0.0
    tally.detail = f"from cancel to close: p50 {middle:.1f} ms, p99 {p99:.1f} ms"


async def _leave(world: World, point: str, calls: int) -> float:
    """Leave a call once it has come so far; returns how long the upstream stayed open, in milliseconds."""
    journal = world.served.simulator.journal
    asked = len(journal)
    escalation = point != "within the text"
    call = world.served.stub.Generate(secretive(escalation=escalation))
    await call.read()
    await journal.until(lambda journal: len(journal) == asked + calls)
    entry = journal[-1]
    await _bytes_of(world, entry, some=point not in ("before the head", "within the check"))
    left = time.monotonic()
    call.cancel()
    await journal.settled()
    assert entry.outcome == "client_left"
    assert entry.client_left_s is not None
    return (entry.client_left_s - left) * 1000


async def _bytes_of(world: World, entry: Any, *, some: bool) -> None:
    await world.served.simulator.journal.until(lambda _: entry.kind != "")
    while some and not entry.bytes_sent:  # noqa: ASYNC110 - the journal does not tell of bytes
        await asyncio.sleep(0.001)


async def _leave_a_pause(tally: Tally) -> None:
    """Leave while a retry is waited for: nobody is asked again."""
    async with tally.world([BUSY], config=PATIENT) as world:
        journal = world.served.simulator.journal
        for number in tally.times(100):
            with tally.run("within the pause before a retry"):
                call = world.served.stub.Generate(secretive())
                await call.read()
                await journal.until(partial(leaving.holds, number + 1))
                await journal.settled()
                call.cancel()
                assert await call.code() is grpc.StatusCode.CANCELLED
                await leaving.place_is_free(world.served)
                assert len(journal) == number + 1


async def _leave_the_queue(tally: Tally) -> None:
    """Leave while waiting for a place at the upstream: the place in the queue is free, nobody was asked."""
    config = with_config(PATIENT, {"server": {"max_concurrent_requests": 10}})
    script = [{"times": 1, **HANG}, dict(GOOD)]
    async with tally.world(script, config=config, limit_s=60) as world:
        journal = world.served.simulator.journal
        holding = world.served.stub.Generate(secretive())
        await holding.read()
        await journal.until(lambda journal: len(journal) == 1)
        for _ in tally.times(100):
            with tally.run("while waiting for a place"):
                waiting = [world.served.stub.Generate(secretive()) for _ in range(5)]
                for call in waiting:
                    await call.read()
                    await call.read()
                for call in waiting:
                    call.cancel()
                assert len(journal) == 1
        holding.cancel()
        with tally.run("afterwards"):
            await world.is_well_again()


CALLER: Final = """
import sys, grpc
from tierwise.v1 import router_pb2, router_pb2_grpc
channel = grpc.insecure_channel(sys.argv[1])
request = router_pb2.GenerateRequest.FromString(bytes.fromhex(sys.argv[2]))
for event in router_pb2_grpc.RouterServiceStub(channel).Generate(request):
    if event.HasField("text_delta"):
        print("text", flush=True)
"""


@scenario("F26", "the upstream is left; the next good call works")
async def killed_callers(tally: Tally) -> None:
    script = [{**DRIP, "contains": "canary"}, dict(GOOD)]
    for number in tally.times(20):
        with tally.run("SIGKILL" if number % 4 == 0 else "a reset connection"):
            async with tally.world([{**rule, "times": 1} for rule in script[:1]] + script[1:]) as w:
                if number % 4 == 0:
                    await _kill_a_caller(w.served)
                else:
                    await _reset_a_caller(w.served)
                await w.served.simulator.journal.settled()
                assert w.served.simulator.journal[0].outcome == "client_left"
                await w.is_well_again()


async def _kill_a_caller(served: Served) -> None:
    words = [sys.executable, "-c", CALLER, served.endpoint, secretive().SerializeToString().hex()]
    process = await asyncio.create_subprocess_exec(*words, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"text\n"
    process.kill()
    await process.wait()


async def _reset_a_caller(served: Served) -> None:
    async with raw_caller(served.endpoint) as caller:
        reply = await caller.call(GENERATE, framed(secretive().SerializeToString()))
        while not reply.data:
            caller.http.receive_data(await caller.reader.read(65_536))
            reply.data += b"." if served.simulator.journal.messages else b""
        caller.writer.transport.abort()


@scenario("F27", "noticed by a ping that is not answered; the upstream is left")
async def half_open_callers(tally: Tally) -> None:
    pinging = {"keepalive_time_s": 0.3, "keepalive_timeout_s": 0.3, "ping_timeout_s": 0.3}
    config = with_config(PATIENT, {"server": pinging})

    async def play(_: int) -> None:
        script = [{**SLOW_START, "times": 1}, dict(GOOD)]
        async with tally.world(script, config=config) as world:
            # h2 answers pings only when it is handed what was received, and nothing is read here.
            async with raw_caller(world.served.endpoint) as caller:
                await caller.call(GENERATE, framed(secretive().SerializeToString()))
                journal = world.served.simulator.journal
                await journal.until(lambda journal: len(journal) == 1)
                await journal.settled()
                assert journal[0].outcome == "client_left"
            await world.is_well_again()

    await tally.together(len(tally.times(20)), play, at_once=10)


@scenario("F29", "DEADLINE_EXCEEDED; the upstream is left at the deadline")
async def short_deadlines(tally: Tally) -> None:
    for _ in tally.times(20):
        with tally.run():
            async with tally.world([{**HANG, "times": 1}, dict(GOOD)], config=PATIENT) as world:
                outcome = await world.ask(timeout_s=0.15)
                assert outcome.status == "DEADLINE_EXCEEDED"
                await world.served.simulator.journal.settled()
                assert world.served.simulator.journal[0].outcome == "client_left"
                await world.is_well_again()


@scenario("F30", "ended by the server's own limit")
async def no_deadline(tally: Tally) -> None:
    tiers = [{"name": name, "headroom_s": 0} for name in ("efficient", "frontier", "reasoning")]
    config = with_config(PATIENT, {"server": {"max_request_s": 0.3}, "tiers": tiers})
    for _ in tally.times(20):
        with tally.run():
            async with tally.world([{**HANG, "times": 1}, dict(GOOD)], config=config) as world:
                outcome = await world.ask()
                assert (outcome.status, outcome.reason) == (
                    "DEADLINE_EXCEEDED",
                    "DEADLINE_EXCEEDED",
                ), f"{outcome.status} {outcome.reason}"
                await world.is_well_again()


@scenario("F31", "DEADLINE_EXCEEDED; nobody is asked")
async def expired_deadlines(tally: Tally) -> None:
    async with tally.world([dict(GOOD)]) as world:
        for number in tally.times(100):
            with tally.run():
                async with raw_caller(world.served.endpoint) as caller:
                    body = framed(secretive().SerializeToString())
                    given = ("1n", "1u", "0m")[number % 3]
                    reply = await caller.call(GENERATE, body, [("grpc-timeout", given)])
                    await caller.read_until_end(reply)
                    assert reply.status == 4
                    assert world.posts == 0
        await world.is_well_again()


@scenario("F32", "up to the limit OK, beyond it RESOURCE_EXHAUSTED; nobody is asked beyond it")
async def limits(tally: Tally) -> None:
    limit = 65_536
    config = with_config({"server": {"max_message_bytes": limit}})
    async with tally.world([dict(GOOD)], config=config, limit_s=60) as world:
        for _ in tally.times(20):
            for over in (-1, 0, 1, 100_000):
                with tally.run(f"a message of {over} bytes over the limit"):
                    before = world.posts
                    outcome = await world.ask(_sized(limit + over))
                    assert outcome.status == ("RESOURCE_EXHAUSTED" if over > 0 else "OK")
                    assert world.posts == before + (over <= 0)
            for size, wanted in ((6_000, "OK"), (20_000, "RESOURCE_EXHAUSTED")):
                with tally.run(f"{size} bytes of metadata"):
                    metadata = (("x-long", "v" * size),)
                    call = world.served.stub.Generate(secretive(), metadata=metadata)
                    assert (await outcome_of(call)).status == wanted
        await world.is_well_again()


def _sized(size: int) -> Any:
    request = a_request("x" * (size - 200), labels={"pad": ""})
    while request.ByteSize() < size:
        request.messages[0].content[0].text.text += "x" * (size - request.ByteSize())
    assert request.ByteSize() == size
    return request


@scenario("F34", "served by the default tier, or INVALID_ARGUMENT where there is none")
async def unknown_task_types(tally: Tally) -> None:
    async with tally.world([dict(GOOD)], limit_s=60) as world:
        for number in tally.times(100):
            with tally.run():
                outcome = await world.ask(task_type=f"nobody_named_this_{number}")
                assert (outcome.status, text_of(outcome)) == ("OK", GOOD["answer"])
            with tally.run("an unknown tier"):
                routing = routing_pb2.RoutingOptions(tier=f"tier-{number}")
                outcome = await world.ask(routing=routing)
                assert (outcome.status, outcome.reason) == ("INVALID_ARGUMENT", "UNKNOWN_TIER")
        await world.is_well_again()
    async with tally.world([dict(GOOD)], config=REFUSING, limit_s=60) as world:
        for number in tally.times(100):
            before = world.posts
            with tally.run("a table without a default"):
                outcome = await world.ask(task_type=f"nobody_named_this_{number}")
                assert (outcome.status, outcome.reason) == ("INVALID_ARGUMENT", "UNKNOWN_TASK_TYPE")
                (wrong,) = outcome.all_of("BadRequest")
                assert [each.field for each in wrong.field_violations] == ["task_type"]
                assert world.posts == before
        await world.is_well_again()


@scenario("F35", "UNIMPLEMENTED with details; nobody is asked")
async def unknown_methods(tally: Tally) -> None:
    methods = [
        *(f"/{SERVICE}/{name}" for name in ("Nothing", "route", "Route/", "Route?x=1", "%52oute")),
        f"//{SERVICE}/Route",
        "/tierwise.v1.Other/Route",
        "/",
        f"{SERVICE}/Route",
    ]
    async with tally.world([dict(GOOD)], limit_s=60) as world:
        for method in methods:
            for _ in tally.times(10):
                with tally.run(method):
                    async with raw_caller(world.served.endpoint) as caller:
                        reply = await caller.call(method, framed(b""))
                        await caller.read_until_end(reply)
                        assert reply.status == grpc.StatusCode.UNIMPLEMENTED.value[0]
                        status = status_pb2.Status.FromString(reply.packed_status)
                        assert status.code == reply.status
                        info = error_details_pb2.ErrorInfo()
                        assert [part.Unpack(info) for part in status.details] == [True]
                        assert (info.domain, info.reason) == ("tierwise", "UNIMPLEMENTED")
        assert world.posts == 0
        await world.is_well_again()
