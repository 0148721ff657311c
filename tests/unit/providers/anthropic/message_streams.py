"""Streams of the Messages API, built event by event."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import pairwise

HAIKU = "claude-haiku-4-5-20251001"


def event(kind: str, **fields: object) -> bytes:
    """One event as the API writes it: LF line ends, compact JSON."""
    return named_event(kind, {"type": kind, **fields})


def named_event(name: str, body: object) -> bytes:
    data = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    return f"event: {name}\ndata: {data}\n\n".encode()


def message_start(usage: object = None) -> bytes:
    message: dict[str, object] = {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": HAIKU,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }
    if usage is not None:
        message["usage"] = usage
    return event("message_start", message=message)


def block_start(index: int, kind: str = "text", **fields: object) -> bytes:
    block = {"type": kind, "text": ""} if kind == "text" else {"type": kind}
    return event("content_block_start", index=index, content_block={**block, **fields})


def text_delta(index: int, text: str) -> bytes:
    return event("content_block_delta", index=index, delta={"type": "text_delta", "text": text})


def delta(index: int, kind: str, **fields: object) -> bytes:
    return event("content_block_delta", index=index, delta={"type": kind, **fields})


def block_stop(index: int) -> bytes:
    return event("content_block_stop", index=index)


def message_delta(stop_reason: str | None = "end_turn", usage: object = None) -> bytes:
    fields = {} if usage is None else {"usage": usage}
    return event(
        "message_delta", delta={"stop_reason": stop_reason, "stop_sequence": None}, **fields
    )


def pieces(body: bytes, cuts: Iterable[int]) -> list[bytes]:
    """The body, cut at the given places."""
    edges = [0, *sorted(cuts), len(body)]
    return [body[start:end] for start, end in pairwise(edges)]


MESSAGE_STOP = event("message_stop")
PING = event("ping")


def answer(
    texts: Iterable[str],
    *,
    start_usage: object = None,
    end_usage: object = None,
    stop_reason: str = "end_turn",
) -> bytes:
    """A whole answer of one text block."""
    return b"".join(
        [
            message_start(start_usage),
            block_start(0),
            *(text_delta(0, text) for text in texts),
            block_stop(0),
            message_delta(stop_reason, end_usage),
            MESSAGE_STOP,
        ]
    )


SHORT = answer(
    ["Hello", ", ", "wörld 🌍", ' "quoted" \\ \n line'],
    start_usage={"input_tokens": 25, "output_tokens": 1},
    end_usage={"output_tokens": 12},
)
SHORT_TEXT = 'Hello, wörld 🌍 "quoted" \\ \n line'

THOUGHTFUL = b"".join(
    [
        message_start({"input_tokens": 40, "output_tokens": 3, "cache_read_input_tokens": 1000}),
        PING,
        block_start(0, "thinking", thinking="", signature=""),
        delta(0, "thinking_delta", thinking="Let me see."),
        delta(0, "signature_delta", signature="c2ln"),
        block_stop(0),
        block_start(1),
        PING,
        text_delta(1, "Four"),
        text_delta(1, "."),
        block_stop(1),
        message_delta(
            usage={"output_tokens": 90, "output_tokens_details": {"thinking_tokens": 80}}
        ),
        MESSAGE_STOP,
    ]
)
THOUGHTFUL_TEXT = "Four."

EMPTY_ANSWER = b"".join(
    [
        message_start({"input_tokens": 9, "output_tokens": 1}),
        message_delta(usage={"output_tokens": 2}),
        MESSAGE_STOP,
    ]
)
