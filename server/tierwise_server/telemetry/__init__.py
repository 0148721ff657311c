"""What the server tells about itself: spans, metrics and log lines.

The only package that imports OpenTelemetry. names.py is the table of all names; settings.py reads OTEL_*; telemetry.py
makes everything; server_span.py is one call over gRPC; spans.py and metrics.py fold the events of one request;
export.py sends without making anybody wait; logs.py writes JSON lines; tree.py draws spans for people.
"""

from __future__ import annotations

from tierwise_server.telemetry.logs import Logging, bind_trace, configure_logging
from tierwise_server.telemetry.server_span import RequestObserver, ServerSpan
from tierwise_server.telemetry.settings import OtlpTarget, TelemetrySettings
from tierwise_server.telemetry.telemetry import Telemetry
from tierwise_server.telemetry.tree import FinishedSpan, SpanCollector, span_tree

__all__ = [
    "FinishedSpan",
    "Logging",
    "OtlpTarget",
    "RequestObserver",
    "ServerSpan",
    "SpanCollector",
    "Telemetry",
    "TelemetrySettings",
    "bind_trace",
    "configure_logging",
    "span_tree",
]
