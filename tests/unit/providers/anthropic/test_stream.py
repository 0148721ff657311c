"""A message is whole only when the API said so; whatever else comes has a name."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.providers.anthropic import message_streams as streams
from tierwise_server.core.model import FinishReason, Usage
from tierwise_server.providers.anthropic.stream import (
    Broken,
    Errored,
    MessageStreamParser,
    Ping,
    Progress,
    StreamEnd,
    StreamEvent,
    StreamFault,
)
from tierwise_server.providers.base import Begun, Completed, TextPiece

GOLDEN = {
    "short": (streams.SHORT, streams.SHORT_TEXT, Usage(input_tokens=25, output_tokens=12)),
    "thoughtful": (
        streams.THOUGHTFUL,
        streams.THOUGHTFUL_TEXT,
        Usage(input_tokens=1040, cache_read_tokens=1000, output_tokens=90, reasoning_tokens=80),
    ),
    "empty": (streams.EMPTY_ANSWER, "", Usage(input_tokens=9, output_tokens=2)),
}
EVERY_GOLDEN = pytest.mark.parametrize("name", GOLDEN)


def read(*chunks: bytes) -> tuple[list[StreamEvent], StreamEnd]:
    parser = MessageStreamParser()
    events = [event for chunk in chunks for event in parser.feed(chunk)]
    return events, parser.close()


def text_of(events: list[StreamEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextPiece))


def fault_of(*chunks: bytes) -> StreamFault | None:
    end = read(*chunks)[1]
    return end.fault if isinstance(end, Broken) else None


@EVERY_GOLDEN
def test_a_whole_stream_gives_its_text_and_usage(name: str) -> None:
    body, text, usage = GOLDEN[name]
    events, end = read(body)
    assert isinstance(events[0], Begun)
    assert events[0].response_id == "msg_01"
    assert text_of(events) == text
    assert end == Completed(FinishReason.STOP, "end_turn", usage)


def test_all_text_of_one_chunk_is_one_piece() -> None:
    events, _ = read(streams.SHORT)
    assert [event for event in events if isinstance(event, TextPiece)] == [
        TextPiece(streams.SHORT_TEXT)
    ]


def test_text_that_comes_alone_is_passed_on_alone() -> None:
    parser = MessageStreamParser()
    parser.feed(streams.message_start() + streams.block_start(0))
    assert parser.feed(streams.text_delta(0, "one")) == [TextPiece("one")]
    assert parser.feed(streams.text_delta(0, "two")) == [TextPiece("two")]


def test_a_feed_that_brings_nothing_leaves_no_trace_in_the_next() -> None:
    parser = MessageStreamParser()
    parser.feed(streams.message_start() + streams.block_start(0))
    nothing = parser.feed(b"")
    parser.feed(streams.text_delta(0, "one"))
    assert nothing == []


def test_thinking_and_pings_are_told_apart_and_are_never_text() -> None:
    parser = MessageStreamParser()
    parser.feed(streams.message_start() + streams.block_start(0, "thinking"))
    assert parser.feed(streams.PING * 3) == [Ping()]
    assert parser.feed(streams.delta(0, "thinking_delta", thinking="secret") * 3) == [Progress()]
    assert parser.feed(streams.delta(0, "signature_delta", signature="x")) == [Progress()]


@EVERY_GOLDEN
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_one_cut_anywhere_changes_nothing(name: str, line_end: bytes) -> None:
    body, text, usage = GOLDEN[name]
    body = body.replace(b"\n", line_end)
    for cut in range(len(body)):
        events, end = read(body[:cut], body[cut:])
        assert text_of(events) == text
        assert end == Completed(FinishReason.STOP, "end_turn", usage)


@given(name=st.sampled_from(sorted(GOLDEN)), cuts=st.lists(st.integers(0, 3000)))
def test_any_cuts_change_nothing(name: str, cuts: list[int]) -> None:
    body, text, usage = GOLDEN[name]
    events, end = read(*streams.pieces(body, cuts))
    assert text_of(events) == text
    assert end == Completed(FinishReason.STOP, "end_turn", usage)


@EVERY_GOLDEN
def test_a_stream_cut_at_any_byte_is_never_whole(name: str) -> None:
    body, text, _ = GOLDEN[name]
    for cut in range(len(body)):
        events, end = read(body[:cut])
        assert isinstance(end, Broken)
        assert end.fault in {StreamFault.TRUNCATED, StreamFault.EMPTY}
        assert text.startswith(text_of(events))


@given(texts=st.lists(st.text()))
def test_any_text_survives_in_any_spelling_of_the_json(texts: list[str]) -> None:
    whole = "".join(texts)
    plain = streams.answer(texts)
    spaced = plain.replace(b'"type":', b'"type" : ')
    padded = plain.replace(b"}}\n\n", b"}       }\n\n")
    escaped = b"".join(
        [
            streams.message_start(),
            streams.block_start(0),
            *(
                b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
                b'"delta":{"type":"text_delta","text":' + json.dumps(text).encode() + b"}}\n\n"
                for text in texts
            ),
            streams.block_stop(0) + streams.message_delta() + streams.MESSAGE_STOP,
        ]
    )
    for body in (plain, spaced, padded, escaped):
        events, end = read(body)
        assert text_of(events) == whole
        assert isinstance(end, Completed)


@given(
    name=st.sampled_from(sorted(GOLDEN)),
    edits=st.lists(st.tuples(st.integers(0, 3000), st.binary(max_size=4)), max_size=4),
    cuts=st.lists(st.integers(0, 3000), max_size=5),
)
def test_damaged_bytes_end_in_a_name_whatever_the_cuts(
    name: str, edits: list[tuple[int, bytes]], cuts: list[int]
) -> None:
    body = GOLDEN[name][0]
    for place, patch in edits:
        body = body[:place] + patch + body[place + 1 :]
    events, end = read(body)
    cut_events, cut_end = read(*streams.pieces(body, cuts))
    assert text_of(events).encode("utf-8") == text_of(cut_events).encode("utf-8")
    assert end == cut_end


@given(st.lists(st.binary()))
def test_noise_is_never_an_answer(chunks: list[bytes]) -> None:
    assert isinstance(read(*chunks)[1], Broken)


START = streams.message_start()
OPEN = START + streams.block_start(0)
CLOSED = OPEN + streams.block_stop(0)
STOPPED = CLOSED + streams.message_delta()
WHOLE = STOPPED + streams.MESSAGE_STOP


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"", StreamFault.EMPTY),
        (b"<html><body>Bad gateway</body></html>", StreamFault.EMPTY),
        (streams.PING, StreamFault.EMPTY),
        (STOPPED, StreamFault.TRUNCATED),
        (streams.block_start(0), StreamFault.ORDER),
        (streams.text_delta(0, "x"), StreamFault.ORDER),
        (streams.MESSAGE_STOP, StreamFault.ORDER),
        (START + START, StreamFault.ORDER),
        (START + streams.text_delta(0, "x"), StreamFault.ORDER),
        (START + streams.block_stop(0), StreamFault.ORDER),
        (START + streams.MESSAGE_STOP, StreamFault.ORDER),
        (OPEN + streams.block_start(1), StreamFault.ORDER),
        (OPEN + streams.message_delta(), StreamFault.ORDER),
        (STOPPED + streams.block_start(1), StreamFault.ORDER),
        (CLOSED + streams.message_delta(None) + streams.MESSAGE_STOP, StreamFault.ORDER),
        (
            START + streams.block_start(0, "thinking") + streams.text_delta(0, "x"),
            StreamFault.ORDER,
        ),
        (START + streams.block_start(1), StreamFault.INDEX),
        (OPEN + streams.text_delta(1, "x"), StreamFault.INDEX),
        (OPEN + streams.block_stop(1), StreamFault.INDEX),
        (CLOSED + streams.block_start(0), StreamFault.INDEX),
        (CLOSED + streams.block_start(2), StreamFault.INDEX),
        (WHOLE + streams.MESSAGE_STOP, StreamFault.AFTER_END),
        (WHOLE + streams.PING, StreamFault.AFTER_END),
        (b"data: {not json}\n\n", StreamFault.JSON),
        (b'data: {"type":"ping","x":NaN}\n\n', StreamFault.JSON),
        (b"data: " + b"[" * 10_000 + b"\n\n", StreamFault.JSON),
        (OPEN + streams.text_delta(0, "@").replace(b"@", rb"\ud83d"), StreamFault.JSON),
        (OPEN + streams.text_delta(0, "@").replace(b"@", b"\t"), StreamFault.JSON),
        (OPEN + streams.text_delta(0, "@").replace(b"@", b"\xff"), StreamFault.UTF8),
        (b"data: []\n\n", StreamFault.SHAPE),
        (b'data: {"type":["ping"]}\n\n', StreamFault.SHAPE),
        (streams.event("message_start"), StreamFault.SHAPE),
        (streams.event("message_start", message={"id": 7}), StreamFault.SHAPE),
        (START + streams.event("content_block_start", index=0), StreamFault.SHAPE),
        (OPEN + streams.event("content_block_delta", index=0), StreamFault.SHAPE),
        (OPEN + streams.delta(0, "text_delta", text=None), StreamFault.SHAPE),
        (CLOSED + streams.event("message_delta", delta={"stop_reason": 1}), StreamFault.SHAPE),
    ],
)
def test_what_is_no_whole_message_has_a_name(body: bytes, fault: StreamFault) -> None:
    assert fault_of(body) is fault
    assert fault_of(*(body[i : i + 1] for i in range(len(body)))) is fault


def test_text_before_a_fault_is_passed_on() -> None:
    events, end = read(OPEN + streams.text_delta(0, "kept") + b"data: {\n\n" + streams.PING)
    assert text_of(events) == "kept"
    assert end == Broken(StreamFault.JSON)


def test_an_event_too_long_is_a_fault() -> None:
    parser = MessageStreamParser(max_event_bytes=1000)
    parser.feed(OPEN + streams.text_delta(0, "kept"))
    parser.feed(streams.text_delta(0, "x" * 1000))
    assert parser.ended
    assert parser.close() == Broken(StreamFault.TOO_LONG)


def test_what_the_api_may_add_later_is_skipped() -> None:
    later = streams.event("message_annotation", index=9, note="new")
    body = b"".join(
        [
            later + START + later,
            streams.block_start(0, "hologram", beams=3),
            streams.delta(0, "hologram_delta", beam=1),
            streams.block_stop(0),
            streams.block_start(1, citations=None),
            streams.delta(1, "citations_delta", citation={"cited_text": "no"}),
            streams.text_delta(1, "yes"),
            streams.block_stop(1) + later + streams.message_delta() + streams.MESSAGE_STOP,
        ]
    )
    events, end = read(body)
    assert text_of(events) == "yes"
    assert isinstance(end, Completed)


def test_an_event_is_known_by_its_data_or_else_by_its_name() -> None:
    unnamed = streams.SHORT.replace(b"event: ", b": ")
    untyped = streams.named_event("ping", {})
    events, end = read(untyped + unnamed)
    assert Ping() in events
    assert text_of(events) == streams.SHORT_TEXT
    assert isinstance(end, Completed)


def test_text_at_a_blocks_start_and_of_several_blocks_is_joined() -> None:
    body = b"".join(
        [
            START + streams.block_start(0, text="a") + streams.text_delta(0, "b"),
            streams.block_stop(0) + streams.block_start(1) + streams.text_delta(1, "c"),
            streams.block_stop(1) + streams.message_delta() + streams.MESSAGE_STOP,
        ]
    )
    assert text_of(read(body)[0]) == "abc"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("end_turn", FinishReason.STOP),
        ("stop_sequence", FinishReason.STOP_SEQUENCE),
        ("max_tokens", FinishReason.LENGTH),
        ("refusal", FinishReason.REFUSAL),
        ("model_context_window_exceeded", FinishReason.CONTEXT_WINDOW),
        ("tool_use", FinishReason.TOOL_USE),
        ("pause_turn", FinishReason.PAUSE),
        ("bored", FinishReason.OTHER),
    ],
)
def test_every_stop_reason_has_our_word_and_keeps_its_own(raw: str, reason: FinishReason) -> None:
    assert read(streams.answer(["x"], stop_reason=raw))[1] == Completed(reason, raw, None)


@pytest.mark.parametrize("raw", ["x" * 5000, "a sentence of the prompt", "", "naïve", "a\nb"])
def test_a_stop_reason_that_is_no_plain_name_does_not_travel(raw: str) -> None:
    end = read(streams.answer([], stop_reason=raw))[1]
    assert end == Completed(FinishReason.OTHER, "", None)


@pytest.mark.parametrize(
    ("error", "end"),
    [
        ({"type": "overloaded_error", "message": "canary"}, Errored("overloaded_error", "")),
        (
            {"type": "rate_limit_error", "details": {"error_code": "ramp_limit_exceeded"}},
            Errored("rate_limit_error", "ramp_limit_exceeded"),
        ),
        ({"type": "Your key is sk-canary"}, Errored("unknown", "")),
        ({"type": "api_error", "details": {"error_code": "not a code"}}, Errored("api_error", "")),
        ("canary", Errored("unknown", "")),
        (None, Errored("unknown", "")),
    ],
)
@pytest.mark.parametrize("before", [b"", START, OPEN, STOPPED])
def test_an_error_event_ends_the_stream_by_type_alone(
    before: bytes, error: object, end: Errored
) -> None:
    body = before + streams.event("error", error=error)
    assert read(body)[1] == end
    assert read(body + WHOLE)[1] == end
    assert read(body, WHOLE)[1] == end
