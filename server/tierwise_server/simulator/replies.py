"""One HTTP response as a plan: what to write, when, and how it ends. Pure; delivery.py carries it out."""

from __future__ import annotations

import enum
import gzip
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from tierwise_server.simulator.render import PING, Event
from tierwise_server.simulator.script import Defaults, Rule
from tierwise_server.simulator.switches import (
    ContentType,
    Cut,
    End,
    Gzip,
    OnBytes,
    Reset,
    SlowDrip,
    Stall,
)
from tierwise_server.simulator.tokens import NOTHING, InputBill

JSON_TYPE: Final = "application/json"
STREAM_TYPE: Final = "text/event-stream; charset=utf-8"
HTML_TYPE: Final = "text/html; charset=utf-8"

_DRIP_INTERVAL_S: Final = 0.02
_PADDING: Final = b" " * ((1 << 20) - 1) + b"\n"
"""White space to JSON, and to a reader of events a field with no meaning."""


class Ending(enum.Enum):
    """How a response ends."""

    COMPLETE = "completed"
    """With all the body that was promised."""
    CUT = "cut"
    """The connection closes early, by FIN."""
    RESET = "reset"
    """The connection closes early, by RST."""


@dataclass(frozen=True, slots=True)
class Step:
    """Some bytes of the body, after a wait; `output_tokens` have been written once they are out."""

    data: bytes
    wait_s: float = 0.0
    output_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """A response to be.

    Attributes:
        status: the HTTP status; 0 closes the connection without a response.
        content_type: the media type.
        headers: further headers.
        steps: the body.
        content_length: the length promised; None means chunked encoding.
        wait_s: time before the status line.
        hold_s: silence after the body, before the ending.
        ending: how it ends.
        bill: input tokens incurred by starting the answer at all.
        output_tokens: output tokens incurred however little of the body is delivered.
        deltas: how many content deltas the body holds.
    """

    status: int = 200
    content_type: str = JSON_TYPE
    headers: Mapping[str, str] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    content_length: int | None = None
    wait_s: float = 0.0
    hold_s: float = 0.0
    ending: Ending = Ending.COMPLETE
    bill: InputBill = NOTHING
    output_tokens: int = 0
    deltas: int = 0


def json_reply(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> Reply:
    """A JSON response in one piece."""
    return Reply(status, headers=headers or {}, steps=(Step(body),), content_length=len(body))


@dataclass(frozen=True, slots=True)
class Pace:
    """The waits of one answer, in seconds."""

    headers_s: float
    first_token_s: float
    delta_s: float
    ping_s: float | None

    @classmethod
    def of(cls, rule: Rule, defaults: Defaults) -> Pace:
        """What the rule says, and the defaults where it is silent."""

        def chosen(given: float | None, otherwise: float) -> float:
            return otherwise if given is None else given

        return cls(
            chosen(rule.headers_delay_s, defaults.headers_delay_s),
            chosen(rule.first_token_delay_s, defaults.first_token_delay_s),
            chosen(rule.delta_interval_s, defaults.delta_interval_s),
            defaults.ping_interval_s if rule.ping_interval_s is None else rule.ping_interval_s,
        )

    @property
    def bursts(self) -> bool:
        """Whether the body needs no waiting at all."""
        return self.first_token_s == 0 and self.delta_s == 0


def paced(events: Iterable[Event], pace: Pace) -> Iterator[Step]:
    """The events as steps: a wait before the first content, and before each further delta."""
    begun = False
    deltas = 0
    for event in events:
        wait = 0.0
        if event.name != "message_start" and not begun:
            begun = True
            wait = pace.first_token_s
        if event.name == "content_block_delta":
            deltas += 1
            wait += pace.delta_s if deltas > 1 else 0.0
        yield from _wait_with_pings(wait, pace.ping_s, event)


def _wait_with_pings(wait_s: float, ping_s: float | None, event: Event) -> Iterator[Step]:
    """Pings are planned, not timed, so that the body's bytes never depend on the clock."""
    pings = 0 if ping_s is None else max(math.ceil(wait_s / ping_s) - 1, 0)
    for _ in range(pings):
        yield Step(PING, ping_s or 0.0)
    left = wait_s - pings * (ping_s or 0.0)
    yield Step(event.encode(), left, event.output_tokens)


def spoil(reply: Reply, switch: OnBytes) -> Reply:
    """The reply with a fault in its bytes. Positions beyond the end act at the end."""
    match switch:
        case Cut():
            return replace(reply, steps=_first_bytes(reply, switch.at_byte), ending=Ending.CUT)
        case Reset():
            return replace(reply, steps=_first_bytes(reply, switch.at_byte), ending=Ending.RESET)
        case Stall():
            steps = _first_bytes(reply, switch.at_byte)
            return replace(reply, steps=steps, hold_s=switch.for_s, ending=Ending.CUT)
        case End():
            steps = _first_bytes(reply, switch.at_byte)
            return _of_length(replace(reply, steps=steps))
        case SlowDrip():
            return replace(reply, steps=tuple(_dripping(reply, switch.bytes_per_s)))
        case Gzip():
            return _gzipped(reply, switch.inflated_bytes)
        case ContentType():
            return replace(reply, content_type=switch.content_type)


def _of_length(reply: Reply) -> Reply:
    if reply.content_length is None:
        return reply
    return replace(reply, content_length=sum(len(step.data) for step in reply.steps))


def _first_bytes(reply: Reply, count: int) -> tuple[Step, ...]:
    kept: list[Step] = []
    written = 0
    for step in reply.steps:
        if len(step.data) > count:
            if count:
                kept.append(Step(step.data[:count], step.wait_s, written))
            break
        kept.append(step)
        written = step.output_tokens
        count -= len(step.data)
    return tuple(kept)


def _dripping(reply: Reply, bytes_per_s: float) -> Iterator[Step]:
    size = max(1, round(bytes_per_s * _DRIP_INTERVAL_S))
    written = 0
    for step in reply.steps:
        wait = step.wait_s
        for start in range(0, len(step.data), size):
            part = step.data[start : start + size]
            last = start + size >= len(step.data)
            written = step.output_tokens if last else written
            yield Step(part, wait + len(part) / bytes_per_s, written)
            wait = 0.0


def _gzipped(reply: Reply, inflated_bytes: int) -> Reply:
    body = b"".join(step.data for step in reply.steps)
    missing = max(0, inflated_bytes - len(body))
    body = _PADDING * math.ceil(missing / len(_PADDING)) + body
    written = reply.steps[-1].output_tokens if reply.steps else 0
    # A fixed time stamp in the gzip header keeps equal answers equal.
    packed = gzip.compress(body, mtime=0)
    headers = {**reply.headers, "content-encoding": "gzip"}
    reply = replace(reply, steps=(Step(packed, 0.0, written),), headers=headers)
    return _of_length(reply)
