"""Server-sent events, incrementally: bytes in, whole events out; no I/O, no clock.

The format is the WHATWG HTML standard, section 9.2.6 ("Interpreting an event stream"). `id`, `retry`
and unknown fields are dropped: they serve a reader that reconnects, and a model call is never resumed.
What the events mean is the business of the caller; see `anthropic/stream.py`.
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias

DEFAULT_MAX_EVENT_BYTES: Final = 4 * 1024 * 1024
"""The longest event that is accepted, in bytes: far above any real delta, far below what hurts."""

DecodedEvent: TypeAlias = tuple[bytes, bytes]
"""(name, data); the name is empty where the stream gave none."""

_BOM: Final = b"\xef\xbb\xbf"

# The group is atomic, so that one CRLF is never taken for two line ends.
_BLANK_LINE: Final = re.compile(rb"(?>\r\n|\n|\r){2}")
_LONGEST_BLANK_LINE: Final = len(b"\r\n\r\n")

# What every known server sends; anything else takes the slow way.
_PLAIN_EVENT: Final = re.compile(rb"event: ([^\r\n]*)\ndata: ([^\r\n]*)")


class EventCutter:
    """Cuts one response body into events, however its bytes were split on the way.

    The same bytes in other pieces give the same events in the same order.

    Args:
        max_event_bytes: an event longer than this ends the cutting; see `overflowed`.
    """

    __slots__ = ("_at_start", "_max_event_bytes", "_pending", "overflowed")

    def __init__(self, *, max_event_bytes: int = DEFAULT_MAX_EVENT_BYTES) -> None:
        self._max_event_bytes = max_event_bytes
        self._pending = bytearray()
        self._at_start = True
        self.overflowed = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take the next bytes; return the events that they complete, for `decode`, oldest first.

        Never raises. Once an event was too long, `overflowed` is true and nothing more comes.
        """
        if self.overflowed:
            return []
        data = self._join(chunk)
        # Every known server ends lines with LF alone, for which a plain split is exact.
        events = _BLANK_LINE.split(data) if b"\r" in data else data.split(b"\n\n")
        self._pending += events.pop()
        if self._at_start and events:
            self._at_start = False
            events[0] = events[0].removeprefix(_BOM)
        # The last few bytes kept may yet turn out to be the blank line.
        if max(len(data), len(self._pending) - _LONGEST_BLANK_LINE) > self._max_event_bytes:
            return self._until_too_long(events)
        return events

    def _join(self, chunk: bytes) -> bytes:
        """What can be cut now: nothing, while the event begun earlier has not ended."""
        pending = self._pending
        if not pending:
            return chunk
        # Only the new bytes are searched: an event that drips in costs no more than one that flows.
        searched = max(0, len(pending) - _LONGEST_BLANK_LINE)
        pending += chunk
        if _BLANK_LINE.search(pending, searched) is None:
            return b""
        data = bytes(pending)
        pending.clear()
        return data

    def _until_too_long(self, events: list[bytes]) -> list[bytes]:
        limit = self._max_event_bytes
        for position, event in enumerate(events):
            if len(event) > limit:
                events = events[:position]
                self.overflowed = True
                break
        if len(self._pending) - _LONGEST_BLANK_LINE > limit:
            self.overflowed = True
        if self.overflowed:
            self._pending.clear()
        return events


def decode(event: bytes) -> DecodedEvent | None:
    """Read an event's fields; None when it holds no data, which the standard does not dispatch."""
    plain = _PLAIN_EVENT.fullmatch(event)
    return (plain[1], plain[2]) if plain else _decode_lines(event)


def _decode_lines(event: bytes) -> DecodedEvent | None:
    name = b""
    data: list[bytes] = []
    for line in event.splitlines():
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value
    return (name, b"\n".join(data)) if data else None
