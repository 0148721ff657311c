"""What a provider notes of a call for whoever leaves it: whether a request was out, and the thinking that was shown."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.contract.anthropic_calls import ask, failure_of, provider_at
from tests.contract.raw_upstream import chunk, chunked_head, raw_upstream
from tests.unit.providers.anthropic import message_streams as streams
from tests.unit.providers.calls import CALL
from tierwise_server.core.estimate import text_tokens
from tierwise_server.core.tally import Wire
from tierwise_server.errors import Reason
from tierwise_server.providers.base import Begun
from tierwise_server.providers.watchdog import Patience
from tierwise_server.simulator import Simulator

HANG = {"kind": "hang"}


def hanging() -> Mapping[str, Any]:
    return {"rules": [{"fault": HANG}]}


async def test_a_request_is_out_until_something_comes_back() -> None:
    call = replace(CALL, wire=Wire())
    async with (
        Simulator({"rules": [{"first_token_delay_s": 5.0}]}) as simulator,
        provider_at(simulator.base_url) as provider,
        provider.stream(call) as events,
    ):
        assert isinstance(await anext(events), Begun)
        assert not call.wire.out


async def test_a_call_that_is_left_before_anything_came_back_was_out() -> None:
    call = replace(CALL, wire=Wire())
    async with Simulator(hanging()) as simulator, provider_at(simulator.base_url) as provider:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await ask(provider, call)
        assert call.wire.out


async def test_the_callers_own_deadline_is_the_callers_leaving() -> None:
    call = replace(CALL, wire=Wire(), time_left_s=0.2)
    async with Simulator(hanging()) as simulator, provider_at(simulator.base_url) as provider:
        assert (await failure_of(provider, call)).reason is Reason.DEADLINE_EXCEEDED
        assert call.wire.out


@pytest.mark.parametrize(
    "fault", [HANG, {"kind": "status", "status": 529}, {"kind": "drop"}, {"kind": "html"}]
)
async def test_where_the_provider_fails_nothing_is_out(fault: Mapping[str, Any]) -> None:
    call = replace(CALL, wire=Wire())
    patience = Patience(first_event_s=0.2)
    async with (
        Simulator({"rules": [{"fault": fault}]}) as simulator,
        provider_at(simulator.base_url, patience=patience) as provider,
    ):
        assert (await failure_of(provider, call)).reason is not Reason.DEADLINE_EXCEEDED
        assert not call.wire.out


async def test_a_call_that_waits_for_a_connection_is_not_out() -> None:
    call = replace(CALL, wire=Wire())
    # It lets in, and never shakes hands.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with provider_at(f"https://127.0.0.1:{silent.getsockname()[1]}") as provider:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await ask(provider, call)
            assert not call.wire.out


async def test_thinking_that_is_shown_is_counted() -> None:
    call = replace(CALL, wire=Wire())
    writes = (chunked_head(), chunk(streams.THOUGHTFUL), chunk(b""))
    async with raw_upstream(*writes) as upstream, provider_at(upstream.base_url) as provider:
        await ask(provider, call)
    assert call.wire.thought_tokens == pytest.approx(text_tokens("Let me see."), abs=0.01)
