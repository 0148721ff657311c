"""The writer of log lines: a stream that does not take them makes nobody wait."""

from __future__ import annotations

import io
import json
import threading

from tierwise_server.telemetry.log_sink import LogSink


class StuckStream(io.StringIO):
    """Takes nothing until it is released, like a full pipe."""

    def __init__(self) -> None:
        super().__init__()
        self.busy = threading.Event()
        self.released = threading.Event()

    def write(self, text: str) -> int:
        self.busy.set()
        self.released.wait()
        return super().write(text)


class BrokenStream(io.StringIO):
    """A pipe whose reader is gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_lines_are_written_in_order() -> None:
    stream = io.StringIO()
    sink = LogSink(stream)
    for at in range(1000):
        sink.write(f"line {at}")
    assert sink.close(10)
    assert stream.getvalue().splitlines() == [f"line {at}" for at in range(1000)]


def test_a_full_stream_makes_nobody_wait_and_the_loss_is_told() -> None:
    stream = StuckStream()
    sink = LogSink(stream, most_waiting=10)
    sink.write("first")
    assert stream.busy.wait(10)
    for at in range(100):
        sink.write(f"line {at}")
    assert sink.dropped == 90
    assert not sink.close(0.01)
    stream.released.set()
    assert sink.close(10)
    lines = stream.getvalue().splitlines()
    assert lines[:11] == ["first", *(f"line {at}" for at in range(10))]
    assert json.loads(lines[11]) == {"level": "warning", "event": "log_lines_dropped", "count": 90}


def test_a_line_that_cannot_be_made_is_told_and_keeps_no_other_back() -> None:
    def deep() -> str:
        raise RecursionError

    stream = io.StringIO()
    sink = LogSink(stream)
    sink.write(deep)
    sink.write("after it")
    assert sink.close(10)
    told, after = stream.getvalue().splitlines()
    assert json.loads(told)["cause"] == "RecursionError"
    assert after == "after it"


def test_a_stream_whose_reader_is_gone_breaks_nothing() -> None:
    sink = LogSink(BrokenStream())
    sink.write("a")
    sink.write("b")
    assert sink.close(10)
    assert sink.dropped == 2


def test_a_stream_that_was_closed_breaks_nothing() -> None:
    stream = io.StringIO()
    sink = LogSink(stream)
    stream.close()
    sink.write("a")
    assert sink.close(10)
    assert sink.dropped == 1
