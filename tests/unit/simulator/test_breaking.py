"""Faults in events, and faults in bytes, before any socket is involved."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.simulator.bodies import reported
from tierwise_server.simulator.distort import distort_events, distort_message
from tierwise_server.simulator.instead import instead_of_answer
from tierwise_server.simulator.render import PING, Event, stream_events
from tierwise_server.simulator.replies import Ending, Pace, Reply, Step, json_reply, paced, spoil
from tierwise_server.simulator.script import read_switch

EVENTS = stream_events(reported(("one", " two", " three")))
BURST = Pace(0, 0, 0, None)


def distorted(kind: str, **fields: Any) -> list[Event]:
    switch: Any = read_switch(json.dumps({"kind": kind, **fields}))
    return distort_events(EVENTS, switch, "req_1")


def broken(reply: Reply, kind: str, **fields: Any) -> Reply:
    switch: Any = read_switch(json.dumps({"kind": kind, **fields}))
    return spoil(reply, switch)


def body(reply: Reply) -> bytes:
    return b"".join(step.data for step in reply.steps)


def streamed(pace: Pace = BURST) -> Reply:
    return Reply(steps=tuple(paced(EVENTS, pace)))


WHOLE = body(streamed())


@pytest.mark.parametrize("at", range(len(EVENTS) + 2))
def test_an_error_event_ends_the_stream_after_any_event(at: int) -> None:
    events = distorted("error_event", at_event=at, error_type="api_error", message="no")
    assert events[:-1] == EVENTS[:at]
    error = {"type": "api_error", "message": "no"}
    assert events[-1].payload == {"type": "error", "error": error, "request_id": "req_1"}
    assert events[-1].output_tokens == (events[-2].output_tokens if at else 0)


def test_events_can_be_missing_or_doubled() -> None:
    assert distorted("missing_start") == EVENTS[1:]
    assert distorted("missing_stop") == EVENTS[:-1]
    assert distorted("duplicate_stop") == [*EVENTS, EVENTS[-1]]


def test_an_index_gap_moves_every_index() -> None:
    indexes = [e.payload["index"] for e in distorted("index_gap") if "index" in e.payload]
    assert set(indexes) == {2}


@pytest.mark.parametrize("kind", ["unknown_event", "unknown_delta"])
def test_an_unknown_event_is_added_and_nothing_is_lost(kind: str) -> None:
    events = distorted(kind, at_event=4)
    assert [*events[:4], *events[5:]] == EVENTS
    assert "does not exist" in json.dumps(events[4].payload)


def test_an_oversized_event_has_at_least_its_size() -> None:
    assert len(distorted("oversized_event", size_bytes=5000)[3].encode()) > 5000


def test_an_unknown_stop_reason_is_sent_as_it_is() -> None:
    reasons = [e.payload["delta"]["stop_reason"] for e in distorted("unknown_stop_reason")[-2:-1]]
    assert reasons == ["simulator_stop"]


@pytest.mark.parametrize("at", range(len(EVENTS) + 1))
def test_any_event_can_hold_invalid_json_or_utf8(at: int) -> None:
    spoiled = min(at, len(EVENTS) - 1)
    bad_json = distorted("invalid_json", at_event=at)[spoiled].encode()
    with pytest.raises(json.JSONDecodeError):
        json.loads(bad_json.split(b"data: ")[1])
    bad_text = distorted("invalid_utf8", at_event=at)[spoiled].encode()
    with pytest.raises(UnicodeDecodeError):
        bad_text.decode()
    assert json.loads(bad_text.split(b"data: ")[1].decode(errors="replace"))


@pytest.mark.parametrize("mode", ["absent", "negative", "decreasing", "huge"])
def test_usage_can_make_no_sense(mode: str) -> None:
    events = distorted("usage", mode=mode)
    start, end = events[0].payload["message"].get("usage"), events[-2].payload.get("usage")
    if mode == "absent":
        assert start is None
        assert end is None
        return
    assert start is not None
    assert end is not None
    expected = {
        "negative": end["output_tokens"] < 0 and start["input_tokens"] < 0,
        "decreasing": start["input_tokens"] > end["input_tokens"] > 0
        and start["output_tokens"] > end["output_tokens"] > 0,
        "huge": end["output_tokens"] == 2**63,
    }
    assert expected[mode]


@pytest.mark.parametrize(
    ("fields", "path", "value"),
    [
        ({"kind": "unknown_stop_reason"}, "stop_reason", "simulator_stop"),
        ({"kind": "usage", "mode": "absent"}, "usage", None),
        ({"kind": "missing_stop"}, "stop_reason", "end_turn"),
    ],
)
def test_an_unstreamed_answer_takes_the_faults_it_can(
    fields: dict[str, Any], path: str, value: object
) -> None:
    switch: Any = read_switch(json.dumps(fields))
    assert json.loads(distort_message(reported().message(), switch)).get(path) == value


@given(st.integers(0, len(WHOLE) + 10), st.sampled_from(["cut", "end", "reset", "stall"]))
def test_a_body_breaks_at_exactly_the_byte(at: int, kind: str) -> None:
    reply = broken(streamed(), kind, at_byte=at)
    assert body(reply) == WHOLE[:at]
    endings = {"end": Ending.COMPLETE, "reset": Ending.RESET}
    assert reply.ending is endings.get(kind, Ending.CUT)
    assert (reply.hold_s > 0) is (kind == "stall")


@given(st.integers(0, len(WHOLE)))
def test_only_whole_events_are_billed(at: int) -> None:
    steps = broken(streamed(), "cut", at_byte=at).steps
    out = 0
    for event in EVENTS:
        if len(event.encode()) + out > at:
            break
        out += len(event.encode())
    told = [e.output_tokens for e in EVENTS if WHOLE.index(e.encode()) < out] or [0]
    assert (steps[-1].output_tokens if steps else 0) == told[-1]


def test_a_clean_end_promises_no_more_than_it_sends() -> None:
    assert broken(json_reply(200, b"0123456789"), "end", at_byte=4).content_length == 4
    assert broken(json_reply(200, b"0123456789"), "cut", at_byte=4).content_length == 10


def test_a_drip_sends_the_same_bytes_at_its_rate() -> None:
    reply = broken(streamed(), "slow_drip", bytes_per_s=100)
    assert body(reply) == WHOLE
    assert sum(step.wait_s for step in reply.steps) == pytest.approx(len(WHOLE) / 100)
    assert max(len(step.data) for step in reply.steps) == 2
    assert reply.steps[-1].output_tokens == EVENTS[-1].output_tokens


def test_a_gzip_body_inflates_to_the_size_asked() -> None:
    reply = broken(streamed(), "gzip", inflated_bytes=3_000_000)
    inflated = gzip.decompress(body(reply))
    assert len(inflated) >= 3_000_000
    assert inflated.endswith(WHOLE)
    assert len(body(reply)) < 30_000
    assert reply.headers["content-encoding"] == "gzip"


def test_pace_waits_before_the_first_content_and_each_further_delta() -> None:
    waits = [(step.wait_s, step.data[7:26]) for step in paced(EVENTS, Pace(0, 0.5, 0.1, None))]
    assert [wait for wait, _ in waits] == [0, 0.5, 0, 0, 0.1, 0.1, 0, 0, 0]


def test_pings_fill_waits_by_plan_and_keep_their_length() -> None:
    steps = list(paced(EVENTS, Pace(0, 1.0, 0, 0.25)))
    assert steps[1:4] == [Step(PING, 0.25)] * 3
    assert steps[4].wait_s == pytest.approx(0.25)
    assert sum(step.wait_s for step in steps) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("fields", "status", "kind"),
    [
        ({"status": 400}, 400, "invalid_request_error"),
        ({"status": 409}, 409, "invalid_request_error"),
        ({"status": 503}, 503, "api_error"),
        ({"status": 529}, 529, "overloaded_error"),
        ({"status": 500, "error_type": "odd_error"}, 500, "odd_error"),
    ],
)
def test_a_status_fault_has_the_apis_error_body(
    fields: dict[str, Any], status: int, kind: str
) -> None:
    switch: Any = read_switch(json.dumps({"kind": "status", "retry_after": "soon", **fields}))
    reply = instead_of_answer(switch, "req_9")
    told = json.loads(body(reply))
    assert (reply.status, told["error"]["type"], told["request_id"]) == (status, kind, "req_9")
    assert reply.headers == {"retry-after": "soon"}
