"""A collector for tests: takes OTLP over gRPC on a loopback port and keeps what arrives.

It serves the services of opentelemetry-proto itself, so what is read back went over the wire as any collector would
get it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Self

import grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics_messages
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as metrics_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace_messages
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as trace_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

WAIT_S = 20.0

Attributes = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ReceivedSpan:
    """One span as it arrived; ids in hex, `parent_id` empty for a root."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: str
    status: str
    start_ns: int
    end_ns: int
    attributes: Attributes
    events: tuple[tuple[str, Attributes], ...]
    resource: Attributes
    scope: str


@dataclass(frozen=True, slots=True)
class ReceivedMetric:
    """One data point: a sum's or gauge's value, or a histogram's sum, count and bounds."""

    name: str
    unit: str
    attributes: Attributes
    value: float
    count: int = 0
    bounds: tuple[float, ...] = ()


@dataclass
class OtlpReceiver:
    """A running collector. Use it as a context manager.

    Attributes:
        endpoint: for OTEL_EXPORTER_OTLP_ENDPOINT.
        gate: closed (cleared), every export waits in the collector until it is opened again.
        metadata: the gRPC metadata of every export.
        raw: every export as it came over the wire.
    """

    endpoint: str = ""
    gate: threading.Event = field(default_factory=threading.Event)
    metadata: list[Mapping[str, str | bytes]] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    _spans: list[ReceivedSpan] = field(default_factory=list)
    _metrics: list[list[ReceivedMetric]] = field(default_factory=list)
    _arrived: threading.Condition = field(default_factory=threading.Condition)
    _server: grpc.Server | None = None

    def __enter__(self) -> Self:
        self.gate.set()
        server = grpc.server(ThreadPoolExecutor(4), options=(("grpc.so_reuseport", 0),))
        # The generated functions that register a servicer have no types.
        trace_grpc.add_TraceServiceServicer_to_server(_Traces(self), server)  # type: ignore[no-untyped-call]
        # As above.
        metrics_grpc.add_MetricsServiceServicer_to_server(_Metrics(self), server)  # type: ignore[no-untyped-call]
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        self.endpoint, self._server = f"http://127.0.0.1:{port}", server
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.gate.set()
        if self._server is not None:
            self._server.stop(grace=None).wait()

    @property
    def spans(self) -> list[ReceivedSpan]:
        """Every span so far, in the order of their starts."""
        with self._arrived:
            return sorted(self._spans, key=lambda span: span.start_ns)

    @property
    def metrics(self) -> dict[str, list[ReceivedMetric]]:
        """The points of the newest export, by metric."""
        found: dict[str, list[ReceivedMetric]] = {}
        with self._arrived:
            for point in self._metrics[-1] if self._metrics else ():
                found.setdefault(point.name, []).append(point)
        return found

    def wait_for_spans(self, count: int, timeout_s: float = WAIT_S) -> list[ReceivedSpan]:
        """Wait until this many spans are here.

        Raises:
            TimeoutError: they are not, in time.
        """
        return self.wait_until(lambda spans: len(spans) >= count, timeout_s)

    def wait_until(
        self, enough: Callable[[list[ReceivedSpan]], bool], timeout_s: float = WAIT_S
    ) -> list[ReceivedSpan]:
        """Wait until the spans so far are enough.

        Raises:
            TimeoutError: they are not, in time.
        """
        with self._arrived:
            if not self._arrived.wait_for(lambda: enough(self._spans), timeout_s):
                names = sorted(span.name for span in self._spans)
                raise TimeoutError(f"after {timeout_s} s there are {len(names)} spans: {names}")
        return self.spans

    def take_spans(self, request: trace_messages.ExportTraceServiceRequest) -> None:
        """Keep the spans of an export."""
        with self._arrived:
            self.raw.append(request.SerializeToString())
            for resource in request.resource_spans:
                described = _attributes(resource.resource.attributes)
                for scope in resource.scope_spans:
                    name = scope.scope.name
                    self._spans += [_span(span, described, name) for span in scope.spans]
            self._arrived.notify_all()

    def take_metrics(self, request: metrics_messages.ExportMetricsServiceRequest) -> None:
        """Keep the points of an export."""
        points = [
            point
            for resource in request.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            for point in _points(metric)
        ]
        with self._arrived:
            self.raw.append(request.SerializeToString())
            self._metrics.append(points)
            self._arrived.notify_all()


class _Traces(trace_grpc.TraceServiceServicer):
    def __init__(self, receiver: OtlpReceiver) -> None:
        self._receiver = receiver

    def Export(  # noqa: N802 - the service's own name
        self,
        request: trace_messages.ExportTraceServiceRequest,
        context: grpc.ServicerContext,
    ) -> trace_messages.ExportTraceServiceResponse:
        self._receiver.metadata.append(dict(context.invocation_metadata()))
        self._receiver.gate.wait()
        self._receiver.take_spans(request)
        return trace_messages.ExportTraceServiceResponse()


class _Metrics(metrics_grpc.MetricsServiceServicer):
    def __init__(self, receiver: OtlpReceiver) -> None:
        self._receiver = receiver

    def Export(  # noqa: N802 - the service's own name
        self,
        request: metrics_messages.ExportMetricsServiceRequest,
        context: grpc.ServicerContext,
    ) -> metrics_messages.ExportMetricsServiceResponse:
        self._receiver.metadata.append(dict(context.invocation_metadata()))
        self._receiver.gate.wait()
        self._receiver.take_metrics(request)
        return metrics_messages.ExportMetricsServiceResponse()


@contextmanager
def collector() -> Iterator[OtlpReceiver]:
    """Run a collector."""
    with OtlpReceiver() as receiver:
        yield receiver


def _span(span: Span, resource: Attributes, scope: str) -> ReceivedSpan:
    return ReceivedSpan(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        name=span.name,
        kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        status=Status.StatusCode.Name(span.status.code).removeprefix("STATUS_CODE_"),
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        attributes=_attributes(span.attributes),
        events=tuple((event.name, _attributes(event.attributes)) for event in span.events),
        resource=resource,
        scope=scope,
    )


def _points(metric: Metric) -> Iterator[ReceivedMetric]:
    for number in (*metric.sum.data_points, *metric.gauge.data_points):
        value = number.as_double if number.HasField("as_double") else number.as_int
        yield ReceivedMetric(metric.name, metric.unit, _attributes(number.attributes), value)
    for histogram in metric.histogram.data_points:
        yield ReceivedMetric(
            metric.name,
            metric.unit,
            _attributes(histogram.attributes),
            histogram.sum,
            histogram.count,
            tuple(histogram.explicit_bounds),
        )


def _attributes(pairs: Iterable[KeyValue]) -> Attributes:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> object:
    which = value.WhichOneof("value")
    if which == "array_value":
        return tuple(_value(item) for item in value.array_value.values)
    return getattr(value, which) if which else None
