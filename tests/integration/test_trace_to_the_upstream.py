"""One trace through programs of their own: the client's span, the server, its upstream, and a real collector."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from tests.otlp import OtlpReceiver, ReceivedSpan, collector
from tests.programs import Program, running
from tests.serving import variables
from tierwise_client import AsyncClient, GenerateOptions
from tierwise_server.simulator import Simulator

SCRIPT: dict[str, Any] = {
    "rules": [
        {"kind": "check", "confidence": 4},
        {"model": "claude-haiku-*", "answer": "A hasty draft."},
        {"model": "claude-sonnet-*", "answer": "A careful answer."},
    ]
}
CLIMBING: GenerateOptions = {"task_type": "generate_response", "escalation": True}
RPC = "tierwise.v1.RouterService/Generate"
DRAFT, ANSWER = "chat claude-haiku-4-5-20251001", "chat claude-sonnet-4-6"


@dataclass
class Programs:
    """A server that runs as a program, and what is around it."""

    server: Program
    simulator: Simulator
    receiver: OtlpReceiver
    client: AsyncClient

    async def stopped(self) -> int:
        """End the server as an operator would; returns its exit code."""
        self.server.process.send_signal(signal.SIGTERM)
        return await asyncio.to_thread(self.server.ended)

    def log_lines(self) -> list[dict[str, Any]]:
        """Return what it logged; the first line is for people."""
        return [json.loads(line) for line in self.server.said if line.startswith("{")]


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    with collector() as running_collector:
        yield running_collector


@asynccontextmanager
async def programs(receiver: OtlpReceiver, otlp: str) -> AsyncIterator[Programs]:
    provider = TracerProvider(resource=Resource({"service.name": "caller"}), shutdown_on_exit=False)
    exporter = OTLPSpanExporter(receiver.endpoint, insecure=True)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    async with Simulator(SCRIPT) as simulator:
        extra = {
            **variables(simulator.base_url),
            "TIERWISE_SERVER__DRAIN_DELAY_S": "0",
            "OTEL_EXPORTER_OTLP_ENDPOINT": otlp,
            "OTEL_BSP_SCHEDULE_DELAY": "20",
        }
        with running("serve", **extra) as server:
            line = await asyncio.to_thread(server.until, "serving on ")
            async with AsyncClient(line.rpartition(" ")[2], tracer_provider=provider) as client:
                yield Programs(server, simulator, receiver, client)
    exporter.shutdown()


def shape(spans: list[ReceivedSpan]) -> list[tuple[str, str, str]]:
    """Return each span's parent, kind and name, in the order of their starts."""
    names = {span.span_id: f"{span.kind} {span.name}" for span in spans}
    return [(names.get(span.parent_id, ""), span.kind, span.name) for span in spans]


async def test_the_whole_tree_of_an_escalated_request(receiver: OtlpReceiver) -> None:
    async with programs(receiver, receiver.endpoint) as run:
        answer = await run.client.generate("The same, but better.", **CLIMBING)
        spans = await asyncio.to_thread(receiver.wait_for_spans, 7)
        sent = [entry.headers["traceparent"].split("-") for entry in run.simulator.journal]
        assert await run.stopped() == 0
        lines = run.log_lines()
    assert answer.text == "A careful answer."
    assert shape(spans) == [
        ("", "CLIENT", RPC),
        (f"CLIENT {RPC}", "SERVER", RPC),
        (f"SERVER {RPC}", "INTERNAL", "route"),
        ("INTERNAL route", "CLIENT", DRAFT),
        ("INTERNAL route", "INTERNAL", "confidence_check"),
        ("INTERNAL confidence_check", "CLIENT", DRAFT),
        ("INTERNAL route", "CLIENT", ANSWER),
    ]
    assert [span.resource["service.name"] for span in spans] == ["caller", *["tierwise"] * 6]
    [trace_id] = {span.trace_id for span in spans}
    # The upstream was sent the context of the very span that describes the call to it.
    assert [(trace, span) for _, trace, span, _ in sent] == [
        (trace_id, spans[at].span_id) for at in (3, 5, 6)
    ]
    [rpc] = [line for line in lines if line["event"] == "rpc"]
    assert (rpc["trace_id"], rpc["span_id"]) == (trace_id, spans[1].span_id)
    assert "better" not in json.dumps(lines)
    assert "careful" not in json.dumps(lines)


@contextmanager
def nobody() -> Iterator[str]:
    """An address where nobody listens."""
    with socket.socket() as unbound:
        unbound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{unbound.getsockname()[1]}"


@pytest.mark.fault
async def test_a_collector_that_is_down_changes_nothing(receiver: OtlpReceiver) -> None:
    with nobody() as address:
        async with programs(receiver, address) as run:
            answer = await run.client.generate("The same, but better.", **CLIMBING)
    assert answer.text == "A careful answer."
    assert [span.resource["service.name"] for span in receiver.spans] == ["caller"]
