"""The end of a server: what runs may finish, what is late is told so, and nothing is left open."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
from grpc_health.v1 import health_pb2

from tests.messages import plain
from tests.raw_grpc import framed, raw_caller
from tests.serving import Outcome, Served, a_request, configured, outcome_of, serving
from tierwise.v1 import router_pb2_grpc
from tierwise_server.ledger.memory import MemoryLedger
from tierwise_server.ledger.spend import SpendQuery, Use
from tierwise_server.rpc.entry import Entry
from tierwise_server.rpc.guard import Guard
from tierwise_server.rpc.service import SERVICE, RouterService

DRIP: dict[str, Any] = {"chunks": ["word "] * 20, "delta_interval_s": 0.02}
HANG: dict[str, Any] = {"first_token_delay_s": 60.0}


def closing(grace_s: float) -> Any:
    return configured({"server": {"drain_delay_s": 0.0, "drain_grace_s": grace_s}})


async def begun(served: Served) -> Any:
    """Start a call and wait until its upstream was asked."""
    call = served.stub.Generate(a_request())
    await served.simulator.journal.until(lambda journal: len(journal) > 0)
    return call


async def test_a_call_that_runs_may_finish_and_no_other_begins() -> None:
    async with serving({"rules": [DRIP]}, closing(30.0)) as served:
        call = await begun(served)
        async with asyncio.TaskGroup() as tasks:
            draining = tasks.create_task(served.app.listener.drain())
            outcome = await outcome_of(call)
            assert outcome.status == "OK"
            await draining
        late = await outcome_of(served.stub.Generate(a_request(), timeout=5))
        assert late.status == "UNAVAILABLE"
        assert not late.messages
        assert len(served.simulator.journal) == 1


def check_parting(outcome: Outcome) -> None:
    """The caller was told why, when to come back, and what was spent; and it was told to nobody else."""
    assert (outcome.status, outcome.reason) == ("UNAVAILABLE", "SHUTTING_DOWN")
    [retry] = outcome.all_of("RetryInfo")
    assert retry.retry_delay.ToTimedelta().total_seconds() > 0
    assert outcome.summary is not None
    assert outcome.kinds[0] == "started"


async def cut_in_the_middle(served: Served) -> Outcome:
    """Drain once a stream that is longer than the grace has begun to be read."""
    call = served.stub.Generate(a_request(request_id="late"))
    events = aiter(call)
    read = [await anext(events)]
    while not read[-1].HasField("text_delta"):
        read.append(await anext(events))
    async with asyncio.TaskGroup() as tasks:
        draining = tasks.create_task(served.app.listener.drain())
        outcome = await outcome_of(call)
        await draining
    outcome.messages[:0] = read
    return outcome


async def test_a_stream_that_outlives_the_grace_is_told_why_and_what_it_cost() -> None:
    drip, ledger = {**DRIP, "chunks": ["word "] * 500}, MemoryLedger()
    async with serving({"rules": [drip]}, closing(0.2), ledger=ledger) as served:
        outcome = await cut_in_the_middle(served)
        check_parting(outcome)
    assert outcome.summary is not None
    [billed] = plain(outcome.summary)["calls"]
    cost = billed["cost"]["total_nano_usd"]
    assert int(cost) > 0
    [run] = await ledger.find("", "late")
    assert (run.outcome, run.cost_nano_usd) == ("SHUTTING_DOWN", int(cost))
    # It was not the caller who gave the answer up.
    (spend,) = await ledger.spend(SpendQuery())
    assert (spend.uses[Use.FAILED], spend.uses[Use.CANCELLED]) == (int(cost), 0)


async def test_a_call_that_outlives_the_grace_is_ended_with_its_upstream() -> None:
    async with serving({"rules": [HANG]}, closing(0.1)) as served:
        call = await begun(served)
        await served.app.listener.drain()
        check_parting(await outcome_of(call))
        await served.simulator.journal.settled()
        assert [entry.outcome for entry in served.simulator.journal] == ["client_left"]
        names = [span.name.partition(" ")[0] for span in served.spans.spans()]
        assert names == ["chat", "route", "tierwise.v1.RouterService/Generate"]


async def test_a_watch_of_health_does_not_hold_the_end_back() -> None:
    async with (
        serving({"rules": [DRIP]}, closing(30.0)) as served,
        raw_caller(served.endpoint) as caller,
    ):
        request = health_pb2.HealthCheckRequest(service=SERVICE).SerializeToString()
        # It goes on watching whatever it is told, as a balancer's probe may.
        await caller.call("/grpc.health.v1.Health/Watch", framed(request))
        call = await begun(served)
        async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
            tasks.create_task(served.app.listener.drain())
            assert (await outcome_of(call)).status == "OK"


async def test_a_drain_may_be_cut_short() -> None:
    async with serving({"rules": [HANG]}, closing(60.0)) as served:
        call = await begun(served)
        async with asyncio.TaskGroup() as tasks:
            draining = tasks.create_task(served.app.listener.drain())
            await asyncio.sleep(0.05)
            draining.cancel()
            await served.app.listener.stop_now()
        check_parting(await outcome_of(call))
        await served.simulator.journal.settled()


async def test_a_call_that_slips_in_is_told_when_to_come_back_and_costs_nothing() -> None:
    async with serving() as served:
        guard = Guard(served.app.telemetry, Entry())
        guard.draining = True
        server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
        server.add_generic_rpc_handlers((RouterService(served.app.engine).handler(guard),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                stub = router_pb2_grpc.RouterServiceStub(channel)
                outcome = await outcome_of(stub.Generate(a_request()))
        finally:
            await server.stop(None)
        assert (outcome.status, outcome.reason) == ("UNAVAILABLE", "SHUTTING_DOWN")
        [retry] = outcome.all_of("RetryInfo")
        assert retry.retry_delay.ToTimedelta().total_seconds() > 0
        assert int(outcome.trailers["grpc-retry-pushback-ms"]) == retry.retry_delay.ToMilliseconds()
        assert not outcome.messages
        assert len(served.simulator.journal) == 0
