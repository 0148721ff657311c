"""A model that fails too often is left alone for a while, then asked by one call, then by more."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace

import pytest

from tests.unit.providers.calls import CALL, SONNET_4_6
from tests.unit.providers.clock import Clock
from tierwise_server.errors import Reason, UpstreamError
from tierwise_server.providers.base import Begun, ModelCall, ProviderEvent, TextPiece
from tierwise_server.providers.breaking import (
    VERDICTS,
    BreakerPolicy,
    BreakerState,
    BreakingProvider,
    Verdict,
)
from tierwise_server.providers.scripted import Pause, ScriptedProvider, Step, answer

POLICY = BreakerPolicy(least_failures=4, window_s=30.0, open_s=5.0, longest_open_s=20.0, probes=4)
SOON_S = 5.0


@dataclass
class World:
    """A breaker over a provider that does what it is told."""

    steps: Sequence[Step] = ()
    clock: Clock = field(default_factory=Clock)
    draws: float = 0.5
    changes: list[tuple[str, BreakerState]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.inner = ScriptedProvider(lambda _call: self.steps)
        self.provider = BreakingProvider(
            self.inner,
            POLICY,
            changed=lambda model, state: self.changes.append((model, state)),
            monotonic=self.clock.monotonic,
            draw=lambda: self.draws,
        )

    @property
    def asked(self) -> int:
        return len(self.inner.calls)

    @property
    def state(self) -> BreakerState:
        return self.provider.breaker(CALL.model.id).state

    async def call(self, steps: Sequence[Step], call: ModelCall = CALL) -> UpstreamError | None:
        """Make a call to which the model does this; return its failure."""
        self.steps = steps
        try:
            async with self.provider.stream(call) as events:
                async for _ in events:
                    pass
        except UpstreamError as error:
            return error
        return None

    async def calls(self, *outcomes: Sequence[Step]) -> None:
        for steps in outcomes:
            await self.call(steps)

    async def held_at_once(self) -> int:
        """Make calls that begin together until one is refused; end them well; return how many there were."""
        self.steps = (Pause(0.0), *GOOD)
        async with AsyncExitStack() as stack:
            calls: list[AsyncIterator[ProviderEvent]] = []
            with contextlib.suppress(UpstreamError):
                while len(calls) < 100:
                    calls.append(await stack.enter_async_context(self.provider.stream(CALL)))
            for events in calls:
                async for _ in events:
                    pass
        return len(calls)

    async def broken(self) -> None:
        """Fail until it opens."""
        await self.calls(*[BUSY] * POLICY.least_failures)
        assert self.state is BreakerState.OPEN


def failing(reason: Reason) -> Sequence[Step]:
    return (UpstreamError(reason, "no", retryable=True),)


BUSY = failing(Reason.UPSTREAM_OVERLOADED)
GOOD = answer("Hi.")


async def test_a_closed_breaker_passes_everything_on_as_it_is() -> None:
    world = World(GOOD)
    async with world.provider.stream(CALL) as events:
        assert [event async for event in events] == list(GOOD)
    assert world.changes == []


async def test_enough_failures_open_it_and_then_nobody_is_asked() -> None:
    world = World()
    await world.broken()
    refusal = await world.call(GOOD)
    assert world.asked == POLICY.least_failures
    assert refusal is not None
    assert refusal.reason is Reason.UPSTREAM_UNAVAILABLE
    assert refusal.retry_after_s == 5.0
    assert refusal.tries == 0
    assert not refusal.retryable
    assert world.changes == [(CALL.model.id, BreakerState.OPEN)]


@pytest.mark.parametrize("reason", Reason)
async def test_only_what_speaks_of_the_models_health_opens_it(reason: Reason) -> None:
    world = World()
    await world.calls(*[failing(reason)] * 20)
    speaks = reason in {
        Reason.UPSTREAM_OVERLOADED,
        Reason.UPSTREAM_UNAVAILABLE,
        Reason.UPSTREAM_TIMEOUT,
        Reason.UPSTREAM_INTERRUPTED,
        Reason.UPSTREAM_PROTOCOL,
        Reason.UPSTREAM_MODEL_MISSING,
    }
    assert (world.state is BreakerState.OPEN) is speaks


def test_the_table_names_every_failure_of_a_provider() -> None:
    named = {reason for reason in Reason if reason.name.startswith("UPSTREAM_")}
    assert named <= VERDICTS.keys()
    assert set(VERDICTS.values()) == set(Verdict)


async def test_a_stream_that_breaks_off_counts_as_a_failure() -> None:
    cut = (Begun("x", None), TextPiece("par"), *failing(Reason.UPSTREAM_INTERRUPTED))
    world = World()
    await world.calls(*[cut] * POLICY.least_failures)
    assert world.state is BreakerState.OPEN


async def test_failures_below_the_share_do_not_open_it() -> None:
    world = World()
    await world.calls(*[GOOD] * 6, *[BUSY] * 5)
    assert world.changes == []
    await world.calls(BUSY)
    assert world.changes == [(CALL.model.id, BreakerState.OPEN)]


async def test_what_is_long_past_does_not_count() -> None:
    world = World()
    await world.calls(*[BUSY] * 3)
    world.clock.now_s += POLICY.window_s + 1
    await world.calls(*[BUSY] * 3)
    assert world.state is BreakerState.CLOSED


async def test_each_model_has_a_breaker_of_its_own() -> None:
    world = World()
    await world.broken()
    assert await world.call(GOOD, replace(CALL, model=SONNET_4_6)) is None


@pytest.mark.parametrize(("draws", "wait_s"), [(0.0, 2.5), (0.5, 5.0), (1.0, 7.5)])
async def test_the_time_until_the_probe_is_drawn_around_its_mean(
    draws: float, wait_s: float
) -> None:
    world = World(draws=draws)
    await world.broken()
    world.clock.now_s += wait_s - 0.01
    assert await world.call(GOOD) is not None
    world.clock.now_s += 0.01
    assert await world.call(GOOD) is None


async def test_every_failed_probe_doubles_the_time_up_to_a_limit() -> None:
    world = World()
    await world.broken()
    for wait_s in (5.0, 10.0, 20.0, 20.0):
        asked = world.asked
        refusal = await world.call(GOOD)
        assert refusal is not None
        assert refusal.retry_after_s == wait_s
        world.clock.now_s += wait_s
        await world.calls(BUSY)
        assert world.asked == asked + 1
        assert world.state is BreakerState.OPEN


async def test_a_probe_that_meets_a_rate_limit_came_too_early_and_others_wait_as_long_again() -> (
    None
):
    world = World()
    await world.broken()
    for _ in range(3):
        world.clock.now_s += 5.0
        asked = world.asked
        limited = await world.call(failing(Reason.UPSTREAM_RATE_LIMITED))
        assert limited is not None
        assert limited.reason is Reason.UPSTREAM_RATE_LIMITED
        assert world.state is BreakerState.OPEN
        await world.calls(*[GOOD] * 5)
        assert world.asked == asked + 1
    world.clock.now_s += 5.0
    assert await world.call(GOOD) is None


async def test_an_open_breaker_says_where_the_model_is_simply_not_known() -> None:
    world = World()
    await world.calls(*[failing(Reason.UPSTREAM_MODEL_MISSING)] * POLICY.least_failures)
    refusal = await world.call(GOOD)
    assert world.asked == POLICY.least_failures
    assert refusal is not None
    assert (refusal.reason, refusal.tries) == (Reason.UPSTREAM_MODEL_MISSING, 0)


async def test_probes_begin_with_one_and_double_until_it_closes() -> None:
    world = World()
    await world.broken()
    world.clock.now_s += 5.0
    admitted = []
    while world.state is not BreakerState.CLOSED:
        admitted.append(await world.held_at_once())
        assert len(admitted) < 10
    assert admitted == [1, 2]
    assert [state for _, state in world.changes] == [
        BreakerState.OPEN,
        BreakerState.PROBING,
        BreakerState.CLOSED,
    ]


async def test_after_it_closed_all_that_was_before_is_forgotten() -> None:
    world = World()
    await world.broken()
    world.clock.now_s += 5.0
    await world.calls(GOOD, GOOD, GOOD)
    assert world.state is BreakerState.CLOSED
    await world.calls(*[BUSY] * (POLICY.least_failures - 1))
    assert world.state is BreakerState.CLOSED
    await world.calls(BUSY)
    refusal = await world.call(GOOD)
    assert refusal is not None
    assert refusal.retry_after_s == 5.0


async def test_a_probe_that_is_cancelled_makes_room_for_another() -> None:
    world = World()
    await world.broken()
    world.clock.now_s += 5.0
    world.steps = (Pause(),)
    async with asyncio.timeout(SOON_S), asyncio.TaskGroup() as tasks:
        probe = tasks.create_task(world.call((Pause(),)))
        await asyncio.sleep(0)
        assert await world.call(GOOD) is not None
        probe.cancel()
    assert await world.call(GOOD) is None


async def test_a_call_from_before_it_opened_says_nothing_when_it_ends() -> None:
    world = World()
    late = asyncio.Event()

    async def linger() -> None:
        world.steps = (Begun("x", None), Pause(0.0), *BUSY)
        async with world.provider.stream(CALL) as events:
            await anext(events)
            await late.wait()
            with pytest.raises(UpstreamError):
                await anext(events)

    async with asyncio.timeout(SOON_S), asyncio.TaskGroup() as tasks:
        tasks.create_task(linger())
        await asyncio.sleep(0)
        await world.broken()
        world.clock.now_s += 5.0
        await world.calls(GOOD)
        assert world.state is BreakerState.PROBING
        late.set()
    assert world.state is BreakerState.PROBING


async def test_a_failure_of_the_consumer_is_not_the_models() -> None:
    world = World(GOOD)
    for _ in range(10):
        with pytest.raises(UpstreamError, match="mine"):
            async with world.provider.stream(CALL):
                raise UpstreamError(Reason.UPSTREAM_UNAVAILABLE, "mine")
    assert world.state is BreakerState.CLOSED
    assert world.inner.open_streams == 0


async def test_a_herd_finds_one_probe_at_a_time_while_the_model_is_down() -> None:
    world = World()
    await world.broken()
    asked = world.asked
    for _ in range(20):
        world.clock.now_s += 1.0
        await world.calls(*[BUSY] * 50)
    # 20 s hold the probes after 5 s and after 10 s more.
    assert world.asked - asked == 2


async def test_closing_closes_the_inner_provider() -> None:
    world = World()
    await world.provider.aclose()
    assert world.inner.closed
