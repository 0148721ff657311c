"""The Messages API's event stream, incrementally: bytes in, facts out; no I/O, no clock.

Source of the grammar: docs.claude.com/en/api/messages-streaming, and `RawMessageStreamEvent` in the
anthropic package. This file owns the rule of completeness. Only

    message_start, (content_block_start, content_block_delta*, content_block_stop)*,
    message_delta with a stop_reason, message_stop

is a whole message. Pings may stand anywhere; unknown events and unknown deltas are skipped, so that
the API can grow. Everything else, an early end above all, is a fault with a reason: never silence.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from pydantic_core import from_json

from tierwise_server.core.estimate import text_tokens
from tierwise_server.core.model import FinishReason, Usage
from tierwise_server.core.tally import Wire
from tierwise_server.providers.anthropic.usage import UsageMeter
from tierwise_server.providers.base import Begun, Completed, TextPiece
from tierwise_server.providers.sse import DEFAULT_MAX_EVENT_BYTES, EventCutter, decode

# The one event that comes a hundred times per answer, as the API writes it (it pads with spaces).
# What matches means the same on the slow way; what does not match takes that way.
_PLAIN_TEXT_DELTA: Final = re.compile(
    rb"event: content_block_delta\ndata: "
    rb'\{"type":"content_block_delta","index":(\d+),'
    rb'"delta":\{"type":"text_delta","text":("[^"\\\x00-\x1f]*+(?:\\.[^"\\\x00-\x1f]*+)*+")\} *\}'
)

# What travels on to callers and spans; anything else may hold text of the prompt.
_WORD: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")


class StreamFault(enum.Enum):
    """What was wrong with a stream. The values are stable and safe to log."""

    TRUNCATED = "truncated"
    """The bytes ended before message_stop."""
    EMPTY = "empty"
    """The bytes ended before any event: an empty body, or one that is no event stream."""
    ORDER = "order"
    """An event that may not stand here: before message_start, twice, or in the wrong block."""
    INDEX = "index"
    """Content blocks are not numbered 0, 1, 2, or an event names a block that is not open."""
    AFTER_END = "after_end"
    """An event after message_stop."""
    JSON = "json"
    """Data that is not JSON; half of a surrogate pair counts as that too."""
    UTF8 = "utf8"
    """Data that is not UTF-8."""
    SHAPE = "shape"
    """A known event without a field it must have, or with one of another type."""
    USAGE = "usage"
    """A token count that is negative, no integer, or absurd."""
    TOO_LONG = "too_long"
    """An event longer than what is buffered."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Content moved on without text: thinking, a signature, tool input, a block's start or end."""


@dataclass(frozen=True, slots=True)
class Ping:
    """A keep-alive: the connection lives, the answer did not move."""


@dataclass(frozen=True, slots=True)
class Errored:
    """The API ended the stream with an error event.

    Attributes:
        error_type: `error.type`, such as "overloaded_error"; "unknown" when it is no plain name.
        error_code: `error.details.error_code`; empty when there is none.
    """

    error_type: str
    error_code: str


@dataclass(frozen=True, slots=True)
class Broken:
    """The stream was not a whole, well-formed message."""

    fault: StreamFault


StreamEvent: TypeAlias = Begun | TextPiece | Progress | Ping
StreamEnd: TypeAlias = Completed | Errored | Broken

FINISH_REASONS: Final[dict[str, FinishReason]] = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP_SEQUENCE,
    "max_tokens": FinishReason.LENGTH,
    "refusal": FinishReason.REFUSAL,
    "model_context_window_exceeded": FinishReason.CONTEXT_WINDOW,
    "tool_use": FinishReason.TOOL_USE,
    "pause_turn": FinishReason.PAUSE,
}
"""`stop_reason` in the core's words; any other is OTHER."""

_PROGRESS: Final = Progress()
_PING: Final = Ping()

# JSON from the outside: every use checks the type it needs.
_Json: TypeAlias = dict[str, Any]


class _Phase(enum.Enum):
    NEW = enum.auto()
    BETWEEN_BLOCKS = enum.auto()
    IN_TEXT = enum.auto()
    IN_OTHER = enum.auto()
    STOPPED = enum.auto()
    ENDED = enum.auto()
    FAILED = enum.auto()


class _EndedError(Exception):
    """Leaves a handler when the stream is over before its time; never leaves this file."""

    def __init__(self, end: StreamEnd) -> None:
        super().__init__()
        self.end = end


def _broken(fault: StreamFault) -> _EndedError:
    return _EndedError(Broken(fault))


class MessageStreamParser:
    """Reads one streamed message. Feed it every chunk in order, then `close` it at the end.

    The same bytes in other pieces give the same text, usage and end.

    Args:
        wire: told of what was begun, and of the thinking that is shown.
        max_event_bytes: an event longer than this is a fault.
    """

    __slots__ = (
        "_cutter",
        "_end",
        "_events",
        "_index",
        "_index_digits",
        "_phase",
        "_stop_reason",
        "_texts",
        "_usage",
        "_wire",
    )

    def __init__(
        self, wire: Wire | None = None, *, max_event_bytes: int = DEFAULT_MAX_EVENT_BYTES
    ) -> None:
        self._cutter = EventCutter(max_event_bytes=max_event_bytes)
        self._wire = Wire() if wire is None else wire
        self._usage = UsageMeter()
        self._phase = _Phase.NEW
        self._index = 0
        self._index_digits = b"0"
        self._stop_reason = ""
        self._end: StreamEnd | None = None
        self._events: list[StreamEvent] = []
        self._texts: list[str] = []

    @property
    def ended(self) -> bool:
        """Whether the end is known; what may still come can only spoil it."""
        return self._end is not None

    @property
    def usage(self) -> Usage:
        """The most that was counted so far; zeros before message_start. A floor, not a bill."""
        return self._usage.largest()

    def feed(self, chunk: bytes) -> list[StreamEvent]:
        """Take the next bytes; return what they brought, in order. Never raises.

        The text of one chunk comes as one piece. How the stream ended is for `close` to say.
        """
        if self._phase is _Phase.FAILED:
            return []
        try:
            for event in self._cutter.feed(chunk):
                if self._phase is not _Phase.IN_TEXT or not self._skim(event):
                    self._take(event)
            if self._cutter.overflowed:
                raise _broken(StreamFault.TOO_LONG)
        except _EndedError as ended:
            self._end = ended.end
            self._phase = _Phase.FAILED
        return self._drain()

    def close(self) -> StreamEnd:
        """Say how the stream ended, taking what was fed as all there is. Idempotent."""
        if self._end is None:
            new = self._phase is _Phase.NEW
            self._end = Broken(StreamFault.EMPTY if new else StreamFault.TRUNCATED)
        return self._end

    def _drain(self) -> list[StreamEvent]:
        events, self._events = self._events, []
        if self._texts:
            text = "".join(self._texts)
            self._texts.clear()
            if text:
                events.append(TextPiece(text))
        return events

    def _skim(self, event: bytes) -> bool:
        """Take a plain text delta of the open block; False when `event` is anything else."""
        plain = _PLAIN_TEXT_DELTA.fullmatch(event)
        if plain is None or plain[1] != self._index_digits:
            return False
        try:
            self._texts.append(from_json(plain[2]))
        except ValueError:
            return False
        return True

    def _take(self, event: bytes) -> None:
        decoded = decode(event)
        if decoded is None:
            return
        if self._phase is _Phase.ENDED:
            raise _broken(StreamFault.AFTER_END)
        name, data = decoded
        body = _parse(data)
        kind = body.get("type")
        if kind is None:
            kind = name.decode("ascii", "replace")
        handler = _HANDLERS.get(kind) if type(kind) is str else MessageStreamParser._on_misshapen
        if handler is not None:
            handler(self, body)

    def _expect(self, *phases: _Phase) -> None:
        if self._phase not in phases:
            raise _broken(StreamFault.ORDER)

    def _expect_index(self, body: _Json) -> None:
        if body.get("index") != self._index:
            raise _broken(StreamFault.INDEX)

    def _count(self, count: Callable[[object], None], raw: object) -> None:
        try:
            count(raw)
        except ValueError:
            raise _broken(StreamFault.USAGE) from None

    def _note(self, event: StreamEvent) -> None:
        if event not in self._events:
            self._events.append(event)

    def _on_delta(self, body: _Json) -> None:
        self._expect(_Phase.IN_TEXT, _Phase.IN_OTHER)
        self._expect_index(body)
        delta = body.get("delta")
        if type(delta) is not dict:
            raise _broken(StreamFault.SHAPE)
        if delta.get("type") != "text_delta":
            if type(thinking := delta.get("thinking")) is str:
                self._wire.thought_tokens += text_tokens(thinking)
            self._note(_PROGRESS)
            return
        self._expect(_Phase.IN_TEXT)
        text = delta.get("text")
        if type(text) is not str:
            raise _broken(StreamFault.SHAPE)
        self._texts.append(text)

    def _on_message_start(self, body: _Json) -> None:
        self._expect(_Phase.NEW)
        self._phase = _Phase.BETWEEN_BLOCKS
        message = _mapping(body, "message")
        raw_usage = message.get("usage")
        self._count(self._usage.start, raw_usage)
        usage = None if raw_usage is None else self._usage.largest()
        self._wire.out = False
        self._events.append(Begun(_plain(_string(message, "id"), _ID), usage))

    def _on_block_start(self, body: _Json) -> None:
        self._expect(_Phase.BETWEEN_BLOCKS)
        self._expect_index(body)
        block = _mapping(body, "content_block")
        if _string(block, "type") == "text":
            self._phase = _Phase.IN_TEXT
            self._texts.append(_string(block, "text"))
        else:
            self._phase = _Phase.IN_OTHER
        self._note(_PROGRESS)

    def _on_block_stop(self, body: _Json) -> None:
        self._expect(_Phase.IN_TEXT, _Phase.IN_OTHER)
        self._expect_index(body)
        self._phase = _Phase.BETWEEN_BLOCKS
        self._index += 1
        self._index_digits = b"%d" % self._index
        self._note(_PROGRESS)

    def _on_message_delta(self, body: _Json) -> None:
        self._expect(_Phase.BETWEEN_BLOCKS, _Phase.STOPPED)
        self._count(self._usage.update, body.get("usage"))
        delta = _mapping(body, "delta")
        if delta.get("stop_reason") is not None:
            self._stop_reason = _plain(_string(delta, "stop_reason"), _WORD)
            self._phase = _Phase.STOPPED

    def _on_message_stop(self, _body: _Json) -> None:
        self._expect(_Phase.STOPPED)
        self._phase = _Phase.ENDED
        reason = FINISH_REASONS.get(self._stop_reason, FinishReason.OTHER)
        self._end = Completed(reason, self._stop_reason, self._usage.final())

    def _on_ping(self, _body: _Json) -> None:
        self._note(_PING)

    def _on_error(self, body: _Json) -> None:
        error = body.get("error")
        details = error.get("details") if isinstance(error, dict) else None
        error_type = _identifier(error, "type") or "unknown"
        raise _EndedError(Errored(error_type, _identifier(details, "error_code")))

    def _on_misshapen(self, _body: _Json) -> None:
        raise _broken(StreamFault.SHAPE)


_HANDLERS: Final[dict[str, Callable[[MessageStreamParser, _Json], None]]] = {
    "message_start": MessageStreamParser._on_message_start,
    "content_block_start": MessageStreamParser._on_block_start,
    "content_block_delta": MessageStreamParser._on_delta,
    "content_block_stop": MessageStreamParser._on_block_stop,
    "message_delta": MessageStreamParser._on_message_delta,
    "message_stop": MessageStreamParser._on_message_stop,
    "ping": MessageStreamParser._on_ping,
    "error": MessageStreamParser._on_error,
}


def _parse(data: bytes) -> _Json:
    try:
        body = from_json(data, allow_inf_nan=False)
    except ValueError:
        raise _broken(StreamFault.JSON if _is_utf8(data) else StreamFault.UTF8) from None
    if type(body) is not dict:
        raise _broken(StreamFault.SHAPE)
    return body


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _mapping(body: _Json, key: str) -> _Json:
    value = body.get(key)
    if type(value) is not dict:
        raise _broken(StreamFault.SHAPE)
    return value


def _string(body: _Json, key: str) -> str:
    value = body.get(key)
    if type(value) is not str:
        raise _broken(StreamFault.SHAPE)
    return value


def _plain(text: str, pattern: re.Pattern[str]) -> str:
    """The text where it is what it should be; empty otherwise."""
    return text if pattern.fullmatch(text) else ""


def _identifier(body: object, key: str) -> str:
    """A field that is a plain word; empty for anything else."""
    value = body.get(key) if isinstance(body, dict) else None
    return _plain(value, _WORD) if isinstance(value, str) else ""
