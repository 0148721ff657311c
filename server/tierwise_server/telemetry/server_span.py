"""The span of one call over gRPC, and what hangs under it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from opentelemetry.context import Context
from opentelemetry.trace import (
    SpanKind,
    Status,
    StatusCode,
    format_span_id,
    format_trace_id,
    set_span_in_context,
)

from tierwise_server.core.stream import Finished, StreamEvent, TextDelta
from tierwise_server.telemetry import attributes, names, propagation
from tierwise_server.telemetry.metrics import RequestMetrics
from tierwise_server.telemetry.spans import RequestSpans

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

    from tierwise_server.core.model import DraftDelivery
    from tierwise_server.core.table import Plan
    from tierwise_server.telemetry.metrics import Metrics

SERVER_FAULTS: Final = frozenset(
    {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
)
"""The status codes that make a SERVER span an error; all others are the caller's doing (conventions for gRPC)."""


class RequestObserver:
    """Folds the events of one request into spans and metrics (`core.stream.Observer`)."""

    __slots__ = ("_folds", "_server", "_spans")

    def __init__(
        self, server: Span | None, spans: RequestSpans | None, metrics: RequestMetrics | None
    ) -> None:
        self._server = server
        self._spans = spans
        self._folds = tuple(fold for fold in (spans, metrics) if fold is not None)

    def observe(self, event: StreamEvent) -> None:
        """Take the next event. Text deltas cost nothing: the summary knows when the first one went out."""
        kind = type(event)
        if kind is TextDelta or kind is Finished:
            return
        for fold in self._folds:
            fold.take(event)

    def propagation(self) -> Mapping[str, str]:
        """The headers that carry the trace into the call started last; none when tracing is off."""
        last = self._server if self._spans is None else self._spans.last
        return {} if last is None else propagation.headers(last.get_span_context())


@dataclass(frozen=True, slots=True)
class Signals:
    """What is switched on; None is off. `endpoints` are server.address and server.port of each provider."""

    tracer: Tracer | None = None
    metrics: Metrics | None = None
    endpoints: Mapping[str, attributes.Attributes] = field(default_factory=dict)


class ServerSpan:
    """One call over gRPC.

    Attributes:
        trace_id, span_id: in hex; empty when tracing is off.
    """

    __slots__ = ("_ended", "_method", "_signals", "_span", "_started_s", "span_id", "trace_id")

    def __init__(
        self,
        signals: Signals,
        method: str,
        context: Context | None,
        described: attributes.Attributes,
    ) -> None:
        self._signals = signals
        self._method = method
        self._started_s = time.perf_counter()
        self._ended = False
        self._span: Span | None = None
        self.trace_id = self.span_id = ""
        if signals.tracer is None:
            return
        self._span = signals.tracer.start_span(
            method, context, SpanKind.SERVER, attributes=described
        )
        ids = self._span.get_span_context()
        self.trace_id = format_trace_id(ids.trace_id)
        self.span_id = format_span_id(ids.span_id)

    def observer(self, *, draft_delivery: DraftDelivery | None = None) -> RequestObserver:
        """Make the observer of the request that this call carries; its spans hang under this one."""
        signals, span = self._signals, self._span
        spans = metrics = None
        # A call that is not sampled has no spans below it either; its context still travels on.
        if signals.tracer is not None and span is not None and span.is_recording():
            delivery = "" if draft_delivery is None else draft_delivery.name.lower()
            spans = RequestSpans(signals.tracer, span, signals.endpoints, delivery)
        if signals.metrics is not None:
            metrics = RequestMetrics(signals.metrics, span)
        return RequestObserver(span, spans, metrics)

    def identified(self, tenant: str, key_id: str) -> None:
        """Say who calls, as far as that is known; both are public names."""
        if self._span is None:
            return
        for name, value in ((names.TENANT, tenant), (names.KEY_ID, key_id)):
            if value:
                self._span.set_attribute(name, value)

    def route_decided(self, plan: Plan) -> None:
        """Describe a decision that nothing is run for."""
        if self._span is None:
            return
        described = attributes.of_plan(plan)
        described[names.TIER] = plan.cascade[0].name
        described[names.MODEL] = plan.cascade[0].model.id
        self._span.set_attributes(described)

    def end(self, status_code: str, *, reason: str = "") -> None:
        """End the span with the name of a gRPC status code, and the reason sent with it. Only the first call counts."""
        if self._ended:
            return
        self._ended = True
        error = status_code if status_code in SERVER_FAULTS else ""
        if self._signals.metrics is not None:
            context = None if self._span is None else set_span_in_context(self._span, Context())
            duration_s = time.perf_counter() - self._started_s
            self._signals.metrics.rpc_ended(self._method, status_code, error, duration_s, context)
            if reason:
                self._signals.metrics.rpc_failed(self._method, reason)
        if self._span is None:
            return
        self._span.set_attribute(names.RPC_STATUS, status_code)
        if reason:
            self._span.set_attribute(names.REASON, reason)
        if error:
            self._span.set_attribute(names.ERROR_TYPE, error)
            self._span.set_status(Status(StatusCode.ERROR, reason))
        self._span.end()
