"""The CLIENT span of a call. The only module that imports OpenTelemetry; it sets nothing global.

Attribute names: rpc.* and server.* of the semantic conventions 1.44, and tierwise.* as the server's spans have them; a
test holds them together. A span is
started and ended by hand and never made current, since a stream is read in pieces, between which the caller's own
spans come and go. No text of prompts or answers is ever on it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc
from opentelemetry import propagate, trace

from tierwise_client._errors import TierwiseError
from tierwise_client._settings import SERVICE
from tierwise_client._version import __version__

if TYPE_CHECKING:
    from tierwise_client._settings import Endpoint
    from tierwise_client._values import GenerationSummary

_CANCELLED = grpc.StatusCode.CANCELLED.name


class OpenTelemetryTracer:
    """Makes the spans of one client."""

    def __init__(self, endpoint: Endpoint, provider: trace.TracerProvider | None) -> None:
        self._tracer = trace.get_tracer("tierwise_client", __version__, provider)
        self._server: dict[str, str | int] = {"server.address": endpoint.host}
        if endpoint.port is not None:
            self._server["server.port"] = endpoint.port

    def start(self, method: str, task_type: str) -> OpenTelemetrySpan:
        """Start the span of a call of `method`, as a child of the current one."""
        name = f"{SERVICE}/{method}"
        attributes = {"rpc.system.name": "grpc", "rpc.method": name, **self._server}
        if task_type:
            attributes["tierwise.task_type"] = task_type
        span = self._tracer.start_span(name, kind=trace.SpanKind.CLIENT, attributes=attributes)
        return OpenTelemetrySpan(span)


class OpenTelemetrySpan:
    """One call as a trace shows it."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        self._ended = False
        carrier: dict[str, str] = {}
        propagate.inject(carrier, context=trace.set_span_in_context(span))
        # gRPC takes lower-case names only; some propagators write others.
        self.headers = tuple((name.lower(), value) for name, value in carrier.items())

    def succeed(self, summary: GenerationSummary | None = None) -> None:
        """End: the call went well."""
        if summary is not None:
            self._describe(summary)
        self._end(grpc.StatusCode.OK.name)

    def fail(self, error: BaseException | None) -> None:
        """End: the call failed, or (None) was given up before its end."""
        if isinstance(error, TierwiseError):
            if error.summary is not None:
                self._describe(error.summary)
            if error.reason:
                self._span.set_attribute("tierwise.reason", error.reason)
            self._end(error.status.name, error.status.name)
        elif error is None or isinstance(error, asyncio.CancelledError):
            self._end(_CANCELLED, _CANCELLED)
        else:
            self._end(_CANCELLED, type(error).__qualname__)

    def _describe(self, summary: GenerationSummary) -> None:
        self._span.set_attributes(
            {
                "tierwise.request.id": summary.request_id,
                "tierwise.tier": summary.tier,
                "tierwise.model": summary.model,
                "tierwise.escalated": summary.escalated,
            }
        )
        if summary.cost is not None:
            self._span.set_attribute("tierwise.total_cost.nano_usd", summary.cost.total_nano_usd)
            self._span.set_attribute("tierwise.total_cost.usd", float(summary.cost.usd))

    def _end(self, status: str, error_type: str = "") -> None:
        if self._ended:
            return
        self._ended = True
        self._span.set_attribute("rpc.response.status_code", status)
        if error_type:
            self._span.set_attribute("error.type", error_type)
            self._span.set_status(trace.StatusCode.ERROR)
        self._span.end()
