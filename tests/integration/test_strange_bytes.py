"""What no well-behaved caller sends: broken messages, strange metadata, half of a call. The server lives on."""

from __future__ import annotations

import random
import re
from typing import Any

import grpc
import pytest

from tests.raw_grpc import Header, framed, raw_caller
from tests.serving import Served, a_request, failure_of, outcome_of, serving, unpacked
from tests.spoiling import spoiled
from tierwise.v1 import message_pb2, router_pb2
from tierwise_server.rpc.service import SERVICE

ROUTE, GENERATE = f"/{SERVICE}/Route", f"/{SERVICE}/Generate"
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
OK, INVALID_ARGUMENT, DEADLINE_EXCEEDED = 0, 3, 4


async def check_alive(served: Served) -> None:
    """An ordinary call is answered."""
    assert (await outcome_of(served.stub.Generate(a_request()))).status == "OK"


def a_full_request() -> router_pb2.RouteRequest:
    generate = a_request("Where is my parcel? 日本", task_type="answer_faq")
    request = router_pb2.RouteRequest(
        task_type=generate.task_type, system="Be brief.", messages=generate.messages
    )
    request.routing.max_tier = "frontier"
    request.routing.confidence_threshold = 0.7
    request.generation.stop_sequences.append("END")
    return request


async def test_a_broken_message_is_answered_or_refused_and_never_unknown() -> None:
    whole = a_full_request().SerializeToString()
    async with serving() as served:
        route: Any = served.channel.unary_unary(ROUTE)
        seen = set()
        chance = random.Random(1)
        for payload in (spoiled(whole, chance) for _ in range(1500)):
            try:
                await route(payload, timeout=10)
                seen.add("OK")
            except grpc.aio.AioRpcError as error:
                outcome = failure_of(error)
                assert outcome.status == "INVALID_ARGUMENT", payload
                assert outcome.reason, payload
                seen.add(outcome.reason)
        assert seen >= {"OK", "INVALID_REQUEST", "UNKNOWN_TIER"}
        await check_alive(served)


async def test_groups_nested_without_end_are_refused() -> None:
    async with serving() as served:
        route: Any = served.channel.unary_unary(ROUTE)
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await route(b"\xfb\x3f" * 10_000, timeout=10)
        assert failure_of(error.value).reason == "INVALID_REQUEST"


async def test_words_of_enumerations_that_are_newer_than_the_server_are_refused_by_name() -> None:
    request = a_request()
    request.messages.append(message_pb2.Message.FromString(b"\x08\x63\x12\x05\x0a\x03\x0a\x01x"))
    payload = request.SerializeToString() + b"\x38\x63"
    async with serving() as served:
        call: Any = served.channel.unary_stream(GENERATE)
        outcome = await outcome_of(call(payload, timeout=10))
    assert (outcome.status, outcome.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    [bad] = outcome.all_of("BadRequest")
    assert [v.field for v in bad.field_violations] == ["messages[1].role", "draft_delivery"]


async def test_a_block_of_an_unknown_kind_is_refused_and_not_dropped() -> None:
    request = a_request()
    request.messages[0].content.append(message_pb2.ContentBlock.FromString(b"\x12\x03abc"))
    async with serving() as served:
        outcome = await outcome_of(served.stub.Generate(request))
        [bad] = outcome.all_of("BadRequest")
        assert [v.field for v in bad.field_violations] == ["messages[0].content[1]"]
        assert len(served.simulator.journal) == 0


STRANGE: list[list[Header]] = [
    [("x-line", "a\nb"), ("x-escape", "\x1b[31mred")],
    [("traceparent", "00-\n-\x1b[31m-01"), ("tracestate", "a=\x07")],
    [("traceparent", "00-" + "0" * 32 + "-" + "0" * 16 + "-01")],
    [("traceparent", "00-" + "a" * 32 + "-" + "b" * 16 + "-01")] * 2,
    [("tracestate", "k=" + "v" * 4000), ("baggage", "=,=;;\x00")],
    [("authorization", "Bearer one"), ("authorization", "Bearer two")],
    [("x-many", "value")] * 60,
]


@pytest.mark.parametrize("headers", STRANGE, ids=range(len(STRANGE)))
async def test_strange_metadata_changes_nothing_and_is_told_on_no_span(
    headers: list[Header],
) -> None:
    async with serving() as served, raw_caller(served.endpoint) as caller:
        request = a_request(task_type="a\nb\x1b[31m", request_id="r-1")
        body = framed(request.SerializeToString())
        reply = await caller.call(GENERATE, body, headers)
        await caller.read_until_end(reply)
        assert reply.status == OK
        texts = [str(value) for span in served.spans.spans() for value in span.attributes.values()]
        assert not [text for text in texts if CONTROL.search(text)]
        await check_alive(served)


@pytest.mark.parametrize(("size", "arrives"), [(6_000, True), (20_000, False)])
async def test_metadata_has_a_limit(size: int, arrives: bool) -> None:
    async with serving() as served:
        call = served.stub.Generate(a_request(), metadata=(("x-long", "v" * size),))
        outcome = await outcome_of(call)
        assert outcome.status == ("OK" if arrives else "RESOURCE_EXHAUSTED")
        await check_alive(served)


async def test_a_deadline_that_passed_on_the_way_asks_nobody() -> None:
    async with serving() as served, raw_caller(served.endpoint) as caller:
        body = framed(a_request().SerializeToString())
        reply = await caller.call(GENERATE, body, [("grpc-timeout", "1n")])
        await caller.read_until_end(reply)
        assert reply.status == DEADLINE_EXCEEDED
        assert len(served.simulator.journal) == 0


@pytest.mark.parametrize("given", ["-1S", "abc", "", "99999999999999H", "1X"])
async def test_a_deadline_that_is_none_ends_the_call_at_most(given: str) -> None:
    async with serving() as served, raw_caller(served.endpoint) as caller:
        body = framed(a_request().SerializeToString())
        reply = await caller.call(GENERATE, body, [("grpc-timeout", given)])
        await caller.read_until_end(reply)
        await check_alive(served)


HALVES = {
    "nothing": b"",
    "half a frame": b"\x00\x00\x00",
    "less than announced": framed(b"x" * 100)[:50],
    "compressed by nobody": b"\x01" + framed(b"x")[1:],
    "longer than any message": b"\x00\xff\xff\xff\xff",
}


@pytest.mark.parametrize("body", HALVES.values(), ids=HALVES)
@pytest.mark.parametrize("end", [True, False], ids=["ended", "left open"])
async def test_half_a_call_harms_nobody(body: bytes, *, end: bool) -> None:
    async with serving() as served:
        async with raw_caller(served.endpoint) as caller:
            # grpcio leaves a call without a whole message unanswered; it ends with its connection.
            await caller.call(GENERATE, body, end=end)
            await check_alive(served)
        await check_alive(served)
        assert len(served.simulator.journal) == 2


async def test_an_error_made_by_hand_reads_like_any_other() -> None:
    async with serving() as served, raw_caller(served.endpoint) as caller:
        reply = await caller.call(GENERATE, framed(b"\xff\xff"))
        await caller.read_until_end(reply)
        assert reply.status == INVALID_ARGUMENT
        [info, _] = unpacked(reply.packed_status)
        assert 'reason: "INVALID_REQUEST"' in str(info)
