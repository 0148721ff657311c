"""One trace from the client's span to the model call: client, gRPC, server, engine, provider, collector."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.otlp import OtlpReceiver, ReceivedSpan, collector
from tests.unit.core.builders import PRICES, a_table
from tierwise_client import AsyncClient
from tierwise_server.config import ServerSettings
from tierwise_server.core.model import CallKind
from tierwise_server.engine import Engine
from tierwise_server.errors import Reason, UpstreamError
from tierwise_server.providers.base import Begun, ModelCall, TextPiece
from tierwise_server.providers.scripted import Pause, ScriptedProvider, Step, answer
from tierwise_server.rpc.listener import Listener
from tierwise_server.rpc.service import RouterService
from tierwise_server.telemetry import Telemetry, names

DOUBTFUL = '{"confidence": 4}'
DRAFT = "a draft that is withdrawn"
STUCK = (Begun("msg_2", None), TextPiece("It begins"), Pause(None))


@dataclass
class Stack:
    """A running server, and what its spans and its client's go to."""

    endpoint: str
    provider: ScriptedProvider
    receiver: OtlpReceiver
    client_spans: InMemorySpanExporter
    client_provider: TracerProvider


def play(call: ModelCall) -> tuple[Step, ...]:
    if call.kind is CallKind.DRAFT:
        return answer(DRAFT)
    return answer(DOUBTFUL if call.kind is CallKind.CHECK else "The answer.")


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    with collector() as running:
        yield running


@asynccontextmanager
async def serving(receiver: OtlpReceiver, provider: ScriptedProvider) -> AsyncIterator[Stack]:
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
        "OTEL_BSP_SCHEDULE_DELAY": "20",
    }
    telemetry = Telemetry.from_environment(environ, service_version="1")
    engine = Engine(a_table(), PRICES, {"anthropic": provider})
    settings = ServerSettings(listen="127.0.0.1:0", drain_delay_s=0.0, drain_grace_s=0.1)
    listener = Listener(RouterService(engine), settings, telemetry)
    port = await listener.start()
    client_spans = InMemorySpanExporter()
    client_provider = TracerProvider(shutdown_on_exit=False)
    client_provider.add_span_processor(SimpleSpanProcessor(client_spans))
    try:
        yield Stack(f"127.0.0.1:{port}", provider, receiver, client_spans, client_provider)
    finally:
        await listener.stop_now()
        await asyncio.to_thread(telemetry.shutdown, 10)


async def spans_of(stack: Stack, count: int) -> list[ReceivedSpan]:
    return await asyncio.to_thread(stack.receiver.wait_for_spans, count)


async def test_every_span_hangs_under_the_clients(receiver: OtlpReceiver) -> None:
    async with serving(receiver, ScriptedProvider(play)) as stack:
        async with AsyncClient(stack.endpoint, tracer_provider=stack.client_provider) as client:
            await client.generate("Where is my parcel?", task_type="climb_two")
        server, route, draft, check, check_call, final = await spans_of(stack, 6)
    (client_span,) = stack.client_spans.get_finished_spans()
    assert client_span.context is not None
    assert server.trace_id == f"{client_span.context.trace_id:032x}"
    assert server.parent_id == f"{client_span.context.span_id:016x}"
    assert route.parent_id == server.span_id
    assert (draft.parent_id, check.parent_id, final.parent_id) == (route.span_id,) * 3
    assert check_call.parent_id == check.span_id
    assert [span.kind for span in (server, route, draft, check, check_call, final)] == [
        *("SERVER", "INTERNAL", "CLIENT", "INTERNAL", "CLIENT", "CLIENT"),
    ]
    assert draft.attributes[names.SUPERSEDED] is True
    assert (server.attributes[names.RPC_STATUS], server.status) == ("OK", "UNSET")


async def test_each_model_call_is_sent_its_own_spans_context(receiver: OtlpReceiver) -> None:
    provider = ScriptedProvider(play)
    async with serving(receiver, provider) as stack:
        async with AsyncClient(stack.endpoint) as client:
            await client.generate("Where is my parcel?", task_type="climb_two")
        spans = await spans_of(stack, 6)
    sent = [call.headers["traceparent"] for call in provider.calls]
    chats = [span for span in spans if span.kind == "CLIENT"]
    assert [header.split("-")[1:3] for header in sent] == [
        [span.trace_id, span.span_id] for span in chats
    ]


async def test_a_caller_that_leaves_has_its_partial_usage_on_the_span(
    receiver: OtlpReceiver,
) -> None:
    provider = ScriptedProvider(lambda _: STUCK)
    async with serving(receiver, provider) as stack:
        async with (
            AsyncClient(stack.endpoint) as client,
            client.stream("Where is my parcel?", task_type="answer_faq") as stream,
        ):
            async for _ in stream.text:
                break
        _, route, chat = await spans_of(stack, 3)
    assert provider.open_streams == 0
    assert chat.attributes[names.STATUS] == "cancelled"
    assert chat.attributes[names.ESTIMATED] is True
    spent = chat.attributes[names.COST_NANO_USD]
    assert isinstance(spent, int)
    assert spent > 0
    assert route.attributes[names.TOTAL_NANO_USD] == spent
    assert route.attributes[names.OUTCOME] == "cancelled"
    assert {span.status for span in (route, chat)} == {"UNSET"}


async def test_a_caller_that_leaves_is_no_fault_of_the_server(receiver: OtlpReceiver) -> None:
    async with serving(receiver, ScriptedProvider(lambda _: STUCK)) as stack:
        async with (
            AsyncClient(stack.endpoint) as client,
            client.stream("Where is my parcel?", task_type="answer_faq") as stream,
        ):
            async for _ in stream.text:
                break
        server = (await spans_of(stack, 3))[0]
    assert server.attributes[names.RPC_STATUS] == "CANCELLED"
    assert server.attributes[names.REASON] == "CANCELLED"
    assert server.status == "UNSET"


async def test_a_provider_that_fails_is_an_error_all_the_way_up(receiver: OtlpReceiver) -> None:
    overloaded = UpstreamError(Reason.UPSTREAM_OVERLOADED, "the provider is overloaded")
    overloaded.tries = 3
    async with serving(receiver, ScriptedProvider(lambda _: (overloaded,))) as stack:
        async with AsyncClient(stack.endpoint) as client:
            with pytest.raises(Exception, match="overloaded"):
                await client.generate("Where is my parcel?", task_type="answer_faq")
        server, route, *chats = await spans_of(stack, 5)
    assert {span.status for span in (server, route, *chats)} == {"ERROR"}
    assert server.attributes[names.ERROR_TYPE] == "UNAVAILABLE"
    assert server.attributes[names.REASON] == "UPSTREAM_OVERLOADED"
    # The tier's own model failed, and so did those of the stronger tiers that were asked instead.
    assert [chat.attributes[names.TIER] for chat in chats] == ["efficient", "frontier", "reasoning"]
    for chat in chats:
        assert chat.attributes[names.ERROR_TYPE] == "UPSTREAM_OVERLOADED"
        assert chat.attributes[names.TRIES] == 3
        assert names.COST_NANO_USD not in chat.attributes


async def test_route_has_its_decision_on_one_span(receiver: OtlpReceiver) -> None:
    async with serving(receiver, ScriptedProvider(play)) as stack:
        async with AsyncClient(stack.endpoint) as client:
            await client.route("Where is my parcel?", task_type="climb_two")
        (server,) = await spans_of(stack, 1)
    assert server.name == "tierwise.v1.RouterService/Route"
    assert server.attributes[names.CASCADE] == ("efficient", "frontier")
    assert server.attributes[names.RULE] == "task_type"


async def test_prompts_and_answers_are_in_nothing_that_was_sent(receiver: OtlpReceiver) -> None:
    async with serving(receiver, ScriptedProvider(play)) as stack:
        async with AsyncClient(stack.endpoint) as client:
            await client.generate("Where is my parcel?", task_type="climb_two")
        spans = await spans_of(stack, 6)
    assert not [text for text in ("parcel", DRAFT, "The answer.") if text in repr(spans)]
    assert "parcel" not in repr(receiver.metrics)
