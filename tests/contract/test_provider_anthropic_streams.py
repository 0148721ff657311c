"""An answer is whole, or it fails with a reason; what came before the failure is kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

import pytest

from tests.contract.anthropic_calls import ask, failure_of, listen, provider_at, text_of
from tests.contract.raw_upstream import chunk, chunked_head, raw_upstream, response
from tests.unit.providers.anthropic import message_streams as streams
from tierwise_server.core.model import FinishReason, Usage
from tierwise_server.errors import Reason
from tierwise_server.providers.base import Begun, Completed, ProviderEvent, TextPiece
from tierwise_server.simulator import Simulator

ANSWER = "Hello, wörld."
SECOND_DELTA = 4
"""The event at which a stream of ANSWER is tampered with: some of its text is out by then."""


@pytest.fixture(autouse=True)
async def _in_time() -> AsyncIterator[None]:
    async with asyncio.timeout(50):
        yield


def faulty(fault: Mapping[str, object], answer: str = ANSWER) -> Mapping[str, object]:
    return {"rules": [{"answer": answer, "fault": fault}]}


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"kind": "html"}, Reason.UPSTREAM_PROTOCOL),
        ({"kind": "empty"}, Reason.UPSTREAM_PROTOCOL),
        ({"kind": "content_type"}, Reason.UPSTREAM_PROTOCOL),
        ({"kind": "content_type", "content_type": "application/json"}, Reason.UPSTREAM_PROTOCOL),
        ({"kind": "gzip"}, Reason.UPSTREAM_PROTOCOL),
        ({"kind": "gzip", "inflated_bytes": 10_000_000}, Reason.UPSTREAM_PROTOCOL),
        ({"kind": "missing_start"}, Reason.UPSTREAM_PROTOCOL),
        ({"kind": "missing_stop"}, Reason.UPSTREAM_INTERRUPTED),
        ({"kind": "duplicate_stop"}, Reason.UPSTREAM_PROTOCOL),
        ({"kind": "index_gap"}, Reason.UPSTREAM_PROTOCOL),
        ({"kind": "invalid_json"}, Reason.UPSTREAM_PROTOCOL),
        ({"kind": "invalid_utf8"}, Reason.UPSTREAM_PROTOCOL),
        ({"kind": "usage", "mode": "negative"}, Reason.UPSTREAM_PROTOCOL),
        ({"kind": "usage", "mode": "huge"}, Reason.UPSTREAM_PROTOCOL),
        ({"kind": "oversized_event", "size_bytes": 100_001}, Reason.UPSTREAM_PROTOCOL),
        ({"kind": "oversized_event"}, Reason.UPSTREAM_PROTOCOL),
    ],
)
async def test_a_malformed_answer_is_never_whole(
    fault: Mapping[str, object], reason: Reason
) -> None:
    async with (
        Simulator(faulty(fault)) as simulator,
        provider_at(simulator.base_url) as provider,
    ):
        heard: list[ProviderEvent] = []
        failure = await failure_of(provider, heard=heard)
        assert failure.reason is reason
        assert failure.upstream_request_id == simulator.journal.messages[0].request_id
        assert not any(isinstance(event, Completed) for event in heard)
        await simulator.journal.settled()


@pytest.mark.parametrize(
    ("error_type", "reason", "retryable"),
    [
        ("overloaded_error", Reason.UPSTREAM_OVERLOADED, True),
        ("rate_limit_error", Reason.UPSTREAM_RATE_LIMITED, True),
        ("api_error", Reason.UPSTREAM_INTERRUPTED, True),
        ("timeout_error", Reason.UPSTREAM_INTERRUPTED, True),
        ("authentication_error", Reason.UPSTREAM_AUTH, False),
        ("permission_error", Reason.UPSTREAM_AUTH, False),
        ("billing_error", Reason.UPSTREAM_SPEND_LIMIT, False),
        ("not_found_error", Reason.UPSTREAM_MODEL_MISSING, False),
        ("invalid_request_error", Reason.UPSTREAM_REJECTED, False),
        ("never heard of", Reason.UPSTREAM_INTERRUPTED, True),
    ],
)
async def test_an_error_event_has_its_types_meaning(
    error_type: str, reason: Reason, retryable: bool
) -> None:
    fault = {"kind": "error_event", "error_type": error_type, "message": "sk-ant-canary"}
    async with (
        Simulator(faulty(fault)) as simulator,
        provider_at(simulator.base_url) as provider,
    ):
        failure = await failure_of(provider)
    assert (failure.reason, failure.retryable) == (reason, retryable)


async def test_a_spend_limit_within_the_stream_is_no_rate_limit() -> None:
    details = {"error_code": "enforced_spend_limit_reached"}
    error = streams.event("error", error={"type": "rate_limit_error", "details": details})
    async with (
        raw_upstream(response(streams.message_start() + error)) as upstream,
        provider_at(upstream.base_url) as provider,
    ):
        failure = await failure_of(provider)
    assert (failure.reason, failure.retryable) == (Reason.UPSTREAM_SPEND_LIMIT, False)


@pytest.mark.parametrize("at_event", range(8))
async def test_an_error_event_at_any_place_keeps_the_text_before_it(at_event: int) -> None:
    fault = {"kind": "error_event", "at_event": at_event}
    async with (
        Simulator(faulty(fault)) as simulator,
        provider_at(simulator.base_url) as provider,
    ):
        heard: list[ProviderEvent] = []
        failure = await failure_of(provider, heard=heard)
    assert failure.reason is Reason.UPSTREAM_OVERLOADED
    assert ANSWER.startswith(text_of(heard))
    assert (text_of(heard) != "") == (at_event > 3)


@pytest.mark.parametrize("kind", ["end", "cut", "reset"])
async def test_a_stream_cut_at_any_byte_is_never_whole(kind: str) -> None:
    async with (
        Simulator({"rules": [{"answer": "Hi."}]}) as simulator,
        provider_at(simulator.base_url) as provider,
    ):
        await ask(provider)
        length = simulator.journal.messages[0].bytes_sent
        # A reset takes its own way through the kernel, whatever the byte: fewer will do.
        for at_byte in range(0, length, 23 if kind == "reset" else 1):
            simulator.use(faulty({"kind": kind, "at_byte": at_byte}, "Hi."))
            heard: list[ProviderEvent] = []
            failure = await failure_of(provider, heard=heard)
            empty = Reason.UPSTREAM_INTERRUPTED if heard else Reason.UPSTREAM_PROTOCOL
            assert failure.reason in {Reason.UPSTREAM_INTERRUPTED, empty}
            assert failure.retryable
            assert text_of(heard) in {"", "Hi."}


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "unknown_event"},
        {"kind": "unknown_event", "at_event": 0},
        {"kind": "unknown_delta"},
    ],
)
async def test_what_the_api_may_add_later_is_skipped(fault: Mapping[str, object]) -> None:
    async with (
        Simulator(faulty(fault)) as simulator,
        provider_at(simulator.base_url) as provider,
    ):
        assert text_of(await ask(provider)) == ANSWER


async def test_an_unknown_stop_reason_is_kept() -> None:
    fault = {"kind": "unknown_stop_reason", "stop_reason": "bored"}
    async with (
        Simulator(faulty(fault)) as simulator,
        provider_at(simulator.base_url) as provider,
    ):
        last = (await ask(provider))[-1]
    assert isinstance(last, Completed)
    assert (last.finish_reason, last.raw_finish_reason) == (FinishReason.OTHER, "bored")


@pytest.mark.parametrize("mode", ["absent", "decreasing"])
async def test_a_usage_that_is_no_bill_leaves_the_answer_whole(mode: str) -> None:
    async with (
        Simulator(faulty({"kind": "usage", "mode": mode})) as simulator,
        provider_at(simulator.base_url) as provider,
    ):
        heard = await ask(provider)
    assert text_of(heard) == ANSWER
    assert isinstance(heard[-1], Completed)
    assert heard[-1].usage is None


async def test_the_usage_is_the_journals() -> None:
    usage = {"input_tokens": 7, "cache_read_input_tokens": 2000, "output_tokens": 11}
    async with (
        Simulator({"rules": [{"answer": ANSWER, "usage": usage}]}) as simulator,
        provider_at(simulator.base_url) as provider,
    ):
        first, *_, last = await ask(provider)
    assert isinstance(first, Begun)
    assert isinstance(last, Completed)
    assert first.usage is not None
    assert first.usage.input_tokens == 2007
    assert last.usage == Usage(input_tokens=2007, cache_read_tokens=2000, output_tokens=11)


async def test_an_answer_that_was_whole_before_the_connection_broke_is_whole() -> None:
    async with (
        raw_upstream(chunked_head(), chunk(streams.SHORT), b"banana\r\n") as upstream,
        provider_at(upstream.base_url) as provider,
    ):
        assert text_of(await ask(provider)) == streams.SHORT_TEXT


async def test_a_body_that_is_held_open_after_the_answer_does_not_hold_the_answer() -> None:
    async with (
        raw_upstream(chunked_head(), chunk(streams.SHORT), hold=True) as upstream,
        provider_at(upstream.base_url) as provider,
    ):
        assert isinstance((await ask(provider))[-1], Completed)


async def test_what_follows_the_answer_in_time_spoils_it() -> None:
    writes = (chunked_head(), chunk(streams.SHORT), chunk(streams.MESSAGE_STOP), chunk(b""))
    async with raw_upstream(*writes) as upstream, provider_at(upstream.base_url) as provider:
        assert (await failure_of(provider)).reason is Reason.UPSTREAM_PROTOCOL


async def test_pieces_that_waited_together_arrive_as_one() -> None:
    async with (
        raw_upstream(response(streams.SHORT)) as upstream,
        provider_at(upstream.base_url) as provider,
    ):
        heard: list[ProviderEvent] = []
        await listen(provider, heard)
    assert [event for event in heard if isinstance(event, TextPiece)] == [
        TextPiece(streams.SHORT_TEXT)
    ]


async def test_calls_one_after_the_other_share_a_connection() -> None:
    writes = (chunked_head(), chunk(streams.SHORT), chunk(b""))
    async with raw_upstream(*writes) as upstream, provider_at(upstream.base_url) as provider:
        for _ in range(5):
            await ask(provider)
    assert (len(upstream.requests), upstream.connections) == (5, 1)
