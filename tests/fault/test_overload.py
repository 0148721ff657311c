"""More is asked than can be served: what there is room for is served, and the rest is told so and costs nothing."""

from __future__ import annotations

import asyncio
from typing import Any

from google.rpc import error_details_pb2

from tests.fault.worlds import GOOD, SOON_S
from tests.integration.invariants import check_bill, check_stream
from tests.serving import Outcome, Served, a_request, configured, outcome_of, serving
from tierwise.v1 import routing_pb2

SLOW = {**GOOD, "first_token_delay_s": 0.1}


async def offered(served: Served, count: int, every_s: float) -> list[Outcome]:
    """Make calls at a rate of their own, whatever becomes of them: an open loop."""
    outcomes: list[Outcome] = []

    async def call() -> None:
        outcomes.append(await outcome_of(served.stub.Generate(a_request())))

    async with asyncio.timeout(SOON_S), asyncio.TaskGroup() as tasks:
        for _ in range(count):
            tasks.create_task(call())
            await asyncio.sleep(every_s)
    return outcomes


def check_refusal(outcome: Outcome) -> None:
    """Check that a caller is told why, and when to come back, in its own words and in gRPC's."""
    assert (outcome.status, outcome.reason) == ("UNAVAILABLE", "OVERLOADED")
    [info] = outcome.all_of("RetryInfo")
    assert isinstance(info, error_details_pb2.RetryInfo)
    wait_ms = info.retry_delay.seconds * 1000 + info.retry_delay.nanos / 1e6
    assert wait_ms > 0
    assert abs(int(outcome.trailers["grpc-retry-pushback-ms"]) - wait_ms) <= 1


async def test_three_times_too_many_calls_are_served_as_far_as_there_is_room() -> None:
    places = 10
    config: dict[str, Any] = {"server": {"max_concurrent_requests": places}}
    async with serving({"rules": [SLOW]}, configured(config)) as served:
        # A place serves ten calls in a second, so 100 in all; 300 come.
        outcomes = await offered(served, 300, 1 / 300)
        journal = served.simulator.journal
        await journal.settled()
        served_well = [outcome for outcome in outcomes if outcome.status == "OK"]
        assert places <= len(served_well) < 300
        for outcome in outcomes:
            check_stream(outcome)
            check_bill(outcome)
            if outcome.status != "OK":
                check_refusal(outcome)
                assert outcome.messages == []
        # Who was turned away cost nothing.
        assert len(journal) == len(served_well)
        assert at_once(served) <= places
        assert [outcome.status for outcome in await offered(served, 1, 0.0)] == ["OK"]


def at_once(served: Served) -> int:
    """The most calls that the upstream served at one time."""
    spans = [(entry.started_s, entry.ended_s or 0.0) for entry in served.simulator.journal]
    return max(sum(begin <= at < end for begin, end in spans) for at, _ in spans)


async def test_a_full_provider_makes_some_wait_and_turns_the_rest_away() -> None:
    config: dict[str, Any] = {"upstream": {"max_connections": 2, "max_queue": 3}}
    async with serving({"rules": [SLOW]}, configured(config)) as served:
        outcomes = await offered(served, 10, 0.0)
        statuses = sorted(outcome.status for outcome in outcomes)
        assert statuses == ["OK"] * 5 + ["UNAVAILABLE"] * 5
        for outcome in outcomes:
            check_stream(outcome)
            check_bill(outcome)
            if outcome.status != "OK":
                check_refusal(outcome)
                check_never_asked(outcome)
        assert len(served.simulator.journal) == 5
        assert at_once(served) <= 2


def check_never_asked(outcome: Outcome) -> None:
    """Check that a call without a place was not asked, not billed, and not handed on to the next tier's queue."""
    assert outcome.summary is not None
    [call] = outcome.summary.calls
    assert call.tries == 0
    assert not call.HasField("usage")
    assert outcome.summary.cost.total_nano_usd == 0


async def test_callers_that_leave_the_queue_make_room_in_it() -> None:
    config: dict[str, Any] = {"upstream": {"max_connections": 1, "max_queue": 2}}
    rules = [{"times": 1, "fault": {"kind": "hang"}}, GOOD]
    routing = routing_pb2.RoutingOptions(tier="efficient")
    async with asyncio.timeout(SOON_S), serving({"rules": rules}, configured(config)) as served:
        for _ in range(20):
            waiting = [served.stub.Generate(a_request(routing=routing)) for _ in range(3)]
            for call in waiting:
                # `started` and `attempt_started`: it holds the place, or waits for it.
                await call.read()
                await call.read()
            for call in waiting:
                call.cancel()
            await served.simulator.journal.settled()
        assert (await outcome_of(served.stub.Generate(a_request()))).status == "OK"
