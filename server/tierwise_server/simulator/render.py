"""Answers as the API writes them: a JSON message, or server-sent events. Equal answers give equal bytes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeAlias

from tierwise_server.simulator.answers import Answer, Content
from tierwise_server.simulator.script import UsageOverride
from tierwise_server.simulator.tokens import InputBill, tokens_of_bytes

Payload: TypeAlias = dict[str, Any]

PING: Final = b'event: ping\ndata: {"type":"ping"}\n\n'
_MOST_DELTAS_REMEMBERED: Final = 2000
"""Longer answers are rendered anew, so that what is remembered stays below about 50 MB."""
_STOP: Final = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a stream.

    Attributes:
        payload: its data; `type` is also the event's name.
        output_tokens: tokens written once this event is out.
        data: the data line's bytes, where they are not the payload's JSON.
    """

    payload: Payload
    output_tokens: int = 0
    data: bytes | None = None

    @property
    def name(self) -> str:
        """The event's type."""
        return str(self.payload["type"])

    def encode(self) -> bytes:
        """The event's bytes, its blank line included."""
        data = compact(self.payload) if self.data is None else self.data
        return b"event: %s\ndata: %s\n\n" % (self.name.encode(), data)


@dataclass(frozen=True, slots=True)
class Reported:
    """An answer with all that its message says about it: ids, and the usage reported."""

    id: str
    model: str
    answer: Answer
    bill: InputBill
    token_percent: int

    def start_usage(self) -> Payload:
        """Usage in message_start, and all of an unstreamed answer's but the output."""
        return {
            "input_tokens": self.bill.input_tokens,
            "cache_creation_input_tokens": self.bill.cache_write_tokens,
            "cache_read_input_tokens": self.bill.cache_read_tokens,
            "cache_creation": {
                "ephemeral_5m_input_tokens": self.bill.cache_write_5m_tokens,
                "ephemeral_1h_input_tokens": self.bill.cache_write_1h_tokens,
            },
            "output_tokens": min(1, self.answer.output_tokens),
            "service_tier": "standard",
        }

    def final_usage(self) -> Payload:
        """Usage in message_delta: cumulative counts."""
        return {
            "input_tokens": self.bill.input_tokens,
            "cache_creation_input_tokens": self.bill.cache_write_tokens,
            "cache_read_input_tokens": self.bill.cache_read_tokens,
            "output_tokens": self.answer.output_tokens,
            "output_tokens_details": {"thinking_tokens": self.answer.thinking_tokens},
        }

    def message(self) -> Payload:
        """The whole message, as an unstreamed answer's body."""
        return {
            **self._head(),
            "content": _blocks(self.answer.content),
            **_end(self.answer),
            "usage": {**self.start_usage(), **self.final_usage()},
        }

    def start(self) -> Payload:
        """The message_start event."""
        message = {
            **self._head(),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "stop_details": None,
            "usage": self.start_usage(),
        }
        return {"type": "message_start", "message": message}

    def delta(self) -> Payload:
        """The message_delta event."""
        return {"type": "message_delta", "delta": _end(self.answer), "usage": self.final_usage()}

    def _head(self) -> Payload:
        return {"id": self.id, "type": "message", "role": "assistant", "model": self.model}


def overridden(
    bill: InputBill, answer: Answer, override: UsageOverride | None
) -> tuple[InputBill, Answer]:
    """The counts with those of `override` in their place."""
    if override is None:
        return bill, answer
    written = override.cache_creation_input_tokens
    bill = InputBill(
        _first(override.input_tokens, bill.input_tokens),
        _first(override.cache_read_input_tokens, bill.cache_read_tokens),
        _first(written, bill.cache_write_5m_tokens),
        bill.cache_write_1h_tokens if written is None else 0,
    )
    output = _first(override.output_tokens, answer.output_tokens)
    thinking = min(answer.thinking_tokens, output)
    return bill, Answer(answer.content, answer.stop_reason, answer.stop_sequence, output, thinking)


def _first(given: int | None, otherwise: int) -> int:
    return otherwise if given is None else given


def compact(payload: object) -> bytes:
    """JSON without spaces, in UTF-8, as the API writes it."""
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()


def stream_bytes(reported: Reported) -> bytes:
    """The whole stream. Equals the joined events of stream_events, from prepared parts."""
    return b"".join(
        (
            Event(reported.start()).encode(),
            _content_bytes(reported.answer.content),
            Event(reported.delta()).encode(),
            _STOP,
        )
    )


def stream_events(reported: Reported) -> list[Event]:
    """The stream's events, each with the tokens written by then."""
    answer = reported.answer
    return [
        Event(reported.start()),
        *_with_tokens(content_events(answer.content), reported),
        Event(reported.delta(), answer.output_tokens),
        Event({"type": "message_stop"}, answer.output_tokens),
    ]


def _content_bytes(content: Content) -> bytes:
    few = len(content.text) <= _MOST_DELTAS_REMEMBERED
    return _remembered_bytes(content) if few else _rendered_bytes(content)


@lru_cache(maxsize=256)
def _remembered_bytes(content: Content) -> bytes:
    return _rendered_bytes(content)


def _rendered_bytes(content: Content) -> bytes:
    return b"".join(Event(payload).encode() for payload in content_events(content))


def content_events(content: Content) -> list[Payload]:
    """The events of the content blocks, with the ping that the API sends after the first one's start."""
    events: list[Payload] = []
    if content.thinking is not None:
        empty = {"type": "thinking", "thinking": "", "signature": ""}
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in content.thinking]
        deltas.append({"type": "signature_delta", "signature": content.signature})
        events += _block_events(0, empty, deltas)
    if content.text:
        deltas = [{"type": "text_delta", "text": piece} for piece in content.text]
        index = 0 if content.thinking is None else 1
        events += _block_events(index, {"type": "text", "text": ""}, deltas)
    if events:
        events.insert(1, {"type": "ping"})
    return events


def _block_events(index: int, empty: Payload, deltas: Sequence[Payload]) -> list[Payload]:
    return [
        {"type": "content_block_start", "index": index, "content_block": empty},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def _with_tokens(payloads: Sequence[Payload], reported: Reported) -> list[Event]:
    """Thinking is counted when its block ends, text as it comes, never past the reported total."""
    total = reported.answer.output_tokens
    thought = 0
    text_bytes = 0
    events = []
    for payload in payloads:
        delta = payload.get("delta", {})
        if delta.get("type") == "signature_delta":
            thought = reported.answer.thinking_tokens
        text_bytes += len(delta.get("text", "").encode())
        written = thought + tokens_of_bytes(text_bytes, reported.token_percent)
        events.append(Event(payload, min(written, total)))
    return events


def _blocks(content: Content) -> list[Payload]:
    blocks: list[Payload] = []
    if content.thinking is not None:
        thinking = "".join(content.thinking)
        blocks.append({"type": "thinking", "thinking": thinking, "signature": content.signature})
    if content.text:
        blocks.append({"type": "text", "text": "".join(content.text)})
    return blocks


def _end(answer: Answer) -> Payload:
    refused = answer.stop_reason == "refusal"
    details = {"type": "refusal", "category": None, "explanation": None} if refused else None
    return {
        "stop_reason": answer.stop_reason,
        "stop_sequence": answer.stop_sequence,
        "stop_details": details,
    }
