"""A call that hangs ends by the limit it ran into; one that is only slow does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

import pytest

from tests.contract.anthropic_calls import ask, failure_of, provider_at, text_of
from tests.unit.providers.calls import CALL
from tierwise_server.errors import Reason, UpstreamError
from tierwise_server.providers.base import Begun, ProviderEvent, TextPiece
from tierwise_server.providers.watchdog import Patience
from tierwise_server.simulator import Simulator

LONG_S = 30.0
SHORT_S = 0.15
PATIENT = Patience(LONG_S, LONG_S, LONG_S, LONG_S)
WORDS = "one two three four five six"


@pytest.fixture(autouse=True)
async def _in_time() -> AsyncIterator[None]:
    async with asyncio.timeout(20):
        yield


HANGS = {
    "no head": {"fault": {"kind": "hang"}},
    "pings before the start": {"fault": {"kind": "pings_only"}},
    "silence": {"answer": WORDS, "fault": {"kind": "stall", "at_byte": 700}},
    "pings after the start": {
        "answer": WORDS,
        "first_token_delay_s": LONG_S,
        "ping_interval_s": 0.02,
    },
    "a drip": {"answer": WORDS, "fault": {"kind": "slow_drip", "bytes_per_s": 200}},
}


@pytest.mark.parametrize(
    ("hang", "limit", "message", "retryable"),
    [
        ("no head", "first_event_s", "did not answer within 0.15 s", True),
        ("pings before the start", "first_event_s", "did not answer within 0.15 s", True),
        ("silence", "idle_s", "sent nothing for 0.15 s", True),
        ("pings after the start", "no_progress_s", "did not move for 0.15 s", True),
        ("no head", "total_s", "was not whole within 0.15 s", False),
        ("silence", "total_s", "was not whole within 0.15 s", False),
        ("pings after the start", "total_s", "was not whole within 0.15 s", False),
        ("a drip", "total_s", "was not whole within 0.15 s", False),
    ],
)
async def test_a_hang_ends_by_its_own_limit(
    hang: str, limit: str, message: str, retryable: bool
) -> None:
    script = {"rules": [HANGS[hang]]}
    patience = replace(PATIENT, **{limit: SHORT_S})
    async with (
        Simulator(script) as simulator,
        provider_at(simulator.base_url, patience=patience) as provider,
    ):
        failure = await failure_of(provider)
        assert failure.reason is Reason.UPSTREAM_TIMEOUT
        assert message in failure.message
        assert failure.retryable is retryable
        await simulator.journal.settled()
        assert simulator.journal.messages[0].outcome == "client_left"


@pytest.mark.parametrize("hang", HANGS)
async def test_the_callers_deadline_has_its_own_reason(hang: str) -> None:
    async with (
        Simulator({"rules": [HANGS[hang]]}) as simulator,
        provider_at(simulator.base_url, patience=PATIENT) as provider,
    ):
        failure = await failure_of(provider, replace(CALL, time_left_s=SHORT_S))
        assert failure.reason is Reason.DEADLINE_EXCEEDED
        await simulator.journal.settled()


@pytest.mark.parametrize(
    ("rule", "patience"),
    [
        (
            {"answer": WORDS, "first_token_delay_s": 1.0, "ping_interval_s": 0.02},
            replace(PATIENT, first_event_s=0.5, idle_s=0.5),
        ),
        (
            {"answer": WORDS, "delta_interval_s": 0.2},
            replace(PATIENT, first_event_s=0.9, idle_s=0.9, no_progress_s=0.9),
        ),
    ],
    ids=["pings through a long thought", "words far apart"],
)
async def test_what_is_only_slow_is_waited_for(
    rule: Mapping[str, object], patience: Patience
) -> None:
    async with (
        Simulator({"rules": [rule]}) as simulator,
        provider_at(simulator.base_url, patience=patience) as provider,
    ):
        assert text_of(await ask(provider)) == WORDS


async def test_a_reader_that_takes_its_time_is_not_the_providers_silence() -> None:
    rule = {"answer": WORDS, "delta_interval_s": 0.01}
    patience = replace(PATIENT, idle_s=0.2, no_progress_s=0.2)
    async with (
        Simulator({"rules": [rule]}) as simulator,
        provider_at(simulator.base_url, patience=patience) as provider,
        provider.stream(CALL) as events,
    ):
        heard: list[ProviderEvent] = []
        async for event in events:
            heard.append(event)
            if isinstance(event, Begun):
                await asyncio.sleep(0.6)
    assert text_of(heard) == WORDS


async def test_a_limit_passed_while_the_reader_was_away_is_told_on_return() -> None:
    rule = {"answer": WORDS, "delta_interval_s": LONG_S}
    async with (
        Simulator({"rules": [rule]}) as simulator,
        provider_at(simulator.base_url, patience=replace(PATIENT, total_s=SHORT_S)) as provider,
        provider.stream(CALL) as events,
    ):
        assert isinstance(await anext(events), Begun)
        await simulator.journal.settled()
        with pytest.raises(UpstreamError, match="was not whole within"):
            await rest_of(events)


async def rest_of(events: AsyncIterator[ProviderEvent]) -> None:
    async for event in events:
        assert isinstance(event, TextPiece)
