"""A model that asked for a pause is left alone for as long, and others are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.unit.providers.calls import CALL, SONNET_4_6
from tests.unit.providers.clock import Clock
from tierwise_server.errors import Reason, UpstreamError
from tierwise_server.providers.base import ModelCall
from tierwise_server.providers.pausing import LONGEST_PAUSE_S, PausingProvider
from tierwise_server.providers.retrying import RetryingProvider
from tierwise_server.providers.scripted import ScriptedProvider, Step, answer

GOOD = answer("Hi.")


def limited(advice_s: float | None) -> Sequence[Step]:
    return (
        UpstreamError(Reason.UPSTREAM_RATE_LIMITED, "wait", retryable=True, retry_after_s=advice_s),
    )


class World:
    """A pausing provider over a model that does what it is told."""

    def __init__(self) -> None:
        self.steps: Sequence[Step] = GOOD
        self.clock = Clock()
        self.inner = ScriptedProvider(lambda _call: self.steps)
        self.provider = PausingProvider(self.inner, monotonic=self.clock.monotonic)

    async def call(self, steps: Sequence[Step], call: ModelCall = CALL) -> UpstreamError | None:
        """Make a call to which the model does this; return its failure."""
        self.steps = steps
        try:
            async with self.provider.stream(call) as events:
                assert [event async for event in events] == list(GOOD)
        except UpstreamError as error:
            return error
        return None


async def test_nobody_asks_before_the_time_that_the_model_named() -> None:
    world = World()
    await world.call(limited(7.0))
    world.clock.now_s += 2.0
    refusal = await world.call(GOOD)
    assert refusal is not None
    assert (refusal.reason, refusal.tries) == (Reason.UPSTREAM_RATE_LIMITED, 0)
    assert refusal.retryable
    assert refusal.retry_after_s == pytest.approx(5.0)
    assert len(world.inner.calls) == 1
    world.clock.now_s += 5.0
    assert await world.call(GOOD) is None


async def test_another_model_is_asked_meanwhile() -> None:
    world = World()
    await world.call(limited(7.0))
    assert await world.call(GOOD, replace(CALL, model=SONNET_4_6)) is None


@pytest.mark.parametrize("advice_s", [None, 0.0])
async def test_without_advice_there_is_no_pause(advice_s: float | None) -> None:
    world = World()
    await world.call(limited(advice_s))
    assert await world.call(GOOD) is None


async def test_other_failures_ask_for_no_pause() -> None:
    world = World()
    busy = UpstreamError(Reason.UPSTREAM_OVERLOADED, "busy", retryable=True, retry_after_s=7.0)
    await world.call((busy,))
    assert await world.call(GOOD) is None


async def test_an_absurd_wish_is_kept_to_for_a_minute() -> None:
    world = World()
    await world.call(limited(1e9))
    world.clock.now_s += LONGEST_PAUSE_S - 1.0
    refusal = await world.call(GOOD)
    assert refusal is not None
    assert refusal.retry_after_s == pytest.approx(1e9 - 59.0)
    world.clock.now_s += 1.0
    assert await world.call(GOOD) is None


async def test_a_call_that_came_during_a_pause_waits_for_its_end_and_costs_no_retry() -> None:
    world = World()
    await world.call(limited(7.0))
    world.steps = GOOD
    retrying = RetryingProvider(
        world.provider, monotonic=world.clock.monotonic, sleep=world.clock.sleep, draw=lambda: 0.5
    )
    retries = retrying.budget.tokens
    async with retrying.stream(CALL) as events:
        assert [event async for event in events] == list(GOOD)
    assert world.clock.slept_s == [7.25]
    assert retrying.budget.tokens == retries
    assert len(world.inner.calls) == 2


async def test_closing_closes_the_inner_provider() -> None:
    world = World()
    await world.provider.aclose()
    assert world.inner.closed
