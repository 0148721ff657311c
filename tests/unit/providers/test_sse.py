"""Bytes become events by the standard's rules, however they were split on the way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.providers.anthropic.message_streams import pieces
from tierwise_server.providers.sse import DecodedEvent, EventCutter, decode

ODDITIES = (
    b"\xef\xbb\xbf: a comment\n"
    b"event: first\nid: 7\nretry: 10\nunknown: field\ndata: one\n\n"
    b"data:no space\n\n"
    b"data:  two spaces\n\n\n\n"
    b"event: without data\n\n"
    b"event: many lines\ndata: a\ndata: b\ndata\ndata: \n\n"
    b"data: l\xc3\xb6\xf0\x9f\x8c\x8d: with: colons\n\n"
    b"data: never ended\n"
)
ODD_EVENTS: list[DecodedEvent] = [
    (b"first", b"one"),
    (b"", b"no space"),
    (b"", b" two spaces"),
    (b"many lines", b"a\nb\n\n"),
    (b"", "lö🌍: with: colons".encode()),
]
LINE_ENDS = pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])


def read(*chunks: bytes) -> list[DecodedEvent]:
    cutter = EventCutter()
    decoded = [decode(event) for chunk in chunks for event in cutter.feed(chunk)]
    assert not cutter.overflowed
    return [event for event in decoded if event is not None]


@LINE_ENDS
def test_events_are_read_by_the_standard(line_end: bytes) -> None:
    assert read(ODDITIES.replace(b"\n", line_end)) == ODD_EVENTS


@LINE_ENDS
def test_one_cut_anywhere_changes_nothing(line_end: bytes) -> None:
    body = ODDITIES.replace(b"\n", line_end)
    for cut in range(len(body)):
        assert read(body[:cut], body[cut:]) == ODD_EVENTS


@LINE_ENDS
def test_byte_by_byte_changes_nothing(line_end: bytes) -> None:
    body = ODDITIES.replace(b"\n", line_end)
    assert read(*(body[i : i + 1] for i in range(len(body)))) == ODD_EVENTS


@given(
    fields=st.lists(st.sampled_from([b"data: x", b"event: y", b":", b"", b"\r", b"\n", b"\r\n"])),
    cuts=st.data(),
)
def test_any_cuts_of_any_mix_of_line_ends_change_nothing(
    fields: list[bytes], cuts: st.DataObject
) -> None:
    body = b"".join(fields)
    places = cuts.draw(st.lists(st.integers(0, len(body))))
    assert read(*pieces(body, places)) == read(body)


def test_only_the_first_byte_order_mark_is_dropped() -> None:
    marked = b"\xef\xbb\xbfdata: x\n\n"
    assert read(marked, marked) == [(b"", b"x")]


def test_an_event_at_the_limit_passes_and_one_byte_more_does_not() -> None:
    event = b"data: 0123456789"
    exact = EventCutter(max_event_bytes=len(event))
    assert exact.feed(event + b"\n\n") == [event]
    assert not exact.overflowed

    short = EventCutter(max_event_bytes=len(event) - 1)
    assert short.feed(event + b"\n\n") == []
    assert short.overflowed
    assert short.feed(b"data: x\n\n") == []


def test_what_came_before_an_event_too_long_is_kept() -> None:
    cutter = EventCutter(max_event_bytes=9)
    assert cutter.feed(b"data: x\n\ndata: far too long\n\ndata: y\n\n") == [b"data: x"]
    assert cutter.overflowed


def test_an_endless_event_is_not_buffered() -> None:
    cutter = EventCutter(max_event_bytes=1000)
    fed = 0
    while not cutter.overflowed:
        assert cutter.feed(b"data: y\n" * 8) == []
        fed += 64
    assert fed <= 1000 + 2 * 64


@given(cuts=st.lists(st.integers(0, 60)), limit=st.integers(1, 40))
def test_the_limit_does_not_depend_on_the_cuts(cuts: list[int], limit: int) -> None:
    body = b"data: short\n\ndata: somewhat longer\n\ndata: the longest of all\n\n"
    whole, cut = EventCutter(max_event_bytes=limit), EventCutter(max_event_bytes=limit)
    expected = whole.feed(body)
    assert [event for piece in pieces(body, cuts) for event in cut.feed(piece)] == expected
    assert cut.overflowed == whole.overflowed
