"""A request with an id of the caller's own runs once, however often it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.serving import Served, a_request, configured, outcome_of, serving
from tierwise.v1 import router_pb2, routing_pb2

SLOW: Mapping[str, Any] = {"rules": [{"chunks": ["word "] * 20, "delta_interval_s": 0.05}]}


def named(text: str = "Where is my parcel?", **fields: Any) -> router_pb2.GenerateRequest:
    return a_request(text, request_id="r-1", **fields)


def unnumbered(messages: list[router_pb2.GenerateResponse]) -> list[router_pb2.GenerateResponse]:
    """The messages without what a replay does not repeat."""
    return [message for message in messages if not message.HasField("heartbeat")]


@pytest.fixture(params=["memory", "sqlite"])
def config(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    ledger = {"url": "memory:"} if request.param == "memory" else {"directory": str(tmp_path)}
    return configured({"ledger": ledger})


@pytest.mark.parametrize("delivery", ["HELD", "LIVE"])
async def test_a_finished_request_replays_its_answer(delivery: str, config: Any) -> None:
    request = named(
        routing=routing_pb2.RoutingOptions(escalation=True),
        draft_delivery=f"DRAFT_DELIVERY_{delivery}",
    )
    async with serving(config=config) as served:
        first = await outcome_of(served.stub.Generate(request))
        asked = len(served.simulator.journal)
        again = await outcome_of(served.stub.Generate(request))
        assert len(served.simulator.journal) == asked
    assert first.status == again.status == "OK"
    assert again.messages == unnumbered(first.messages)
    assert "x-tierwise-replayed" not in first.trailers
    assert again.trailers["x-tierwise-replayed"] == "true"


async def test_an_id_cannot_stand_for_two_requests(config: Any) -> None:
    async with serving(config=config) as served:
        await outcome_of(served.stub.Generate(named()))
        outcome = await outcome_of(served.stub.Generate(named("Something else")))
    assert (outcome.status, outcome.reason) == ("INVALID_ARGUMENT", "REQUEST_ID_REUSED")
    (violations,) = outcome.all_of("BadRequest")
    assert violations.field_violations[0].field == "request_id"


async def many(served: Served, count: int) -> list[tuple[str, str]]:
    async with asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(outcome_of(served.stub.Generate(named()))) for _ in range(count)
        ]
    return [(each.result().status, each.result().reason) for each in running]


async def test_of_64_at_once_one_asks_the_upstream(config: Any) -> None:
    async with serving(SLOW, config=config) as served:
        outcomes = await many(served, 64)
        assert len(served.simulator.journal) == 1
    assert outcomes.count(("OK", "")) == 1
    assert outcomes.count(("ABORTED", "REQUEST_IN_FLIGHT")) == 63


async def test_who_is_told_to_wait_is_told_how_long(config: Any) -> None:
    async with serving(SLOW, config=config) as served:
        running = served.stub.Generate(named())
        await running.read()
        outcome = await outcome_of(served.stub.Generate(named()))
        running.cancel()
    assert outcome.reason == "REQUEST_IN_FLIGHT"
    (info,) = outcome.all_of("RetryInfo")
    assert info.retry_delay.ToMilliseconds() == 1000
    # gRPC does not ask again by itself: whether to wait is for the program.
    assert "grpc-retry-pushback-ms" not in outcome.trailers


async def test_a_failed_request_runs_again(config: Any) -> None:
    script = {"rules": [{"fault": {"kind": "status", "status": 400}, "times": 1}, {}]}
    async with serving(script, config=config) as served:
        first = await outcome_of(served.stub.Generate(named()))
        again = await outcome_of(served.stub.Generate(named()))
    assert first.status != "OK"
    assert again.status == "OK"
    assert "x-tierwise-replayed" not in again.trailers


async def test_a_request_whose_caller_left_runs_again(config: Any) -> None:
    async with serving(SLOW, config=config) as served:
        call = served.stub.Generate(named())
        await call.read()
        call.cancel()
        async with asyncio.timeout(10):
            # The id is free a moment after the caller left.
            while (await outcome_of(served.stub.Generate(named()))).status != "OK":  # noqa: ASYNC110 - it does not tell
                await asyncio.sleep(0.02)


async def test_a_request_without_an_id_of_the_callers_own_always_runs(config: Any) -> None:
    async with serving(config=config) as served:
        for _ in range(2):
            assert (await outcome_of(served.stub.Generate(a_request()))).status == "OK"
        assert len(served.simulator.journal) == 2


async def test_an_answer_outlives_its_server(tmp_path: Path) -> None:
    config = configured({"ledger": {"directory": str(tmp_path)}})
    async with serving(config=config) as served:
        first = await outcome_of(served.stub.Generate(named()))
    async with serving(config=config) as served:
        again = await outcome_of(served.stub.Generate(named()))
        assert len(served.simulator.journal) == 0
    assert again.messages == unnumbered(first.messages)


async def test_nothing_is_remembered_where_that_is_off(tmp_path: Path) -> None:
    values = {"ledger": {"directory": str(tmp_path)}, "idempotency": {"keep_hours": 0}}
    async with serving(config=configured(values)) as served:
        for _ in range(2):
            assert (await outcome_of(served.stub.Generate(named()))).status == "OK"
        assert len(served.simulator.journal) == 2
