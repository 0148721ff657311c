"""Sends spans and metrics away without ever making a request wait.

What the OpenTelemetry SDK leaves open is closed here: spans that find the queue full, or that the collector does not
take, are counted and reported once a minute; `force_flush`, which ignores its time limit, is never called; and
shutting down, which may take 30 s per signal, is cut off by closing the exporters.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Protocol, TextIO

from opentelemetry.sdk.metrics.export import (
    ConsoleMetricExporter,
    MetricExporter,
    MetricReader,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from tierwise_server.telemetry.tree import TreeExporter

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan, Span

    from tierwise_server.telemetry.settings import OtlpTarget, TelemetrySettings

_log = logging.getLogger("tierwise.telemetry")

REPORT_EVERY_S: Final = 60.0
_CONSOLE_DELAY_S: Final = 0.2
_SETTLE_S: Final = 0.5


class LossLog:
    """Counts spans that were lost, and says so at most once in REPORT_EVERY_S. Safe in any thread."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._reported = 0
        self._next_report_s = float("-inf")
        self.lost = 0

    def add(self, spans: int) -> None:
        """Count lost spans."""
        with self._lock:
            self.lost += spans
            now = self._monotonic()
            if now < self._next_report_s:
                return
            self._next_report_s = now + REPORT_EVERY_S
        self.report()

    def report(self) -> None:
        """Say how many were lost since the last report, if any were."""
        with self._lock:
            since, self._reported = self.lost - self._reported, self.lost
        if since:
            _log.warning("%d spans were lost: the collector does not keep up or answer", since)


class _Counting(SpanExporter):
    """Passes batches on and counts what was taken from the queue and what was lost."""

    def __init__(self, exporter: SpanExporter, losses: LossLog) -> None:
        self._exporter = exporter
        self._losses = losses
        self.taken = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.taken += len(spans)
        result = SpanExportResult.FAILURE
        try:
            result = self._exporter.export(spans)
        finally:
            if result is not SpanExportResult.SUCCESS:
                self._losses.add(len(spans))
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


class BoundedSpanProcessor(SpanProcessor):
    """Queues ended spans for an exporter in a thread of its own. The newest are dropped when too many wait."""

    def __init__(
        self,
        exporter: SpanExporter,
        losses: LossLog,
        *,
        max_waiting: int = 2048,
        batch: int = 512,
        delay_s: float = 5.0,
    ) -> None:
        self._exporter = _Counting(exporter, losses)
        self._losses = losses
        self._max_waiting = max_waiting
        self._queued = 0
        self._lock = threading.Lock()
        # The queue proper is never full: more than `max_waiting` spans are not handed to it.
        self._queue = BatchSpanProcessor(
            self._exporter,
            max_queue_size=max_waiting,
            schedule_delay_millis=delay_s * 1000,
            max_export_batch_size=min(batch, max_waiting),
        )

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing: spans are queued when they end."""

    def on_end(self, span: ReadableSpan) -> None:
        """Queue a span, or count it as lost. Never waits for the collector."""
        if span.context is None or not span.context.trace_flags.sampled:
            return
        with self._lock:
            full = self._queued - self._exporter.taken >= self._max_waiting
            self._queued += not full
        if full:
            self._losses.add(1)
        else:
            self._queue.on_end(span)

    def shutdown(self) -> None:
        """Export what waits; takes up to 30 s unless the exporter is closed meanwhile."""
        self._queue.shutdown()  # type: ignore[no-untyped-call] # the SDK leaves it untyped

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Export what waits, in this thread; ignores its limit, as the SDK's does."""
        return self._queue.force_flush(timeout_millis)


class Closeable(Protocol):
    """An exporter, as far as shutting down goes."""

    def shutdown(self) -> None:
        """Stop; an export under way fails at once."""
        ...


def span_processors(
    settings: TelemetrySettings, console: TextIO, losses: LossLog
) -> tuple[list[SpanProcessor], list[Closeable]]:
    """Make the processors that the settings ask for, and the exporters to close at last."""
    exporters: list[tuple[SpanExporter, float]] = []
    if "otlp" in settings.trace_exporters:
        exporters.append((_otlp_spans(settings.traces), settings.export_delay_s))
    if "console" in settings.trace_exporters:
        exporters.append((TreeExporter(console), _CONSOLE_DELAY_S))
    processors: list[SpanProcessor] = [
        BoundedSpanProcessor(
            exporter,
            losses,
            max_waiting=settings.max_waiting_spans,
            batch=settings.batch_spans,
            delay_s=delay_s,
        )
        for exporter, delay_s in exporters
    ]
    return processors, [exporter for exporter, _ in exporters]


def metric_readers(
    settings: TelemetrySettings, console: TextIO
) -> tuple[list[MetricReader], list[Closeable]]:
    """Make the readers that the settings ask for, and the exporters to close at last."""
    exporters: list[MetricExporter] = []
    if "otlp" in settings.metric_exporters:
        exporters.append(_otlp_metrics(settings.metrics))
    if "console" in settings.metric_exporters:
        exporters.append(ConsoleMetricExporter(out=console))
    interval_ms = settings.metric_interval_s * 1000
    readers: list[MetricReader] = [
        PeriodicExportingMetricReader(exporter, export_interval_millis=interval_ms)
        for exporter in exporters
    ]
    return readers, list(exporters)


def run_bounded(
    steps: Sequence[Callable[[], object]], closers: Sequence[Closeable], timeout_s: float
) -> None:
    """Run each step in a thread of its own, for at most `timeout_s` in all.

    Near the end of that time the exporters are closed under the steps that still run, which ends those at once.
    """
    until_s = time.monotonic() + timeout_s
    threads = [threading.Thread(target=step, daemon=True) for step in steps]
    for thread in threads:
        thread.start()
    if not _joined(threads, until_s - min(_SETTLE_S, timeout_s / 4)):
        for closer in closers:
            closer.shutdown()
        _joined(threads, until_s)


def _joined(threads: Sequence[threading.Thread], until_s: float) -> bool:
    for thread in threads:
        thread.join(max(0.0, until_s - time.monotonic()))
    return not any(thread.is_alive() for thread in threads)


# The exporters bring in grpc and protobuf, 90 ms that nobody should pay who exports nothing: imported when needed.


def _otlp_spans(target: OtlpTarget) -> SpanExporter:
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(
        endpoint=target.endpoint or None,
        insecure=target.insecure,
        headers=target.headers or None,
        timeout=target.timeout_s,
    )


def _otlp_metrics(target: OtlpTarget) -> MetricExporter:
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter

    return OTLPMetricExporter(
        endpoint=target.endpoint or None,
        insecure=target.insecure,
        headers=target.headers or None,
        timeout=target.timeout_s,
    )
