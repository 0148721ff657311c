"""Each fault switch of the simulator, seen from the other end of the connection."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.contract.raw_http import Exchange, exchange, leave_after
from tierwise_server.simulator import Simulator

STREAM: dict[str, Any] = {
    "model": "claude-haiku-4-5",
    "max_tokens": 200,
    "stream": True,
    "messages": [{"role": "user", "content": "Say three words."}],
}
WHOLE = {key: value for key, value in STREAM.items() if key != "stream"}
SCRIPT = {"rules": [{"answer": "one two three"}]}


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(script=SCRIPT) as running:
        yield running


async def healthy(simulator: Simulator) -> bytes:
    """The stream's bytes when nothing goes wrong, ids of a first request included."""
    simulator.reset()
    whole = (await exchange(simulator.base_url, STREAM)).body
    simulator.reset()
    return whole


def types(answer: Exchange) -> list[str]:
    """The event names of a stream, in order."""
    lines = answer.body.decode(errors="replace").splitlines()
    return [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]


PLAIN = [
    "message_start",
    "content_block_start",
    "ping",
    "content_block_delta",
    "content_block_delta",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
]


async def test_a_healthy_stream_is_chunked_and_complete(simulator: Simulator) -> None:
    answer = await exchange(simulator.base_url, STREAM)
    assert (answer.status, answer.whole, answer.reset) == (200, True, False)
    assert answer.header("content-type") == "text/event-stream; charset=utf-8"
    assert types(answer) == PLAIN
    entry = simulator.journal[-1]
    assert answer.header("request-id") == entry.request_id
    assert (entry.outcome, entry.bytes_sent) == ("completed", len(answer.body))
    assert (entry.deltas, entry.output_tokens) == (3, 4)


@pytest.mark.parametrize("body", [STREAM, WHOLE], ids=["streamed", "unstreamed"])
@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99, 1])
async def test_cut_closes_after_the_byte_without_an_end(
    simulator: Simulator, body: dict[str, Any], share: float
) -> None:
    full = (await exchange(simulator.base_url, body)).body
    simulator.reset()
    at = int(len(full) * share)
    answer = await exchange(simulator.base_url, body, kind="cut", at_byte=at)
    assert answer.body == full[:at]
    assert not answer.reset
    assert answer.whole is (body is WHOLE and share == 1)
    await simulator.journal.settled()
    assert simulator.journal[-1].outcome == "cut"


async def test_end_closes_after_the_byte_with_a_valid_end(simulator: Simulator) -> None:
    full = await healthy(simulator)
    for body in (STREAM, WHOLE):
        answer = await exchange(simulator.base_url, body, kind="end", at_byte=100)
        assert (len(answer.body), answer.whole) == (100, True)
    simulator.reset()
    assert (await exchange(simulator.base_url, STREAM, kind="end", at_byte=9)).body == full[:9]


@pytest.mark.parametrize("at", [0, 1, 300])
async def test_reset_sends_every_byte_and_then_rst(simulator: Simulator, at: int) -> None:
    full = await healthy(simulator)
    answer = await exchange(simulator.base_url, STREAM, kind="reset", at_byte=at)
    assert answer.body == full[:at]
    assert answer.reset


async def test_a_broken_stream_bills_only_what_got_out(simulator: Simulator) -> None:
    full = await healthy(simulator)
    two_deltas = full.index(b"event: content_block_stop") - 10
    await exchange(simulator.base_url, STREAM, kind="cut", at_byte=two_deltas)
    await simulator.journal.settled()
    entry = simulator.journal[-1]
    assert (entry.input_tokens, entry.output_tokens) == (8, 2)


async def test_stall_holds_the_connection_until_the_client_leaves(simulator: Simulator) -> None:
    before = time.monotonic()
    await leave_after(simulator.base_url, STREAM, b"message_start", kind="stall", at_byte=300)
    async with asyncio.timeout(10):
        await simulator.journal.settled()
    entry = simulator.journal[-1]
    assert (entry.outcome, entry.bytes_sent) == ("client_left", 300)
    assert entry.client_left_s is not None
    assert before <= entry.client_left_s <= time.monotonic()


async def test_stall_ends_by_itself_after_its_time(simulator: Simulator) -> None:
    answer = await exchange(simulator.base_url, STREAM, kind="stall", at_byte=50, for_s=0.01)
    assert (len(answer.body), answer.whole) == (50, False)


async def test_stopping_ends_a_stalled_response() -> None:
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        async with Simulator(script=SCRIPT) as simulator:
            stalled = tasks.create_task(
                exchange(simulator.base_url, STREAM, kind="stall", at_byte=50)
            )
            await simulator.journal.until(lambda seen: len(seen) == 1 and seen[0].bytes_sent > 0)
        assert not (await stalled).whole
    assert simulator.journal[-1].outcome == "simulator_stopped"


@pytest.mark.parametrize("kind", ["drop", "hang"])
async def test_no_response_at_all(simulator: Simulator, kind: str) -> None:
    more: dict[str, Any] = {"for_s": 0.01} if kind == "hang" else {}
    answer = await exchange(simulator.base_url, STREAM, kind=kind, **more)
    assert (answer.head, answer.reset) == ("", False)
    await simulator.journal.settled()
    assert (simulator.journal[-1].status, simulator.journal[-1].outcome) == (0, "cut")


async def test_a_drop_may_be_a_reset(simulator: Simulator) -> None:
    assert (await exchange(simulator.base_url, STREAM, kind="drop", reset=True)).reset


async def test_pings_only_never_answers(simulator: Simulator) -> None:
    answer = await exchange(
        simulator.base_url, STREAM, kind="pings_only", interval_s=0.001, for_s=0.005
    )
    assert types(answer) == ["ping"] * 5
    assert not answer.whole
    assert simulator.journal[-1].output_tokens == 0


async def test_slow_drip_sends_every_byte(simulator: Simulator) -> None:
    full = await healthy(simulator)
    answer = await exchange(simulator.base_url, STREAM, kind="slow_drip", bytes_per_s=1e5)
    assert (answer.body, answer.whole) == (full, True)


async def test_slow_first_token_sends_message_start_at_once(simulator: Simulator) -> None:
    fault: dict[str, Any] = {"kind": "slow_first_token", "delay_s": 60}
    await leave_after(simulator.base_url, STREAM, b'"service_tier":"standard"}}}\n\n', **fault)
    async with asyncio.timeout(10):
        await simulator.journal.settled()
    entry = simulator.journal[-1]
    assert (entry.outcome, entry.input_tokens, entry.output_tokens) == ("client_left", 8, 0)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("missing_start", PLAIN[1:]),
        ("missing_stop", PLAIN[:-1]),
        ("duplicate_stop", [*PLAIN, "message_stop"]),
        ("error_event", [*PLAIN[:4], "error"]),
        ("unknown_event", [*PLAIN[:4], "simulator_event", *PLAIN[4:]]),
        ("unknown_delta", [*PLAIN[:4], "content_block_delta", *PLAIN[4:]]),
        ("oversized_event", [*PLAIN[:3], "content_block_delta", *PLAIN[3:]]),
        ("index_gap", PLAIN),
        ("unknown_stop_reason", PLAIN),
        ("invalid_json", PLAIN),
        ("invalid_utf8", PLAIN),
    ],
)
async def test_faults_of_events_still_end_the_body_cleanly(
    simulator: Simulator, kind: str, expected: list[str]
) -> None:
    answer = await exchange(simulator.base_url, STREAM, kind=kind)
    assert types(answer) == expected
    assert answer.whole
    assert simulator.journal[-1].fault == kind


async def test_an_oversized_event_is_ten_megabytes(simulator: Simulator) -> None:
    answer = await exchange(simulator.base_url, STREAM, kind="oversized_event")
    assert len(answer.body) > 10 * 1024 * 1024


async def test_gzip_comes_unasked(simulator: Simulator) -> None:
    full = await healthy(simulator)
    answer = await exchange(simulator.base_url, STREAM, kind="gzip")
    assert answer.header("content-encoding") == "gzip"
    assert gzip.decompress(answer.body) == full


@pytest.mark.parametrize(
    ("fault", "content_type", "content"),
    [
        ({"kind": "content_type"}, "text/plain; charset=utf-8", b"event: message_start"),
        ({"kind": "html"}, "text/html; charset=utf-8", b"<!DOCTYPE html>"),
        ({"kind": "empty"}, "text/event-stream; charset=utf-8", b""),
    ],
)
async def test_a_200_may_hold_something_else(
    simulator: Simulator, fault: dict[str, Any], content_type: str, content: bytes
) -> None:
    answer = await exchange(simulator.base_url, STREAM, **fault)
    assert (answer.status, answer.whole) == (200, True)
    assert answer.header("content-type") == content_type
    assert answer.body.startswith(content)
    assert bool(answer.body) is bool(content)


async def test_a_redirect_shows_in_the_journal_if_it_is_followed(simulator: Simulator) -> None:
    answer = await exchange(simulator.base_url, STREAM, kind="redirect")
    assert (answer.status, answer.header("location")) == (307, "/simulator/elsewhere")
    await exchange(simulator.base_url, STREAM, path=answer.header("location"))
    assert simulator.journal[-1].path == "/simulator/elsewhere"


@pytest.mark.parametrize("retry_after", ["120", "-5", "abc", "Wed, 21 Oct 2015 07:28:00 GMT"])
async def test_a_status_fault_sends_any_retry_after(simulator: Simulator, retry_after: str) -> None:
    answer = await exchange(
        simulator.base_url, STREAM, kind="status", status=429, retry_after=retry_after
    )
    assert (answer.status, answer.header("retry-after")) == (429, retry_after)
    assert json.loads(answer.body)["error"]["type"] == "rate_limit_error"
    assert simulator.journal[-1].input_tokens == 0


async def test_a_header_that_is_no_fault_names_all_its_faults(simulator: Simulator) -> None:
    answer = await exchange(simulator.base_url, STREAM, kind="cut", at_event=1)
    message = json.loads(answer.body)["error"]["message"]
    assert answer.status == 400
    assert "at_byte: Field required" in message
    assert "at_event: Extra inputs are not permitted" in message


async def test_the_header_wins_over_the_rule() -> None:
    script = {"rules": [{"fault": {"kind": "html"}, "headers": {"x-served-by": "rule"}}]}
    async with Simulator(script=script) as simulator:
        answer = await exchange(simulator.base_url, STREAM, kind="missing_stop")
        assert simulator.journal[-1].fault == "missing_stop"
        assert answer.header("x-served-by") == "rule"


async def test_the_same_seed_and_requests_give_the_same_bytes() -> None:
    async def bodies(seed: int) -> list[bytes]:
        async with Simulator(seed=seed) as simulator:
            asked = (STREAM, WHOLE, STREAM, {**STREAM, "model": "claude-opus-5-5"})
            return [(await exchange(simulator.base_url, body)).body for body in asked]

    first = await bodies(7)
    assert await bodies(7) == first
    assert len(set(first)) == 4
    assert not set(await bodies(8)) & set(first)


async def test_a_reset_waits_for_a_slow_reader_to_have_every_byte(simulator: Simulator) -> None:
    simulator.use({"rules": [{"words": 200_000, "deltas": 4}]})
    body = {**STREAM, "model": "claude-sonnet-4-6", "max_tokens": 128_000}
    whole = (await exchange(simulator.base_url, body)).body
    assert len(whole) > 500_000
    simulator.reset()
    answer = await exchange(simulator.base_url, body, kind="reset", at_byte=len(whole))
    assert answer.reset
    assert answer.body == whole


async def test_a_client_that_leaves_amid_a_large_write_is_noticed(simulator: Simulator) -> None:
    fault: dict[str, Any] = {"kind": "oversized_event", "size_bytes": 64 << 20, "at_event": 0}
    await leave_after(simulator.base_url, STREAM, b"text/event-stream", **fault)
    async with asyncio.timeout(10):
        await simulator.journal.settled()
    assert simulator.journal[-1].outcome == "client_left"


@pytest.mark.parametrize("kind", ["invalid_json", "cut"])
async def test_counting_breaks_like_any_body(simulator: Simulator, kind: str) -> None:
    body = {key: STREAM[key] for key in ("model", "messages")}
    more: dict[str, Any] = {"at_byte": 5} if kind == "cut" else {}
    path = "/v1/messages/count_tokens"
    answer = await exchange(simulator.base_url, body, path=path, kind=kind, **more)
    assert (answer.status, simulator.journal[-1].kind) == (200, "count_tokens")
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.body)
