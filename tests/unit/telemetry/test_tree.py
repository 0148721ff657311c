"""Finished spans as lines of text."""

from __future__ import annotations

import io
import re

from tests.unit.telemetry.recording import GENERATE, PEER, cancelled, escalated
from tierwise_server.core.stream import StreamEvent
from tierwise_server.telemetry import FinishedSpan, SpanCollector, Telemetry, span_tree
from tierwise_server.telemetry.tree import summary_of


def collected(*requests: list[StreamEvent]) -> SpanCollector:
    collector = SpanCollector()
    telemetry = Telemetry.from_environment({}, service_version="1", collector=collector)
    for events in requests:
        span = telemetry.server_span(GENERATE, (), PEER)
        observer = span.observer()
        for event in events:
            observer.observe(event)
        span.end("OK")
    return collector


def a_span(name: str, span_id: str, parent_id: str = "", start_ns: int = 0) -> FinishedSpan:
    return FinishedSpan("t", span_id, parent_id, name, "INTERNAL", start_ns, 0.0015)


def test_a_tree_shows_who_called_whom_in_order() -> None:
    spans = [
        a_span("last", "4", "1", 30),
        a_span("leaf", "3", "2", 20),
        a_span("first", "2", "1", 10),
        a_span("root", "1"),
        a_span("stranger", "9", "8", 40),
    ]
    assert span_tree(spans) == [
        "root          1.5 ms",
        "├─ first      1.5 ms",
        "│  └─ leaf    1.5 ms",
        "└─ last       1.5 ms",
        "stranger      1.5 ms",
    ]


def test_no_spans_make_no_lines() -> None:
    assert span_tree([]) == []


def test_the_tree_of_a_request_says_what_mattered() -> None:
    lines = span_tree(collected(escalated()).spans())
    assert [re.split(r"\s+\d", line)[0] for line in lines] == [
        GENERATE,
        "└─ route",
        "   ├─ chat claude-haiku-4-5-20251001",
        "   ├─ confidence_check",
        "   │  └─ chat claude-haiku-4-5-20251001",
        "   └─ chat claude-sonnet-4-6",
    ]
    says = [line.rsplit("ms", 1)[1].strip() for line in lines]
    assert says[0] == "server OK"
    assert says[1].endswith("frontier · unchecked · confidence 4/10 escalated · $0.000745")
    assert says[2] == "efficient · draft · 100 in 20 out · $0.000164 · superseded"
    assert says[5] == "frontier · direct · 100 in 20 out · $0.000492"


def test_an_error_is_said() -> None:
    spans = collected(cancelled()).spans()
    call = next(span for span in spans if span.kind == "CLIENT")
    assert summary_of(call).endswith("error CANCELLED")


def test_the_collector_gives_one_trace_and_keeps_the_newest() -> None:
    collector = collected(escalated(), cancelled())
    traces = list(dict.fromkeys(span.trace_id for span in collector.spans()))
    assert [len(collector.spans(trace)) for trace in traces] == [6, 3]
    small = SpanCollector(most=2)
    telemetry = Telemetry.from_environment({}, service_version="1", collector=small)
    for _ in range(5):
        telemetry.server_span(GENERATE, (), PEER).end("OK")
    assert len(small.spans()) == 2


def test_the_console_shows_each_trace_as_a_tree() -> None:
    console = io.StringIO()
    environ = {"OTEL_TRACES_EXPORTER": "console"}
    telemetry = Telemetry.from_environment(environ, service_version="1", console=console)
    span = telemetry.server_span(GENERATE, (), PEER)
    observer = span.observer()
    for event in escalated():
        observer.observe(event)
    span.end("OK")
    telemetry.shutdown(10)
    lines = console.getvalue().splitlines()
    assert len(lines) == 6
    assert lines[0].startswith(GENERATE)
    assert lines[-1].startswith("   └─ chat claude-sonnet-4-6")


def test_console_metrics_are_written_at_the_latest_when_shutting_down() -> None:
    console = io.StringIO()
    environ = {"OTEL_METRICS_EXPORTER": "console"}
    telemetry = Telemetry.from_environment(environ, service_version="1", console=console)
    telemetry.server_span(GENERATE, (), PEER).end("OK")
    telemetry.shutdown(10)
    assert "rpc.server.call.duration" in console.getvalue()
