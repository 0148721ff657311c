"""Callers that leave, wait or stop reading, and the heartbeats in between."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest

from tests.integration.invariants import in_order
from tests.serving import Served, a_request, configured, outcome_of, serving
from tierwise.v1 import router_pb2, routing_pb2
from tierwise_server.telemetry import FinishedSpan

Rule = dict[str, Any]

SLOW_START: Rule = {"first_token_delay_s": 30.0}
SLOW_DRIP: Rule = {"chunks": ["word "] * 60, "delta_interval_s": 0.02}


async def spans_of(served: Served, count: int) -> list[FinishedSpan]:
    """Wait for so many spans; in the order of their starts. The last end a few turns after the upstream's."""
    async with asyncio.timeout(10):
        while len(served.spans.spans()) < count:  # noqa: ASYNC110 - spans end without telling
            await asyncio.sleep(0.001)
    return in_order(served.spans.spans())


def the_chat(spans: list[FinishedSpan]) -> FinishedSpan:
    [chat] = [span for span in spans if span.name.startswith("chat ")]
    return chat


HANG: Rule = {"fault": {"kind": "hang"}}
QUICK: Rule = {"usage": {"input_tokens": 10, "output_tokens": 2}}
BUSY: Rule = {"fault": {"kind": "status", "status": 529, "retry_after": "30"}}
POINTS: dict[str, tuple[list[Rule], list[str]]] = {
    "before the head": ([HANG], ["draft"]),
    "before the first text": ([SLOW_START], ["draft"]),
    "within the text": ([SLOW_DRIP], ["draft"]),
    "within the check": ([{"kind": "check", **HANG}, QUICK], ["draft", "check"]),
    "after the climb": (
        [{"model": "claude-sonnet-*", **SLOW_DRIP}, {"kind": "check", "confidence": 1}, QUICK],
        ["draft", "check", "direct"],
    ),
}


@pytest.mark.parametrize("point", POINTS)
async def test_a_caller_that_leaves_closes_the_upstream(point: str) -> None:
    rules, asked = POINTS[point]
    routing = routing_pb2.RoutingOptions(escalation=True)
    async with serving({"rules": rules}) as served:
        journal = served.simulator.journal
        call = served.stub.Generate(a_request(task_type="generate_response", routing=routing))
        await call.read()
        await journal.until(lambda journal: len(journal) == len(asked))
        call.cancel()
        async with asyncio.timeout(10):
            await journal.settled()
        assert [e.outcome for e in journal] == ["completed"] * (len(asked) - 1) + ["client_left"]
        spans = await spans_of(served, 2 + len(asked) + asked.count("check"))
    chats = [span for span in spans if span.kind == "CLIENT"]
    assert [span.attributes["tierwise.call.kind"] for span in chats] == asked
    assert chats[-1].attributes["tierwise.call.status"] == "cancelled"
    assert spans[0].attributes["rpc.response.status_code"] == "CANCELLED"
    assert spans[1].attributes["tierwise.outcome"] == "cancelled"


async def test_a_caller_that_leaves_while_a_retry_is_waited_for_is_not_asked_for_again() -> None:
    async with serving({"rules": [BUSY]}) as served:
        call = served.stub.Generate(a_request())
        await call.read()
        await served.simulator.journal.until(lambda journal: len(journal) == 1)
        await served.simulator.journal.settled()
        # What was sent is also read.
        await asyncio.sleep(0.1)
        call.cancel()
        server, route, chat = await spans_of(served, 3)
        assert len(served.simulator.journal) == 1
    assert server.attributes["rpc.response.status_code"] == "CANCELLED"
    assert "tierwise.cost.nano_usd" not in chat.attributes
    assert route.attributes["tierwise.total_cost.nano_usd"] == 0


async def test_what_was_spent_until_then_is_on_the_span() -> None:
    async with serving({"rules": [SLOW_DRIP]}) as served:
        call = served.stub.Generate(a_request())
        async for event in call:
            if event.HasField("text_delta"):
                break
        call.cancel()
        await served.simulator.journal.settled()
        chat = the_chat(await spans_of(served, 3))
        assert chat.attributes["gen_ai.usage.input_tokens"]
        assert chat.attributes["gen_ai.usage.output_tokens"]
        assert chat.attributes["error.type"] == "CANCELLED"


async def test_heartbeats_come_while_a_draft_is_held() -> None:
    config = configured({"server": {"heartbeat_s": 0.05}})
    routing = routing_pb2.RoutingOptions(escalation=True)
    async with serving({"rules": [{"first_token_delay_s": 0.5}]}, config) as served:
        outcome = await outcome_of(served.stub.Generate(a_request(routing=routing)))
        assert outcome.status == "OK"
        kinds = [message.WhichOneof("event") for message in outcome.messages]
        assert kinds.count("heartbeat") >= 3
        assert kinds[0] == "started"
        assert kinds[-1] == "finished"
        assert [message.sequence for message in outcome.messages] == list(range(len(kinds)))


async def test_the_deadline_ends_the_upstream_call() -> None:
    async with serving({"rules": [SLOW_START]}) as served:
        outcome = await outcome_of(served.stub.Generate(a_request(), timeout=0.3))
        assert outcome.status == "DEADLINE_EXCEEDED"
        await served.simulator.journal.settled()
        assert [entry.outcome for entry in served.simulator.journal] == ["client_left"]


async def test_a_deadline_is_no_cancellation_in_what_the_server_tells_of_itself() -> None:
    async with serving({"rules": [SLOW_DRIP]}) as served:
        outcome = await outcome_of(served.stub.Generate(a_request(), timeout=0.3))
        assert outcome.status == "DEADLINE_EXCEEDED"
        await served.simulator.journal.settled()
        server, route, chat = await spans_of(served, 3)
    assert server.attributes["rpc.response.status_code"] == "DEADLINE_EXCEEDED"
    assert server.attributes["tierwise.reason"] == "DEADLINE_EXCEEDED"
    assert route.attributes["error.type"] == "DEADLINE_EXCEEDED"
    assert route.attributes["tierwise.outcome"] == "failed"
    assert chat.attributes["tierwise.call.status"] == "cancelled"


async def test_the_servers_own_limit_ends_a_request_with_its_bill() -> None:
    tiers = [{"name": name, "headroom_s": 0} for name in ("efficient", "frontier", "reasoning")]
    config = configured({"server": {"max_request_s": 0.3}, "tiers": tiers})
    async with serving({"rules": [SLOW_DRIP]}, config) as served:
        outcome = await outcome_of(served.stub.Generate(a_request()))
        assert (outcome.status, outcome.reason) == ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED")
        assert outcome.summary is not None
        assert outcome.summary.cost.total_nano_usd > 0


async def test_a_second_call_is_not_disturbed_by_the_first_ones_end() -> None:
    async with serving({"rules": [SLOW_DRIP]}) as served:
        leaving = served.stub.Generate(a_request())
        staying = served.stub.Generate(a_request())
        await leaving.read()
        leaving.cancel()
        outcome = await outcome_of(staying)
        assert outcome.status == "OK"
        assert sum(message.HasField("text_delta") for message in outcome.messages) > 1


async def test_a_retry_by_grpc_happens_before_the_first_event_only() -> None:
    policy = (
        '{"methodConfig":[{"name":[{"service":"tierwise.v1.RouterService"}],"retryPolicy":{'
        '"maxAttempts":3,"initialBackoff":"0.01s","maxBackoff":"0.02s","backoffMultiplier":1,'
        '"retryableStatusCodes":["UNAVAILABLE"]}}]}'
    )
    rules = {"rules": [{"fault": {"kind": "status", "status": 529}}]}
    config = configured(
        {"upstream": {"retry": {"max_tries": 1}}, "routing": {"default": "frontier"}}
    )
    async with serving(rules, config) as served:
        options = (("grpc.service_config", policy),)
        async with grpc.aio.insecure_channel(served.endpoint, options) as channel:
            call = channel.unary_stream(
                "/tierwise.v1.RouterService/Generate",
                request_serializer=router_pb2.GenerateRequest.SerializeToString,
                response_deserializer=router_pb2.GenerateResponse.FromString,
            )
            routing = routing_pb2.RoutingOptions(tier="efficient")
            outcome = await outcome_of(call(a_request(routing=routing)))
        assert outcome.status == "UNAVAILABLE"
        assert outcome.kinds[0] == "started"
        assert len(served.simulator.journal) == 1
