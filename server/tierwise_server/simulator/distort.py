"""Faults in what an answer says, before it is bytes: event lists in, event lists out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, assert_never

from tierwise_server.simulator.api_errors import error_payload
from tierwise_server.simulator.render import Event, Payload, compact
from tierwise_server.simulator.switches import (
    DuplicateStop,
    ErrorEvent,
    IndexGap,
    InvalidJson,
    InvalidUtf8,
    MissingStart,
    MissingStop,
    OnEvents,
    OversizedEvent,
    UnknownDelta,
    UnknownEvent,
    UnknownStopReason,
    UsageFault,
)

_HUGE: Final = 2**63
_MORE_THAN_THE_END: Final = 1_000_000
_INDEX_GAP: Final = 2


def distort_events(events: list[Event], switch: OnEvents, request_id: str) -> list[Event]:
    """The events with one fault in them. Positions beyond the end act at the end."""
    match switch:
        case ErrorEvent():
            kept = events[: switch.at_event]
            payload = error_payload(switch.error_type, switch.message, request_id)
            return [*kept, Event(payload, _written(kept))]
        case MissingStart():
            return [event for event in events if event.name != "message_start"]
        case MissingStop():
            return [event for event in events if event.name != "message_stop"]
        case DuplicateStop():
            return [*events, events[-1]]
        case IndexGap():
            return [_changed(event, _shift_index) for event in events]
        case UnknownEvent() | UnknownDelta() | OversizedEvent():
            return _inserted(events, switch)
        case UnknownStopReason():
            return [
                _changed(event, lambda payload: _set_stop_reason(payload, switch.stop_reason))
                for event in events
            ]
        case InvalidJson() | InvalidUtf8():
            at = min(switch.at_event, len(events) - 1)
            spoil = _spoiled_json if isinstance(switch, InvalidJson) else _spoiled_utf8
            spoiled = Event(
                events[at].payload, events[at].output_tokens, spoil(compact(events[at].payload))
            )
            return [*events[:at], spoiled, *events[at + 1 :]]
        case UsageFault():
            return [
                _changed(event, lambda payload: _bend_usage(payload, switch)) for event in events
            ]
        case _:
            assert_never(switch)


def distort_message(message: Payload, switch: OnEvents) -> bytes:
    """An unstreamed answer's body with one fault in it; faults of events only leave it whole."""
    match switch:
        case UnknownStopReason():
            return compact({**message, "stop_reason": switch.stop_reason})
        case UsageFault():
            return compact(_bend_usage(message, switch))
        case InvalidJson():
            return _spoiled_json(compact(message))
        case InvalidUtf8():
            return _spoiled_utf8(compact(message))
        case _:
            return compact(message)


def _written(events: list[Event]) -> int:
    return events[-1].output_tokens if events else 0


def _changed(event: Event, change: Callable[[Payload], Payload]) -> Event:
    return Event(change(event.payload), event.output_tokens, event.data)


def _inserted(
    events: list[Event], switch: UnknownEvent | UnknownDelta | OversizedEvent
) -> list[Event]:
    before, after = events[: switch.at_event], events[switch.at_event :]
    extra: Payload
    if isinstance(switch, UnknownEvent):
        extra = {"type": "simulator_event", "note": "a kind of event that does not exist"}
    elif isinstance(switch, UnknownDelta):
        delta = {"type": "simulator_delta", "text": "a kind of delta that does not exist"}
        extra = {"type": "content_block_delta", "index": 0, "delta": delta}
    else:
        padding = {"type": "text_delta", "text": "x" * switch.size_bytes}
        extra = {"type": "content_block_delta", "index": 0, "delta": padding}
    return [*before, Event(extra, _written(before)), *after]


def _shift_index(payload: Payload) -> Payload:
    if "index" not in payload:
        return payload
    return {**payload, "index": payload["index"] + _INDEX_GAP}


def _set_stop_reason(payload: Payload, reason: str) -> Payload:
    if payload["type"] != "message_delta":
        return payload
    return {**payload, "delta": {**payload["delta"], "stop_reason": reason}}


def _spoiled_json(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _spoiled_utf8(data: bytes) -> bytes:
    """A byte that no UTF-8 text holds, inside the first string, so that nothing else is wrong."""
    return data.replace(b'"', b'"\xff', 1)


def _bend_usage(payload: Payload, switch: UsageFault) -> Payload:
    holder: Any = payload.get("message", payload)
    if "usage" not in holder:
        return payload
    bent = {key: value for key, value in holder.items() if key != "usage"}
    first = holder is not payload
    if switch.mode == "negative":
        bent["usage"] = {**holder["usage"], "input_tokens": -7, "output_tokens": -5}
    elif switch.mode == "huge":
        bent["usage"] = {**holder["usage"], "input_tokens": _HUGE, "output_tokens": _HUGE}
    elif switch.mode == "decreasing":
        more = _MORE_THAN_THE_END if first else 0
        counts = {key: holder["usage"][key] + more for key in ("input_tokens", "output_tokens")}
        bent["usage"] = {**holder["usage"], **counts}
    return {**payload, "message": bent} if first else bent
