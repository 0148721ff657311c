"""The queue before the collector: requests never wait for it, and what is lost is counted."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from tests.unit.telemetry.recording import GENERATE, PEER, escalated
from tierwise_server.telemetry import Telemetry
from tierwise_server.telemetry.export import BoundedSpanProcessor, LossLog, run_bounded

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan


class StuckExporter(SpanExporter):
    """Takes batches and does not come back until it is closed."""

    def __init__(self) -> None:
        self.busy = threading.Event()
        self.closed = threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.busy.set()
        self.closed.wait()
        return SpanExportResult.FAILURE

    def shutdown(self) -> None:
        self.closed.set()


class BrokenExporter(SpanExporter):
    """Fails every batch, by raising or by saying so."""

    def __init__(self, raises: Exception | None) -> None:
        self._raises = raises

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if self._raises is not None:
            raise self._raises
        return SpanExportResult.FAILURE

    def shutdown(self) -> None:
        pass


class ListExporter(SpanExporter):
    """Keeps what it gets."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.spans += spans
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        pass


def exporting_to(
    exporter: SpanExporter, *, max_waiting: int = 64, losses: LossLog | None = None
) -> Telemetry:
    losses = losses or LossLog()
    provider = TracerProvider(shutdown_on_exit=False)
    processor = BoundedSpanProcessor(exporter, losses, max_waiting=max_waiting, batch=4, delay_s=60)
    provider.add_span_processor(processor)
    return Telemetry(tracer_provider=provider, exporters=[exporter], losses=losses)


def play(telemetry: Telemetry, requests: int) -> None:
    for _ in range(requests):
        span = telemetry.server_span(GENERATE, (), PEER)
        observer = span.observer()
        for event in escalated():
            observer.observe(event)
        span.end("OK")


def test_requests_go_on_while_the_collector_is_stuck() -> None:
    exporter = StuckExporter()
    telemetry = exporting_to(exporter)
    play(telemetry, 1)
    assert exporter.busy.wait(10)
    play(telemetry, 100)
    # 101 requests have 606 spans: one batch of 4 is with the exporter, 64 wait, the others are lost.
    assert telemetry.lost_spans == 606 - 4 - 64
    assert not exporter.closed.is_set()
    telemetry.shutdown(0.05)
    assert exporter.closed.is_set()


def test_shutting_down_sends_what_waits() -> None:
    exporter = ListExporter()
    telemetry = exporting_to(exporter)
    play(telemetry, 2)
    telemetry.shutdown(10)
    telemetry.shutdown(10)
    assert len(exporter.spans) == 12
    assert telemetry.lost_spans == 0


@pytest.mark.parametrize("raises", [None, OSError("collector")])
def test_batches_that_fail_are_lost_and_counted(raises: Exception | None) -> None:
    telemetry = exporting_to(BrokenExporter(raises))
    play(telemetry, 2)
    telemetry.shutdown(10)
    assert telemetry.lost_spans == 12


def test_what_was_lost_at_the_end_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    telemetry = exporting_to(BrokenExporter(None))
    play(telemetry, 2)
    with caplog.at_level(logging.WARNING, "tierwise.telemetry"):
        telemetry.shutdown(10)
    told = [record.args for record in caplog.records if record.name == "tierwise.telemetry"]
    assert (
        sum(args[0] for args in told if isinstance(args, tuple) and isinstance(args[0], int)) == 12
    )


def test_losses_are_reported_once_a_minute_with_their_number(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = [0.0]
    losses = LossLog(lambda: now[0])
    with caplog.at_level(logging.WARNING, "tierwise.telemetry"):
        for at_s, spans in ((0, 1), (30, 5), (59, 5), (60, 2), (61, 1)):
            now[0] = at_s
            losses.add(spans)
    assert losses.lost == 14
    assert [record.args for record in caplog.records] == [(1,), (12,)]


class Closer:
    """Remembers whether it was closed."""

    closed = False

    def shutdown(self) -> None:
        self.closed = True


def test_exporters_are_closed_under_a_step_that_hangs() -> None:
    release = threading.Event()
    closer = Closer()
    steps: list[Callable[[], object]] = [release.wait, lambda: None]
    run_bounded(steps, [closer], 0.05)
    assert closer.closed
    release.set()


def test_exporters_are_left_alone_when_everything_was_sent() -> None:
    closer = Closer()
    run_bounded([lambda: None], [closer], 10)
    assert not closer.closed
