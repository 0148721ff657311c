"""Whatever goes wrong before an answer begins has one reason, and repeats nothing that upstream wrote."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.contract.anthropic_calls import CANARY, ask, failure_of, provider_at
from tests.contract.raw_upstream import raw_upstream, response
from tests.unit.providers.calls import CALL
from tierwise_server.errors import Reason
from tierwise_server.providers.anthropic import Connections
from tierwise_server.simulator import Simulator


@pytest.fixture(autouse=True)
async def _in_time() -> AsyncIterator[None]:
    async with asyncio.timeout(20):
        yield


@pytest.mark.parametrize(
    ("status", "reason", "retryable"),
    [
        (400, Reason.UPSTREAM_REJECTED, False),
        (401, Reason.UPSTREAM_AUTH, False),
        (402, Reason.UPSTREAM_SPEND_LIMIT, False),
        (403, Reason.UPSTREAM_AUTH, False),
        (404, Reason.UPSTREAM_MODEL_MISSING, False),
        (408, Reason.UPSTREAM_UNAVAILABLE, True),
        (409, Reason.UPSTREAM_UNAVAILABLE, True),
        (413, Reason.CONTEXT_TOO_LONG, False),
        (418, Reason.UPSTREAM_REJECTED, False),
        (422, Reason.UPSTREAM_REJECTED, False),
        (429, Reason.UPSTREAM_RATE_LIMITED, True),
        (500, Reason.UPSTREAM_UNAVAILABLE, True),
        (502, Reason.UPSTREAM_UNAVAILABLE, True),
        (503, Reason.UPSTREAM_UNAVAILABLE, True),
        (504, Reason.UPSTREAM_UNAVAILABLE, True),
        (529, Reason.UPSTREAM_OVERLOADED, True),
    ],
)
async def test_every_status_has_one_meaning_and_one_try(
    status: int, reason: Reason, retryable: bool
) -> None:
    fault = {"kind": "status", "status": status, "message": CANARY, "retry_after": "7"}
    async with (
        Simulator({"rules": [{"fault": fault}]}) as simulator,
        provider_at(simulator.base_url) as provider,
    ):
        error = await failure_of(provider)
        assert (error.reason, error.retryable) == (reason, retryable)
        assert error.retry_after_s == 7.0
        (entry,) = simulator.journal.messages
        assert error.upstream_request_id == entry.request_id != ""


async def test_a_prompt_the_model_cannot_hold_is_told_apart() -> None:
    script = {"models": [{"id": CALL.model.id, "max_input_tokens": 2}]}
    async with Simulator(script) as simulator, provider_at(simulator.base_url) as provider:
        assert (await failure_of(provider)).reason is Reason.CONTEXT_TOO_LONG


@pytest.mark.parametrize("code", ["enforced_spend_limit_reached", "contract_spend_limit_reached"])
async def test_a_spend_limit_is_no_rate_limit(code: str) -> None:
    error = {"type": "rate_limit_error", "message": CANARY, "details": {"error_code": code}}
    body = json.dumps({"type": "error", "error": error}).encode()
    raw = response(body, status="429 Too Many Requests", content_type="application/json")
    async with raw_upstream(raw) as upstream, provider_at(upstream.base_url) as provider:
        failure = await failure_of(provider)
    assert failure.reason is Reason.UPSTREAM_SPEND_LIMIT
    assert not failure.retryable


async def test_the_servers_word_that_retrying_is_useless_is_taken() -> None:
    raw = response(b"{}", status="503 Unavailable", more="x-should-retry: false\r\n")
    async with raw_upstream(raw) as upstream, provider_at(upstream.base_url) as provider:
        failure = await failure_of(provider)
    assert failure.reason is Reason.UPSTREAM_UNAVAILABLE
    assert not failure.retryable


async def test_a_redirect_is_not_followed() -> None:
    fault = {"kind": "redirect", "location": "/v1/messages"}
    async with (
        Simulator({"rules": [{"fault": fault}]}) as simulator,
        provider_at(simulator.base_url) as provider,
    ):
        assert (await failure_of(provider)).reason is Reason.UPSTREAM_PROTOCOL
        assert len(simulator.journal) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"<html>" + CANARY.encode(),
        b"\xff\xfe not text",
        b"[]",
        b'{"error":"' + CANARY.encode() + b'"}',
        b"x" * 10_000_000,
    ],
)
async def test_an_error_body_of_any_shape_keeps_the_status_meaning(body: bytes) -> None:
    raw = response(body, status="529 Overloaded", content_type="text/html")
    async with raw_upstream(raw) as upstream, provider_at(upstream.base_url) as provider:
        assert (await failure_of(provider)).reason is Reason.UPSTREAM_OVERLOADED


async def test_a_compressed_error_body_is_not_inflated() -> None:
    body = gzip.compress(b" " * 50_000_000)
    raw = response(body, status="500 Oops", more="content-encoding: gzip\r\n")
    async with raw_upstream(raw) as upstream, provider_at(upstream.base_url) as provider:
        assert (await failure_of(provider)).reason is Reason.UPSTREAM_UNAVAILABLE


@pytest.mark.parametrize("reset", [False, True])
async def test_a_connection_lost_before_the_head_may_be_tried_again(reset: bool) -> None:
    script = {"rules": [{"fault": {"kind": "drop", "reset": reset}}]}
    async with Simulator(script) as simulator, provider_at(simulator.base_url) as provider:
        failure = await failure_of(provider)
    assert failure.reason is Reason.UPSTREAM_UNAVAILABLE
    assert failure.retryable


async def test_a_refused_connection_may_be_tried_again() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        async with provider_at(f"http://127.0.0.1:{taken.getsockname()[1]}") as provider:
            failure = await failure_of(provider)
    assert failure.reason is Reason.UPSTREAM_UNAVAILABLE
    assert failure.retryable


@pytest.mark.parametrize("raw", [b"no HTTP at all\r\n\r\n", b"HTTP/1.1 banana\r\n\r\n"])
async def test_what_is_no_http_may_be_tried_again(raw: bytes) -> None:
    async with raw_upstream(raw) as upstream, provider_at(upstream.base_url) as provider:
        failure = await failure_of(provider)
    assert failure.reason is Reason.UPSTREAM_UNAVAILABLE
    assert failure.retryable


async def test_when_all_connections_stay_in_use_the_next_call_fails_soon() -> None:
    script = {"rules": [{"fault": {"kind": "hang"}}]}
    connections = Connections(most=2, wait_s=0.05)
    async with (
        Simulator(script) as simulator,
        provider_at(simulator.base_url, connections=connections) as provider,
        asyncio.TaskGroup() as tasks,
    ):
        waiting = [tasks.create_task(ask(provider)) for _ in range(2)]
        await simulator.journal.until(lambda journal: journal.in_flight == 2)
        assert (await failure_of(provider)).reason is Reason.OVERLOADED
        for task in waiting:
            task.cancel()


async def test_a_slot_is_given_back_whatever_happened() -> None:
    script = {"rules": [{"fault": {"kind": "status", "status": 500}, "times": 3}]}
    connections = Connections(most=1, wait_s=0.05)
    async with (
        Simulator(script) as simulator,
        provider_at(simulator.base_url, connections=connections) as provider,
    ):
        for _ in range(3):
            assert (await failure_of(provider)).reason is Reason.UPSTREAM_UNAVAILABLE
        assert await ask(provider)


async def test_text_that_is_no_unicode_is_the_callers_fault() -> None:
    async with Simulator() as simulator, provider_at(simulator.base_url) as provider:
        prompt = replace(CALL.prompt, system="\ud83d")
        failure = await failure_of(provider, replace(CALL, prompt=prompt))
        assert failure.reason is Reason.INVALID_REQUEST
        assert len(simulator.journal) == 0
