"""W3C trace context: in from gRPC metadata, out as headers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tierwise_server.telemetry.redaction import is_credential

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext

TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"

_W3C: Final = TraceContextTextMapPropagator()
_KEYS: Final = frozenset({TRACEPARENT, TRACESTATE})
_NOTHING: Final = Context()


def extracted(metadata: Iterable[tuple[str, str | bytes]]) -> Context:
    """Read the caller's trace context; an empty one when there is none or it is not valid.

    A traceparent that comes twice is nobody's: neither is believed, as the specification has it. A tracestate that
    holds what looks like a credential is left out: it would go out with every span.
    """
    carrier: dict[str, list[str]] = {}
    for key, value in metadata:
        if key in _KEYS and isinstance(value, str) and not is_credential(value):
            carrier.setdefault(key, []).append(value)
    if len(carrier.get(TRACEPARENT, ())) != 1:
        return _NOTHING
    return _W3C.extract(carrier, _NOTHING)


def headers(span: SpanContext) -> Mapping[str, str]:
    """Write a span's context as headers; none when it is not valid."""
    if not span.is_valid:
        return {}
    written = {TRACEPARENT: f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}"}
    if span.trace_state:
        written[TRACESTATE] = span.trace_state.to_header()
    return written
