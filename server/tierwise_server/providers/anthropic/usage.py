"""How the Messages API counts tokens, brought to the core's `Usage`.

The API's `input_tokens` excludes what the cache served or took; ours includes it. Counts in
message_start are a beginning (output above all), those in message_delta are cumulative, and only a
message_delta's output count is a final one. Source: docs.claude.com/en/api/messages-streaming and
`Usage`, `MessageDeltaUsage` in the anthropic package.
"""

from __future__ import annotations

from typing import Final

from tierwise_server.core.model import Usage

MAX_TOKENS: Final = 1_000_000_000
"""A count above this is nonsense; at 1,000 USD per million tokens its cost still fits 64 bits."""

_TOTALS: Final = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
_OUTPUT: Final = "output_tokens"
_THINKING: Final = "thinking_tokens"
_WRITTEN_1H: Final = "ephemeral_1h_input_tokens"


class UsageMeter:
    """Adds up the counts of one message. Every method raises ValueError on a count that is no count."""

    __slots__ = ("_counts", "_doubtful", "_final_output")

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._final_output = False
        self._doubtful = False

    def start(self, raw: object) -> None:
        """Take the usage of message_start; None when the event had none."""
        fields = _mapping(raw)
        for name in (*_TOTALS, _OUTPUT):
            self._raise_to(name, _count(fields, name))
        self._raise_to(_WRITTEN_1H, _count(_mapping(fields.get("cache_creation")), _WRITTEN_1H))

    def update(self, raw: object) -> None:
        """Take the cumulative usage of a message_delta; None when the event had none."""
        fields = _mapping(raw)
        output = _count(fields, _OUTPUT)
        if output is not None and not self._final_output:
            self._final_output = True
            self._counts[_OUTPUT] = 0
        for name in _TOTALS:
            self._raise_to(name, _count(fields, name))
        self._raise_to(_OUTPUT, output)
        details = _mapping(fields.get("output_tokens_details"))
        self._raise_to(_THINKING, _count(details, _THINKING))

    def largest(self) -> Usage:
        """The most that was counted so far; zeros where nothing was."""
        count = self._counts.get
        read, written = count(_TOTALS[2], 0), count(_TOTALS[1], 0)
        written_1h = min(count(_WRITTEN_1H, 0), written)
        output = count(_OUTPUT, 0)
        return Usage(
            input_tokens=count(_TOTALS[0], 0) + read + written,
            cache_read_tokens=read,
            cache_write_tokens=written - written_1h,
            cache_write_1h_tokens=written_1h,
            output_tokens=output,
            reasoning_tokens=min(count(_THINKING, 0), output),
        )

    def final(self) -> Usage | None:
        """The bill; None when a count is missing or went down, so that the bill is not known."""
        known = self._final_output and _TOTALS[0] in self._counts and not self._doubtful
        return self.largest() if known else None

    def _raise_to(self, name: str, count: int | None) -> None:
        if count is None:
            return
        before = self._counts.get(name, 0)
        if count < before:
            self._doubtful = True
        self._counts[name] = max(before, count)


def _mapping(raw: object) -> dict[str, object]:
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise ValueError("usage is not an object")
    return raw


def _count(fields: dict[str, object], name: str) -> int | None:
    value = fields.get(name)
    if value is None:
        return None
    # By type, because True is an int that counts nothing.
    if type(value) is not int or not 0 <= value <= MAX_TOKENS:
        raise ValueError(f"{name} is not a count")
    return value
