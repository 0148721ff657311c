"""Everything that can be made to go wrong with one response, as typed switches.

A rule of the script, or the `x-simulator-fault` header of one request, holds one switch. `kind` says which. Three
families differ in what they act on:

- instead of an answer: status, redirect, html, empty, drop, hang, pings_only
- on the answer's events, before they are bytes (streams only, but for unknown_stop_reason, usage, invalid_json and
  invalid_utf8): error_event, missing_start, missing_stop, duplicate_stop, index_gap, unknown_event, unknown_delta,
  oversized_event, slow_first_token
- on the answer's bytes: cut, end, reset, stall, slow_drip, gzip, content_type

`at_byte` counts the bytes of the body, without HTTP framing. `at_event` counts events from 0, which is message_start.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

HeaderValue: TypeAlias = Annotated[str, Field(pattern=r"^[\x20-\x7e]*$", max_length=4096)]
Seconds: TypeAlias = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]
ByteCount: TypeAlias = Annotated[int, Field(ge=0)]
EventCount: TypeAlias = Annotated[int, Field(ge=0)]
BodySize: TypeAlias = Annotated[int, Field(ge=1, le=1 << 30)]

FIRST_DELTA: Final = 3
"""The event index of an answer's first text delta when it does not think: start, block start, ping, delta."""

HOLD_S: Final = 600.0
"""How long a stall lasts unless told: longer than any sensible test waits."""


class _Switch(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Status(_Switch):
    """An error response instead of an answer."""

    kind: Literal["status"]
    status: Annotated[int, Field(ge=400, le=599)]
    retry_after: HeaderValue | None = None
    error_type: str | None = None
    message: str | None = None


class Redirect(_Switch):
    """A 307 to `location`."""

    kind: Literal["redirect"]
    location: HeaderValue = "/simulator/elsewhere"


class Html(_Switch):
    """A 200 holding an HTML page, as a proxy's login page would."""

    kind: Literal["html"]


class Empty(_Switch):
    """A 200 with the right content type and no body."""

    kind: Literal["empty"]


class Drop(_Switch):
    """The connection closes before a status line, by FIN, or RST if `reset`."""

    kind: Literal["drop"]
    reset: bool = False


class Hang(_Switch):
    """No status line for `for_s` seconds, then the connection closes."""

    kind: Literal["hang"]
    for_s: Seconds = HOLD_S


class PingsOnly(_Switch):
    """A stream of pings, one each `interval_s`, for `for_s` seconds, then the connection closes."""

    kind: Literal["pings_only"]
    interval_s: Annotated[float, Field(ge=0.001, le=3600)] = 0.02
    for_s: Annotated[float, Field(ge=0, le=3600)] = HOLD_S


class ErrorEvent(_Switch):
    """An error event after `at_event` events; the body then ends cleanly."""

    kind: Literal["error_event"]
    at_event: EventCount = FIRST_DELTA + 1
    error_type: str = "overloaded_error"
    message: str = "Overloaded"


class MissingStart(_Switch):
    """No message_start."""

    kind: Literal["missing_start"]


class MissingStop(_Switch):
    """No message_stop; the body ends cleanly."""

    kind: Literal["missing_stop"]


class DuplicateStop(_Switch):
    """message_stop twice."""

    kind: Literal["duplicate_stop"]


class IndexGap(_Switch):
    """Content block indexes that are two too high."""

    kind: Literal["index_gap"]


class UnknownEvent(_Switch):
    """An event of a type nobody has heard of, before event `at_event`."""

    kind: Literal["unknown_event"]
    at_event: EventCount = FIRST_DELTA + 1


class UnknownDelta(_Switch):
    """A content_block_delta of an unknown type, before event `at_event`."""

    kind: Literal["unknown_delta"]
    at_event: EventCount = FIRST_DELTA + 1


class UnknownStopReason(_Switch):
    """A stop_reason nobody has heard of."""

    kind: Literal["unknown_stop_reason"]
    stop_reason: str = "simulator_stop"


class InvalidJson(_Switch):
    """The data of event `at_event` (or the whole body, unstreamed) is cut so that it is not JSON."""

    kind: Literal["invalid_json"]
    at_event: EventCount = FIRST_DELTA


class InvalidUtf8(_Switch):
    """Event `at_event` (or the body, unstreamed) holds a byte that is not UTF-8."""

    kind: Literal["invalid_utf8"]
    at_event: EventCount = FIRST_DELTA


class UsageFault(_Switch):
    """Token counts that make no sense. The journal keeps the true ones."""

    kind: Literal["usage"]
    mode: Literal["absent", "negative", "decreasing", "huge"]


class OversizedEvent(_Switch):
    """One more text delta, `size_bytes` long, before event `at_event`."""

    kind: Literal["oversized_event"]
    size_bytes: BodySize = 10 * 1024 * 1024
    at_event: EventCount = FIRST_DELTA


class SlowFirstToken(_Switch):
    """A pause of `delay_s` between message_start and the first content."""

    kind: Literal["slow_first_token"]
    delay_s: Seconds


class Cut(_Switch):
    """FIN after `at_byte` bytes, without the end that chunked encoding or content-length promises."""

    kind: Literal["cut"]
    at_byte: ByteCount


class End(_Switch):
    """A clean end of the body after `at_byte` bytes."""

    kind: Literal["end"]
    at_byte: ByteCount


class Reset(_Switch):
    """RST after `at_byte` bytes."""

    kind: Literal["reset"]
    at_byte: ByteCount


class Stall(_Switch):
    """Silence after `at_byte` bytes, until the client leaves or `for_s` seconds pass; then as `cut`."""

    kind: Literal["stall"]
    at_byte: ByteCount
    for_s: Seconds = HOLD_S


class SlowDrip(_Switch):
    """The body at `bytes_per_s`."""

    kind: Literal["slow_drip"]
    bytes_per_s: Annotated[float, Field(gt=0, le=1e9)]


class Gzip(_Switch):
    """A gzip body that nobody asked for, padded with white space to at least `inflated_bytes` before compression."""

    kind: Literal["gzip"]
    inflated_bytes: Annotated[int, Field(ge=0, le=1 << 30)] = 0


class ContentType(_Switch):
    """The right body under the wrong content type."""

    kind: Literal["content_type"]
    content_type: HeaderValue = "text/plain; charset=utf-8"


Instead: TypeAlias = Status | Redirect | Html | Empty | Drop | Hang | PingsOnly
OnEvents: TypeAlias = (
    ErrorEvent
    | MissingStart
    | MissingStop
    | DuplicateStop
    | IndexGap
    | UnknownEvent
    | UnknownDelta
    | UnknownStopReason
    | InvalidJson
    | InvalidUtf8
    | UsageFault
    | OversizedEvent
)
OnBytes: TypeAlias = Cut | End | Reset | Stall | SlowDrip | Gzip | ContentType

FaultSwitch: TypeAlias = Annotated[
    Instead | OnEvents | OnBytes | SlowFirstToken, Field(discriminator="kind")
]
"""What `fault` in a rule and the `x-simulator-fault` header hold."""

fault_switch: Final[TypeAdapter[FaultSwitch]] = TypeAdapter(FaultSwitch)
"""Validates one switch from plain values."""
