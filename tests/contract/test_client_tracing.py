"""Each call is one CLIENT span, which the server's spans can hang from; without OpenTelemetry it is none."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

import tierwise_client as client
from tests.contract.client_forms import ClientForm, both_clients
from tierwise.v1.accounting_pb2 import GenerationSummary
from tierwise_client import AsyncClient, Client
from tierwise_client.testing import FakeServer, Hold, answered, escalated, failed
from tierwise_server.telemetry import names

WITHOUT_OPENTELEMETRY = """
import sys
sys.modules["opentelemetry"] = None
from tierwise_client import Client
with Client(sys.argv[1]) as client:
    print(client.generate("Hi").text)
    print(client.route().decision.tier)
"""


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as fake:
        yield fake


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def provider(exporter: InMemorySpanExporter) -> Iterator[TracerProvider]:
    tracing = TracerProvider()
    tracing.add_span_processor(SimpleSpanProcessor(exporter))
    yield tracing
    tracing.shutdown()


def only_span(exporter: InMemorySpanExporter) -> tuple[ReadableSpan, dict[str, Any]]:
    [span] = exporter.get_finished_spans()
    return span, dict(span.attributes or {})


@both_clients
async def test_a_call_is_a_client_span_that_says_what_it_did_and_cost(
    form: ClientForm,
    server: FakeServer,
    provider: TracerProvider,
    exporter: InMemorySpanExporter,
) -> None:
    server.play(escalated(request_id="request-3"))
    async with form(server.endpoint, tracer_provider=provider) as caller:
        await caller.generate("Hi", task_type="classify_intent")
    span, attributes = only_span(exporter)
    assert (span.name, span.kind) == ("tierwise.v1.RouterService/Generate", SpanKind.CLIENT)
    assert span.status.status_code is StatusCode.UNSET
    host, _, port = server.endpoint.partition(":")
    assert attributes == {
        "rpc.system.name": "grpc",
        "rpc.method": "tierwise.v1.RouterService/Generate",
        "server.address": host,
        "server.port": int(port),
        "rpc.response.status_code": "OK",
        "tierwise.task_type": "classify_intent",
        "tierwise.request.id": "request-3",
        "tierwise.tier": "frontier",
        "tierwise.model": "claude-sonnet-4-6",
        "tierwise.escalated": True,
        "tierwise.total_cost.nano_usd": 530_000,
        "tierwise.total_cost.usd": pytest.approx(0.00053),
    }
    assert set(attributes) <= set(names.ATTRIBUTES)


@both_clients
async def test_the_server_sees_the_span_the_caller_s_baggage_and_state(
    form: ClientForm,
    server: FakeServer,
    provider: TracerProvider,
    exporter: InMemorySpanExporter,
) -> None:
    parent = trace.SpanContext(
        trace_id=0xABC,
        span_id=0xDEF,
        is_remote=True,
        trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED),
        trace_state=trace.TraceState([("vendor", "7")]),
    )
    around = trace.set_span_in_context(trace.NonRecordingSpan(parent))
    token = context.attach(baggage.set_baggage("team", "search", context=around))
    try:
        async with form(server.endpoint, tracer_provider=provider) as caller:
            await caller.generate("Hi")
    finally:
        context.detach(token)
    span, _ = only_span(exporter)
    assert span.context is not None
    assert span.context.trace_id == parent.trace_id
    assert span.parent is not None
    assert span.parent.span_id == parent.span_id
    metadata = server.calls[0].metadata
    trace_id, span_id = f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}"
    assert metadata["traceparent"] == f"00-{trace_id}-{span_id}-01"
    assert metadata["tracestate"] == "vendor=7"
    assert metadata["baggage"] == "team=search"


@both_clients
async def test_one_span_covers_grpc_s_retries(
    form: ClientForm,
    server: FakeServer,
    provider: TracerProvider,
    exporter: InMemorySpanExporter,
) -> None:
    server.play(failed("OVERLOADED", pushback_ms=1))
    async with form(server.endpoint, tracer_provider=provider) as caller:
        await caller.generate("Hi")
    only_span(exporter)
    first, second = server.calls
    assert first.metadata["traceparent"] == second.metadata["traceparent"]


@both_clients
async def test_a_failed_call_is_a_failed_span(
    form: ClientForm,
    server: FakeServer,
    provider: TracerProvider,
    exporter: InMemorySpanExporter,
) -> None:
    server.play([answered()[0], failed("UPSTREAM_INTERRUPTED", "with the prompt in it")])
    async with form(server.endpoint, tracer_provider=provider) as caller:
        with pytest.raises(client.UpstreamError):
            await caller.generate("Hi")
    span, attributes = only_span(exporter)
    assert span.status.status_code is StatusCode.ERROR
    assert attributes["rpc.response.status_code"] == "UNAVAILABLE"
    assert attributes["error.type"] == "UNAVAILABLE"
    assert attributes["tierwise.reason"] == "UPSTREAM_INTERRUPTED"
    assert "prompt" not in span.to_json()
    assert not span.events


@both_clients
@pytest.mark.parametrize("priced", [True, False])
async def test_a_failed_call_says_what_it_cost_if_that_is_known(
    form: ClientForm,
    server: FakeServer,
    provider: TracerProvider,
    exporter: InMemorySpanExporter,
    *,
    priced: bool,
) -> None:
    summary = GenerationSummary(tier="efficient")
    if priced:
        summary.cost.total_nano_usd = 7
    server.play([answered()[0], failed("UPSTREAM_TIMEOUT", summary=summary)])
    async with form(server.endpoint, tracer_provider=provider) as caller:
        with pytest.raises(client.UpstreamError):
            await caller.generate("Hi")
    _, attributes = only_span(exporter)
    assert attributes["tierwise.tier"] == "efficient"
    assert attributes.get("tierwise.total_cost.nano_usd") == (7 if priced else None)


def test_a_socket_has_no_port(provider: TracerProvider, exporter: InMemorySpanExporter) -> None:
    with (
        Client("unix:/nowhere.sock", tracer_provider=provider) as caller,
        pytest.raises(client.UnavailableError),
    ):
        caller.route()
    _, attributes = only_span(exporter)
    assert attributes["server.address"] == "/nowhere.sock"
    assert "server.port" not in attributes


@both_clients
async def test_route_is_a_span_too(
    form: ClientForm,
    server: FakeServer,
    provider: TracerProvider,
    exporter: InMemorySpanExporter,
) -> None:
    server.reply(failed("", status=grpc.StatusCode.PERMISSION_DENIED))
    async with form(server.endpoint, tracer_provider=provider) as caller:
        with pytest.raises(client.PermissionDeniedError):
            await caller.route()
        await caller.route()
    failure, success = exporter.get_finished_spans()
    assert failure.name == success.name == "tierwise.v1.RouterService/Route"
    assert dict(failure.attributes or {})["error.type"] == "PERMISSION_DENIED"
    assert dict(success.attributes or {})["rpc.response.status_code"] == "OK"


@both_clients
async def test_a_stream_that_was_left_early_is_a_cancelled_span(
    form: ClientForm,
    server: FakeServer,
    provider: TracerProvider,
    exporter: InMemorySpanExporter,
) -> None:
    server.play([*answered()[:4], Hold()])
    async with form(server.endpoint, tracer_provider=provider) as caller:
        async with caller.stream("Hi") as stream:
            await anext(stream.text)
            assert not exporter.get_finished_spans()
        span, attributes = only_span(exporter)
    assert span.status.status_code is StatusCode.ERROR
    assert attributes["rpc.response.status_code"] == attributes["error.type"] == "CANCELLED"


async def test_a_cancelled_task_ends_its_span(
    server: FakeServer, provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    server.play([*answered()[:4], Hold()])
    async with (
        AsyncClient(server.endpoint, tracer_provider=provider) as caller,
        asyncio.TaskGroup() as group,
    ):
        task = group.create_task(caller.generate("Hi"))
        await asyncio.to_thread(server.wait_for_calls)
        task.cancel()
    _, attributes = only_span(exporter)
    assert attributes["error.type"] == "CANCELLED"


def test_a_caller_s_own_exception_names_what_ended_the_call(
    server: FakeServer, provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    server.play([*answered()[:4], Hold()])
    with (
        Client(server.endpoint, tracer_provider=provider) as caller,
        pytest.raises(KeyboardInterrupt),
        caller.stream("Hi"),
    ):
        raise KeyboardInterrupt
    _, attributes = only_span(exporter)
    assert attributes["rpc.response.status_code"] == "CANCELLED"
    assert attributes["error.type"] == "KeyboardInterrupt"


@both_clients
async def test_a_span_is_never_current_while_the_caller_s_code_runs(
    form: ClientForm, server: FakeServer, provider: TracerProvider
) -> None:
    async with (
        form(server.endpoint, tracer_provider=provider) as caller,
        caller.stream("Hi") as stream,
    ):
        async for _ in stream.text:
            assert trace.get_current_span() is trace.INVALID_SPAN


@both_clients
async def test_a_call_that_cannot_begin_ends_its_span(
    form: ClientForm, provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    caller = form("127.0.0.1:1", tracer_provider=provider)
    await caller.close()
    with pytest.raises(RuntimeError, match="closed"):
        async with caller.stream("Hi"):
            pass
    _, attributes = only_span(exporter)
    assert attributes["error.type"] == "RuntimeError"


def test_the_process_s_provider_is_used_and_none_is_set(server: FakeServer) -> None:
    before = trace.get_tracer_provider()
    with Client(server.endpoint) as caller:
        caller.route()
    assert trace.get_tracer_provider() is before


def test_the_client_works_where_opentelemetry_is_not_installed(server: FakeServer) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_OPENTELEMETRY, server.endpoint],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "Hello from the fake server.\nefficient\n", done.stderr
    assert "traceparent" not in server.calls[0].metadata
