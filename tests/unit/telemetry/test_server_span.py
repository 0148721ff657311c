"""The span of a call over gRPC: its parent, its status, and what is left when tracing is off."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased
from opentelemetry.trace import StatusCode

from tests.unit.core.builders import EFFICIENT, FRONTIER, a_plan
from tests.unit.telemetry.recording import GENERATE, PEER, Recording, direct, escalated
from tierwise_server.telemetry import Telemetry, names

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
NOT_SAMPLED = f"00-{TRACE}-b7ad6b7169203331-00"
ROUTE = "tierwise.v1.RouterService/Route"


@pytest.fixture
def recording() -> Recording:
    return Recording()


def test_the_callers_trace_goes_on(recording: Recording) -> None:
    span = recording.play(direct(), metadata=[("traceparent", PARENT), ("tracestate", "a=1,b=2")])
    assert span.trace_id == TRACE
    server = recording.span(GENERATE)
    assert server.parent is not None
    assert server.parent.is_remote
    assert f"{server.parent.span_id:016x}" == "b7ad6b7169203331"
    assert server.context is not None
    assert server.context.trace_state.to_header() == "a=1,b=2"


def test_the_callers_trace_goes_on_to_the_provider(recording: Recording) -> None:
    metadata = [("traceparent", PARENT), ("tracestate", "a=1")]
    observer = recording.telemetry.server_span(GENERATE, metadata, PEER).observer()
    for event in direct()[:2]:
        observer.observe(event)
    sent = observer.propagation()
    assert sent["traceparent"].startswith(f"00-{TRACE}-")
    assert sent["traceparent"].endswith("-01")
    assert sent["tracestate"] == "a=1"


@pytest.mark.parametrize(
    "metadata",
    [
        [("traceparent", "")],
        [("traceparent", "00-short-b7ad6b7169203331-01")],
        [("traceparent", PARENT.upper())],
        [("traceparent", f"ff-{TRACE}-b7ad6b7169203331-01")],
        [("traceparent", f"00-{'0' * 32}-b7ad6b7169203331-01")],
        [("traceparent", PARENT + "\n\x1b[31m")],
        [("traceparent", "é" * 600)],
        [("traceparent", PARENT), ("traceparent", PARENT)],
        [("traceparent-bin", b"\x00\xff")],
        [("tracestate", "a=1")],
    ],
)
def test_a_trace_context_that_is_not_valid_starts_a_new_trace(
    recording: Recording, metadata: list[tuple[str, str]]
) -> None:
    span = recording.play(direct(), metadata=metadata)
    assert span.trace_id != TRACE
    assert recording.span(GENERATE).parent is None


def test_a_state_that_is_not_valid_does_not_cost_the_trace(recording: Recording) -> None:
    span = recording.play([], metadata=[("traceparent", PARENT), ("tracestate", "=;\n")])
    assert span.trace_id == TRACE


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("OK", False),
        ("CANCELLED", False),
        ("UNKNOWN", True),
        ("INVALID_ARGUMENT", False),
        ("DEADLINE_EXCEEDED", True),
        ("NOT_FOUND", False),
        ("ALREADY_EXISTS", False),
        ("PERMISSION_DENIED", False),
        ("RESOURCE_EXHAUSTED", False),
        ("FAILED_PRECONDITION", False),
        ("ABORTED", False),
        ("OUT_OF_RANGE", False),
        ("UNIMPLEMENTED", True),
        ("INTERNAL", True),
        ("UNAVAILABLE", True),
        ("DATA_LOSS", True),
        ("UNAUTHENTICATED", False),
    ],
)
def test_only_the_servers_own_faults_are_errors(
    recording: Recording, code: str, fault: bool
) -> None:
    recording.telemetry.server_span(GENERATE, (), PEER).end(code, reason="SOME_REASON")
    span = recording.span(GENERATE)
    attributes = dict(span.attributes or {})
    assert attributes[names.RPC_STATUS] == code
    assert attributes[names.REASON] == "SOME_REASON"
    assert (span.status.status_code is StatusCode.ERROR) is fault
    assert attributes.get(names.ERROR_TYPE) == (code if fault else None)


def test_only_the_first_end_counts(recording: Recording) -> None:
    span = recording.telemetry.server_span(GENERATE, (), PEER)
    span.end("OK")
    span.end("INTERNAL")
    assert (recording.span(GENERATE).attributes or {})[names.RPC_STATUS] == "OK"
    assert len(recording.metrics()["rpc.server.call.duration"]) == 1


def test_route_tells_its_decision_on_the_server_span(recording: Recording) -> None:
    span = recording.telemetry.server_span(ROUTE, (), PEER)
    span.route_decided(a_plan(EFFICIENT, FRONTIER))
    span.end("OK")
    attributes = dict(recording.span(ROUTE).attributes or {})
    assert attributes[names.CASCADE] == ("efficient", "frontier")
    assert attributes[names.TIER] == "efficient"
    assert attributes[names.THRESHOLD] == 0.8


@pytest.mark.parametrize(
    ("peer", "address", "port"),
    [
        ("ipv4:10.1.2.3:4567", "10.1.2.3", 4567),
        ("ipv6:%5B::1%5D:4567", "::1", 4567),
        ("ipv6:[2001:db8::1]:80", "2001:db8::1", 80),
        ("unix:/run/tierwise.sock", "/run/tierwise.sock", None),
        ("unix:", None, None),
        ("", None, None),
        ("ipv4:nonsense", "", None),
    ],
)
def test_peers_are_read_as_grpc_writes_them(
    recording: Recording, peer: str, address: str | None, port: int | None
) -> None:
    recording.telemetry.server_span(GENERATE, (), peer).end("OK")
    attributes = dict(recording.span(GENERATE).attributes or {})
    assert attributes.get(names.PEER_ADDRESS) == address
    assert attributes.get(names.PEER_PORT) == port


def test_a_call_that_is_not_sampled_has_no_spans_but_counts_and_goes_on() -> None:
    recording = Recording(ParentBased(ALWAYS_ON))
    span = recording.telemetry.server_span(GENERATE, [("traceparent", NOT_SAMPLED)], PEER)
    observer = span.observer()
    for event in escalated():
        observer.observe(event)
    assert observer.propagation() == {"traceparent": f"00-{TRACE}-{span.span_id}-00"}
    span.end("OK")
    assert recording.spans() == []
    assert recording.total("tierwise.requests") == 1


def test_off_does_nothing_and_says_nothing() -> None:
    span = Telemetry.off().server_span(GENERATE, [("traceparent", PARENT)], PEER)
    observer = span.observer()
    for event in escalated():
        observer.observe(event)
    span.route_decided(a_plan(EFFICIENT))
    assert (span.trace_id, span.span_id) == ("", "")
    assert observer.propagation() == {}
    span.end("OK")
    span.end("OK")
