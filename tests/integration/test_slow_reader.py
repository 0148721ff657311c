"""A caller that stops reading: it holds nothing up but itself, and is told when it reads again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from google.rpc import error_details_pb2

from tests.integration.invariants import in_order
from tests.raw_grpc import framed, raw_caller
from tests.serving import Served, a_request, configured, outcome_of, serving, unpacked
from tierwise.v1 import accounting_pb2, router_pb2_grpc, routing_pb2
from tierwise_server.rpc.admission import Admission
from tierwise_server.rpc.listener import Listener
from tierwise_server.rpc.service import SERVICE, RouterService

GENERATE = f"/{SERVICE}/Generate"
RESOURCE_EXHAUSTED = 8
NO_HEADROOM = [{"name": name, "headroom_s": 0} for name in ("efficient", "frontier", "reasoning")]
LONG: dict[str, Any] = {"words": 20_000, "deltas": 2_000, "stop_reason": "end_turn"}


@asynccontextmanager
async def impatient(served: Served, admission: Admission | None = None) -> AsyncIterator[str]:
    """A second port of the same server, which waits less than a second for a reader."""
    app = served.app
    service = RouterService(
        app.engine,
        heartbeat_s=60.0,
        stall_s=0.3,
        admission=admission or Admission(),
        answers=app.service.answers,
    )
    listener = Listener(service, app.config.server, app.telemetry)
    try:
        yield f"127.0.0.1:{await listener.start()}"
    finally:
        await listener.stop_now()


async def stalled(served: Served) -> None:
    """Wait until the server has given a caller up."""
    async with asyncio.timeout(10):
        while not [span for span in served.spans.spans() if span.kind == "SERVER"]:  # noqa: ASYNC110 - spans end without telling
            await asyncio.sleep(0.005)


async def test_a_reader_that_stopped_is_given_up_and_told_its_bill() -> None:
    async with serving({"rules": [LONG]}) as served, impatient(served) as endpoint:
        async with raw_caller(endpoint, window=4_000) as caller:
            reply = await caller.call(GENERATE, framed(a_request().SerializeToString()))
            await stalled(served)
            await served.simulator.journal.settled()
            caller.open_window(1_000_000)
            await caller.flush()
            await caller.read_until_end(reply)
        assert reply.status == RESOURCE_EXHAUSTED
        details = unpacked(reply.packed_status)
        assert reason_of(details) == "CLIENT_TOO_SLOW"
        [summary] = [d for d in details if isinstance(d, accounting_pb2.GenerationSummary)]
        assert summary.cost.total_nano_usd > 0
        server, route, chat = in_order(served.spans.spans())
    assert server.attributes["tierwise.reason"] == "CLIENT_TOO_SLOW"
    assert route.attributes["error.type"] == "CLIENT_TOO_SLOW"
    assert chat.attributes["tierwise.call.status"] == "cancelled"


def reason_of(details: list[Any]) -> str:
    """The reason among a status's details."""
    [info] = [detail for detail in details if isinstance(detail, error_details_pb2.ErrorInfo)]
    return str(info.reason)


async def test_a_reader_of_an_answer_that_was_given_before_is_given_up_as_soon() -> None:
    admission, request = Admission(2), a_request(request_id="once")
    async with serving({"rules": [LONG]}) as served, impatient(served, admission) as endpoint:
        assert (await outcome_of(served.stub.Generate(request))).status == "OK"
        async with raw_caller(endpoint, window=4_000) as caller:
            body = framed(request.SerializeToString())
            replies = [await caller.call(GENERATE, body) for _ in range(2)]
            async with asyncio.timeout(10), grpc.aio.insecure_channel(endpoint) as channel:
                stub = router_pb2_grpc.RouterServiceStub(channel)
                while admission.running < 2:  # noqa: ASYNC110 - places change without telling
                    await asyncio.sleep(0.005)
                # Both places are free again without anything being read.
                while (other := await outcome_of(stub.Generate(a_request()))).status != "OK":
                    assert other.reason == "OVERLOADED"
                    await asyncio.sleep(0.05)
            caller.open_window(1_000_000)
            for reply in replies:
                await caller.read_until_end(reply)
        for reply in replies:
            assert reply.status == RESOURCE_EXHAUSTED
            assert reason_of(unpacked(reply.packed_status)) == "CLIENT_TOO_SLOW"
        assert len(served.simulator.journal) == 2


async def test_an_answer_that_was_given_before_is_read_within_the_longest_request() -> None:
    config = configured({"server": {"max_request_s": 1.0}, "tiers": NO_HEADROOM})
    request = a_request(request_id="once")
    async with (
        serving({"rules": [LONG]}, config) as served,
        raw_caller(served.endpoint, window=4_000) as caller,
    ):
        assert (await outcome_of(served.stub.Generate(request))).status == "OK"
        reply = await caller.call(GENERATE, framed(request.SerializeToString()))
        async with asyncio.timeout(10):
            while served.app.service.admission.running == 0:  # noqa: ASYNC110 - places change without telling
                await asyncio.sleep(0.01)
            # It reads on, so that no write stands still, and far too slowly.
            while served.app.service.admission.running:
                caller.open_window(1_000)
                await caller.flush()
                await asyncio.sleep(0.05)
        caller.open_window(1_000_000)
        await caller.flush()
        await caller.read_until_end(reply)
        assert reason_of(unpacked(reply.packed_status)) == "DEADLINE_EXCEEDED"


async def test_others_are_served_meanwhile() -> None:
    async with (
        serving({"rules": [LONG]}) as served,
        raw_caller(served.endpoint, window=4_000) as caller,
    ):
        await caller.call(GENERATE, framed(a_request().SerializeToString()))
        await served.simulator.journal.until(lambda journal: len(journal) == 1)
        outcome = await outcome_of(served.stub.Generate(a_request()))
        assert outcome.status == "OK"


async def test_a_reader_that_is_merely_slow_gets_its_answer() -> None:
    async with serving({"rules": [LONG]}) as served, impatient(served) as endpoint:
        routing = routing_pb2.RoutingOptions(tier="efficient")
        async with raw_caller(endpoint, window=20_000) as caller:
            body = framed(a_request(routing=routing).SerializeToString())
            reply = await caller.call(GENERATE, body)
            async with asyncio.TaskGroup() as tasks:
                reading = tasks.create_task(caller.read_until_end(reply))
                while not reading.done():
                    await asyncio.sleep(0.05)
                    caller.open_window(20_000)
                    await caller.flush()
        assert reply.status == 0
