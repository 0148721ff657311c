"""A server and its ledger: what fails there is told to callers and balancers, and mends by itself."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.serving import Served, a_request, configured, outcome_of, serving
from tierwise.v1 import accounting_pb2, routing_pb2
from tierwise_server.ledger.entries import OK, RowState
from tierwise_server.ledger.faulty import FaultyLedger, LedgerFault
from tierwise_server.ledger.memory import MemoryLedger
from tierwise_server.ledger.spend import SpendQuery, Use

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
CLIMB = routing_pb2.RoutingOptions(escalation=True)


def a_faulty_ledger() -> FaultyLedger:
    return FaultyLedger(MemoryLedger(), rate=0.0, kinds=[LedgerFault.REFUSED])


async def states(served: Served, count: int) -> list[int]:
    """The next states of the server's health that differ."""
    stub: Any = health_pb2_grpc.HealthStub(served.channel)  # type: ignore[no-untyped-call, unused-ignore] # generated
    watch = stub.Watch(health_pb2.HealthCheckRequest(service=""))
    async with asyncio.timeout(10):
        found = [(await watch.read()).status for _ in range(count)]
    watch.cancel()
    return found


async def test_while_nothing_can_be_recorded_nothing_is_spent_and_the_server_is_not_ready() -> None:
    ledger = a_faulty_ledger()
    async with serving(ledger=ledger) as served:
        ledger.rate = 1.0
        outcome = await outcome_of(served.stub.Generate(a_request()))
        assert (outcome.status, outcome.reason) == ("UNAVAILABLE", "LEDGER_UNAVAILABLE")
        (wait,) = outcome.all_of("RetryInfo")
        assert wait.retry_delay.ToTimedelta() == timedelta(seconds=1)
        assert outcome.trailers["grpc-retry-pushback-ms"] == "1000"
        assert outcome.messages == []
        assert len(served.simulator.journal) == 0
        assert await states(served, 2) == [SERVING, NOT_SERVING]
        ledger.rate = 0.0
        assert await states(served, 2) == [NOT_SERVING, SERVING]
        assert (await outcome_of(served.stub.Generate(a_request()))).status == "OK"


async def test_a_ledger_that_goes_away_in_a_climb_keeps_the_draft() -> None:
    ledger = a_faulty_ledger()
    async with serving({"rules": [{"first_token_delay_s": 0.2}]}, ledger=ledger) as served:
        call = served.stub.Generate(a_request(routing=CLIMB))
        messages = []
        async for message in call:
            messages.append(message)
            ledger.rate = 1.0
        ledger.rate = 0.0
    summary = messages[-1].finished.summary
    assert "".join(message.text_delta.text for message in messages)
    assert summary.acceptance == accounting_pb2.ACCEPTANCE_ACCEPTED_LOW
    assert len(summary.calls) == 1


async def test_a_server_may_be_told_to_go_on_without_its_ledger() -> None:
    ledger = a_faulty_ledger()
    config = configured({"ledger": {"on_unavailable": "allow"}})
    async with serving(ledger=ledger, config=config) as served:
        ledger.rate = 1.0
        assert (await outcome_of(served.stub.Generate(a_request()))).status == "OK"
        assert await states(served, 1) == [SERVING]
        assert len(served.simulator.journal) == 1


async def test_every_row_of_a_climb_is_there_and_their_sum_is_the_bill() -> None:
    ledger = MemoryLedger()
    async with serving(ledger=ledger) as served:
        outcome = await outcome_of(served.stub.Generate(a_request(routing=CLIMB, request_id="r-1")))
        calls = len(served.simulator.journal)
    (run,) = await ledger.find("", "r-1")
    assert outcome.summary is not None
    assert run.outcome == OK
    assert len(run.calls) == calls == len(outcome.summary.calls)
    assert {row.state for row in run.calls} == {RowState.SETTLED}
    assert run.cost_nano_usd == outcome.summary.cost.total_nano_usd


async def test_what_an_attempt_cost_that_failed_and_was_replaced_went_into_a_retry() -> None:
    ledger = MemoryLedger()
    cut = {"chunks": ["word "] * 5, "times": 1, "fault": {"kind": "error_event", "at_event": 5}}
    async with serving({"rules": [cut, {}]}, ledger=ledger) as served:
        outcome = await outcome_of(served.stub.Generate(a_request(routing=CLIMB)))
    assert (outcome.status, outcome.summary is not None) == ("OK", True)
    (total,) = await ledger.spend(SpendQuery())
    assert total.uses[Use.RETRIED] > 0
    assert total.uses[Use.FAILED] == 0
    assert sum(total.uses.values()) == total.cost_nano_usd


async def test_a_caller_that_leaves_is_charged_what_was_seen() -> None:
    ledger = MemoryLedger()
    drip = {"chunks": ["word "] * 60, "delta_interval_s": 0.02}
    async with serving({"rules": [drip]}, ledger=ledger) as served:
        request = a_request(task_type="generate_response", request_id="r-1")
        call = served.stub.Generate(request)
        async for message in call:
            if message.HasField("text_delta"):
                break
        call.cancel()
        async with asyncio.timeout(5):
            while not (runs := await ledger.find("", "r-1"))[0].outcome:  # noqa: ASYNC110 - it does not tell
                await asyncio.sleep(0.01)
    assert runs[0].outcome == "CANCELLED"
    (row,) = runs[0].calls
    assert row.state is RowState.ESTIMATED
    assert row.charged_nano_usd


@pytest.mark.parametrize("enabled", [True, False])
async def test_a_ledger_can_be_done_without(*, enabled: bool) -> None:
    config = configured({"ledger": {"enabled": enabled, "url": "memory:"}})
    async with serving(config=config) as served:
        assert (await outcome_of(served.stub.Generate(a_request()))).status == "OK"
        keeping = served.app.keeping
        assert keeping is not None
        assert (keeping.ledger is not None) is enabled
        if keeping.ledger is not None:
            await asyncio.sleep(0.05)
            (row,) = await keeping.ledger.spend(SpendQuery())
            assert row.requests == 1
