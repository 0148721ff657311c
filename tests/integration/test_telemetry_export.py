"""Spans and metrics on their way to a collector, over real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from tests.otlp import OtlpReceiver, collector
from tests.unit.telemetry.recording import GENERATE, PEER, cancelled, direct, escalated
from tierwise_server.telemetry import Telemetry, names

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def telemetry_to(endpoint: str, **variables: str) -> Telemetry:
    environ = {
        ENDPOINT: endpoint,
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "OTEL_METRIC_EXPORT_INTERVAL": "60000",
        **variables,
    }
    return Telemetry.from_environment(environ, service_version="1.2.3")


def play(telemetry: Telemetry, requests: int = 1) -> None:
    for _ in range(requests):
        span = telemetry.server_span(GENERATE, [("traceparent", CALLER)], PEER)
        observer = span.observer()
        for event in escalated():
            observer.observe(event)
        span.end("OK")


@contextmanager
def refused() -> Iterator[str]:
    """A port that nobody listens on."""
    with socket.socket() as unbound:
        unbound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{unbound.getsockname()[1]}"


@contextmanager
def blackhole() -> Iterator[str]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        yield f"http://127.0.0.1:{silent.getsockname()[1]}"


@contextmanager
def slow() -> Iterator[str]:
    """A collector that is stuck with the first export."""
    with collector() as receiver:
        receiver.gate.clear()
        yield receiver.endpoint


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    with collector() as running:
        yield running


def test_a_request_arrives_as_one_tree_under_the_callers_span(receiver: OtlpReceiver) -> None:
    telemetry = telemetry_to(receiver.endpoint)
    play(telemetry)
    spans = receiver.wait_for_spans(6)
    telemetry.shutdown(10)
    ids = {span.span_id: span.name for span in spans}
    assert [(ids.get(span.parent_id, span.parent_id), span.kind, span.name) for span in spans] == [
        ("b7ad6b7169203331", "SERVER", GENERATE),
        (GENERATE, "INTERNAL", "route"),
        ("route", "CLIENT", "chat claude-haiku-4-5-20251001"),
        ("route", "INTERNAL", "confidence_check"),
        ("confidence_check", "CLIENT", "chat claude-haiku-4-5-20251001"),
        ("route", "CLIENT", "chat claude-sonnet-4-6"),
    ]
    assert {span.trace_id for span in spans} == {CALLER.split("-")[1]}
    draft, answer = spans[2], spans[5]
    assert draft.attributes[names.SUPERSEDED] is True
    assert draft.attributes[names.COST_NANO_USD] == 164_000
    assert answer.attributes[names.FINISH_REASONS] == ("stop",)
    assert spans[3].events[0][0] == "gen_ai.evaluation.result"


def test_spans_say_whose_they_are(receiver: OtlpReceiver) -> None:
    telemetry = telemetry_to(
        receiver.endpoint,
        OTEL_SERVICE_NAME="router",
        OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test",
        OTEL_EXPORTER_OTLP_HEADERS="x-tenant=a%20b",
    )
    play(telemetry)
    span = receiver.wait_for_spans(6)[0]
    telemetry.shutdown(10)
    assert span.scope == "tierwise"
    assert span.resource["service.name"] == "router"
    assert span.resource["service.version"] == "1.2.3"
    assert span.resource["deployment.environment.name"] == "test"
    assert span.resource["telemetry.sdk.language"] == "python"
    assert receiver.metadata[0]["x-tenant"] == "a b"


def test_metrics_arrive_when_shutting_down(receiver: OtlpReceiver) -> None:
    telemetry = telemetry_to(receiver.endpoint, OTEL_TRACES_EXPORTER="none")
    play(telemetry, 3)
    telemetry.shutdown(10)
    metrics = receiver.metrics
    assert sum(point.value for point in metrics["tierwise.requests"]) == 3
    assert sum(point.value for point in metrics["tierwise.cost"]) == pytest.approx(3 * 0.000745)
    assert {point.unit for point in metrics["tierwise.cost"]} == {"USD"}
    (duration,) = metrics["rpc.server.call.duration"]
    assert (duration.count, duration.bounds[-1]) == (3, 600.0)
    (score,) = metrics["tierwise.confidence.score"]
    assert (score.value, score.count, score.bounds) == (12, 3, tuple(range(1, 11)))
    assert receiver.spans == []


def test_a_sampled_share_of_the_traces_arrives(receiver: OtlpReceiver) -> None:
    telemetry = telemetry_to(
        receiver.endpoint, OTEL_TRACES_SAMPLER="traceidratio", OTEL_TRACES_SAMPLER_ARG="0"
    )
    play(telemetry, 5)
    telemetry.shutdown(10)
    assert receiver.spans == []
    assert sum(point.value for point in receiver.metrics["tierwise.requests"]) == 5


def test_requests_of_one_loop_do_not_mix(receiver: OtlpReceiver) -> None:
    telemetry = telemetry_to(receiver.endpoint)

    async def request(turn: int) -> None:
        events = (escalated, direct, cancelled)[turn % 3]()
        span = telemetry.server_span(GENERATE, (), PEER)
        observer = span.observer()
        for event in events:
            observer.observe(event)
            await asyncio.sleep(0)
        span.end("OK")

    async def all_at_once() -> None:
        async with asyncio.TaskGroup() as group:
            for turn in range(30):
                group.create_task(request(turn))

    asyncio.run(all_at_once())
    spans = receiver.wait_for_spans(10 * (6 + 3 + 3))
    telemetry.shutdown(10)
    for span in spans:
        parents = [other for other in spans if other.span_id == span.parent_id]
        assert [parent.trace_id for parent in parents] == [span.trace_id] * bool(span.parent_id)


@pytest.mark.fault
@pytest.mark.parametrize("collector_that_is", [refused, blackhole, slow])
def test_a_collector_that_does_not_answer_changes_nothing_for_callers(
    collector_that_is: Callable[[], AbstractContextManager[str]],
) -> None:
    with collector_that_is() as endpoint:
        telemetry = telemetry_to(
            endpoint,
            OTEL_BSP_MAX_QUEUE_SIZE="32",
            OTEL_BSP_MAX_EXPORT_BATCH_SIZE="8",
            OTEL_EXPORTER_OTLP_TIMEOUT="30000",
        )
        play(telemetry, 50)
        # 300 spans: at most 32 wait and 8 are on their way; nobody waited for the others.
        assert telemetry.lost_spans >= 300 - 32 - 8 * 2
        telemetry.shutdown(0.2)


@pytest.mark.fault
def test_a_collector_that_comes_back_gets_what_still_waited(receiver: OtlpReceiver) -> None:
    receiver.gate.clear()
    telemetry = telemetry_to(receiver.endpoint)
    play(telemetry, 4)
    receiver.gate.set()
    assert len(receiver.wait_for_spans(24)) == 24
    telemetry.shutdown(10)
    assert telemetry.lost_spans == 0
