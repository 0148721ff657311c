from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.simulator.bodies import reported
from tierwise_server.simulator.render import Event, overridden, stream_bytes, stream_events
from tierwise_server.simulator.script import UsageOverride
from tierwise_server.simulator.tokens import InputBill

PIECES = st.lists(st.text(min_size=1, max_size=20), max_size=8).map(tuple)


def parsed(stream: bytes) -> list[dict[str, Any]]:
    """The data of a stream's events, read the plain way."""
    events = []
    for frame in stream.decode().split("\n\n")[:-1]:
        name, data = frame.split("\n", 1)
        payload = json.loads(data.removeprefix("data: "))
        assert name == f"event: {payload['type']}"
        events.append(payload)
    return events


def test_a_plain_stream_has_the_apis_events_in_order() -> None:
    events = parsed(stream_bytes(reported()))
    assert [event["type"] for event in events] == [
        "message_start",
        "content_block_start",
        "ping",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert events[0]["message"]["usage"]["output_tokens"] == 1
    assert events[6]["usage"]["output_tokens"] == 3


def test_a_thinking_stream_sends_the_signature_last() -> None:
    events = parsed(stream_bytes(reported(("Hi",), ("Well.",), thinking_tokens=9)))
    deltas = [
        (event["index"], event["delta"]["type"])
        for event in events
        if event["type"] == "content_block_delta"
    ]
    assert deltas == [(0, "thinking_delta"), (0, "signature_delta"), (1, "text_delta")]
    assert events[-2]["usage"]["output_tokens_details"] == {"thinking_tokens": 9}


def test_an_answer_without_text_has_no_block() -> None:
    types = [event["type"] for event in parsed(stream_bytes(reported(())))]
    assert types == ["message_start", "message_delta", "message_stop"]
    assert reported(()).message()["content"] == []


@given(PIECES, st.none() | PIECES)
def test_the_quick_way_and_the_long_way_write_the_same_bytes(
    pieces: tuple[str, ...], thinking: tuple[str, ...] | None
) -> None:
    whole = reported(pieces, thinking)
    assert stream_bytes(whole) == b"".join(event.encode() for event in stream_events(whole))


@given(PIECES, st.none() | PIECES)
def test_a_stream_folds_into_the_unstreamed_message(
    pieces: tuple[str, ...], thinking: tuple[str, ...] | None
) -> None:
    whole = reported(pieces, thinking)
    message: dict[str, Any] = {}
    for event in parsed(stream_bytes(whole)):
        match event["type"]:
            case "message_start":
                message = event["message"]
            case "content_block_start":
                message["content"].append(event["content_block"])
            case "content_block_delta":
                block = message["content"][event["index"]]
                for field in {"text", "thinking", "signature"} & set(event["delta"]):
                    block[field] += event["delta"][field]
            case "message_delta":
                message |= event["delta"]
                message["usage"] |= event["usage"]
    assert message == json.loads(json.dumps(whole.message()))


@given(PIECES, st.integers(0, 50))
def test_tokens_grow_with_the_events_up_to_the_total(
    pieces: tuple[str, ...], thinking_tokens: int
) -> None:
    whole = reported(pieces, ("Hm.",), thinking_tokens=thinking_tokens)
    counts = [event.output_tokens for event in stream_events(whole)]
    assert counts == sorted(counts)
    assert (counts[0], counts[-1]) == (0, whole.answer.output_tokens)


def test_a_refusal_carries_its_details() -> None:
    message = reported(stop_reason="refusal").message()
    assert message["stop_details"]["type"] == "refusal"
    assert reported().message()["stop_details"] is None


@pytest.mark.parametrize(
    ("override", "bill", "output"),
    [
        (None, InputBill(7, 5, 3, 2), 3),
        (UsageOverride(), InputBill(7, 5, 3, 2), 3),
        (UsageOverride(input_tokens=100, output_tokens=0), InputBill(100, 5, 3, 2), 0),
        (UsageOverride(cache_creation_input_tokens=50), InputBill(7, 5, 50, 0), 3),
        (UsageOverride(cache_read_input_tokens=0), InputBill(7, 0, 3, 2), 3),
    ],
)
def test_an_override_replaces_the_counts_it_names(
    override: UsageOverride | None, bill: InputBill, output: int
) -> None:
    whole = reported()
    changed, answer = overridden(whole.bill, whole.answer, override)
    assert (changed, answer.output_tokens) == (bill, output)


def test_text_stays_utf8_and_line_ends_stay_inside_the_json() -> None:
    data = Event({"type": "x", "text": "ü\n\u2028"}).encode()
    assert "ü".encode() in data
    assert data.count(b"\n") == 3
