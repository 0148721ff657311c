"""So many calls at once, a short queue, and everybody else is turned away at once; no place is ever lost."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.unit.providers.calls import CALL
from tests.unit.providers.clock import Clock
from tierwise_server.errors import Reason, UpstreamError
from tierwise_server.providers.base import Begun, ModelCall, TextPiece
from tierwise_server.providers.limiting import LimitingProvider, Limits, Places
from tierwise_server.providers.scripted import Pause, ScriptedProvider, Step, answer

SOON_S = 20.0
"""Far above what anything here takes."""

SLOW = (Begun("x", None), Pause(0.01), *answer("Hi.")[1:])
NEVER: Sequence[Step] = (Begun("x", None), TextPiece("A "), Pause())


async def ask(provider: LimitingProvider, call: ModelCall = CALL) -> None:
    async with provider.stream(call) as events:
        async for _ in events:
            pass


def playing(steps: Sequence[Step]) -> ScriptedProvider:
    return ScriptedProvider(lambda _call: steps)


async def test_no_more_calls_run_at_once_than_there_are_places() -> None:
    most = 0

    def script(_call: ModelCall) -> Sequence[Step]:
        nonlocal most
        most = max(most, inner.open_streams)
        return SLOW

    inner = ScriptedProvider(script)
    provider = LimitingProvider(inner, Limits(places=3, most_waiting=100))
    async with asyncio.timeout(SOON_S), asyncio.TaskGroup() as tasks:
        for _ in range(30):
            tasks.create_task(ask(provider))
    assert most == 3
    assert len(inner.calls) == 30
    assert provider.places.taken == provider.places.waiting == 0


async def test_a_full_queue_refuses_at_once_and_says_when_to_come_back() -> None:
    shed: list[None] = []
    inner = playing(NEVER)
    limits = Limits(places=1, most_waiting=1, longest_wait_s=60.0)
    provider = LimitingProvider(inner, limits, shed=lambda: shed.append(None))
    async with asyncio.timeout(SOON_S), asyncio.TaskGroup() as tasks:
        held = [tasks.create_task(ask(provider)) for _ in range(2)]
        await asyncio.sleep(0.01)
        with pytest.raises(UpstreamError) as refusal:
            await ask(provider)
        for task in held:
            task.cancel()
    assert refusal.value.reason is Reason.OVERLOADED
    assert refusal.value.retry_after_s == 1.0
    assert refusal.value.tries == 0
    assert not refusal.value.retryable
    assert len(shed) == 1
    assert len(inner.calls) == 1
    assert provider.places.taken == provider.places.waiting == 0


async def test_a_wait_that_is_too_long_is_ended() -> None:
    provider = LimitingProvider(playing(NEVER), Limits(places=1, longest_wait_s=0.02))
    async with asyncio.timeout(SOON_S), asyncio.TaskGroup() as tasks:
        held = tasks.create_task(ask(provider))
        await asyncio.sleep(0)
        with pytest.raises(UpstreamError) as refusal:
            await ask(provider)
        held.cancel()
    assert refusal.value.reason is Reason.OVERLOADED
    assert provider.places.taken == provider.places.waiting == 0


async def test_nobody_waits_beyond_the_time_that_is_left() -> None:
    provider = LimitingProvider(playing(NEVER), Limits(places=1, longest_wait_s=60.0))
    async with asyncio.timeout(SOON_S), asyncio.TaskGroup() as tasks:
        held = tasks.create_task(ask(provider))
        await asyncio.sleep(0)
        with pytest.raises(UpstreamError) as refusal:
            await ask(provider, replace(CALL, time_left_s=0.02))
        held.cancel()
    assert refusal.value.reason is Reason.OVERLOADED


async def test_a_wait_that_is_known_to_be_too_long_is_not_begun() -> None:
    clock = Clock()
    places = Places(Limits(places=2, longest_wait_s=5.0), monotonic=clock.monotonic)
    async with places.place():
        clock.now_s += 12.0
    assert places.mean_hold_s == 12.0
    async with places.place(), places.place():
        # Two places that are held for 12 s each are given back every 6 s.
        assert places.expected_wait_s == 6.0
        with pytest.raises(UpstreamError) as refusal:
            async with places.place():
                raise AssertionError
    assert refusal.value.retry_after_s == 6.0
    assert places.taken == 0


async def test_the_time_waited_is_told_and_taken_off_the_time_left() -> None:
    waits: list[float] = []
    clock = Clock()

    def script(_call: ModelCall) -> Sequence[Step]:
        return SLOW

    inner = ScriptedProvider(script)
    provider = LimitingProvider(
        inner, Limits(places=1), waited=waits.append, monotonic=clock.monotonic
    )

    async def wait(seconds: float) -> None:
        await asyncio.sleep(0)
        clock.now_s += seconds

    async with asyncio.timeout(SOON_S), asyncio.TaskGroup() as tasks:
        tasks.create_task(ask(provider))
        tasks.create_task(ask(provider, replace(CALL, time_left_s=10.0)))
        tasks.create_task(wait(2.0))
    assert waits == [0.0, 2.0]
    assert [call.time_left_s for call in inner.calls] == [None, 8.0]


async def test_places_are_handed_on_in_the_order_of_asking() -> None:
    order: list[int] = []
    places = Places(Limits(places=1), monotonic=Clock().monotonic)

    async def take(number: int) -> None:
        async with places.place():
            order.append(number)
            await asyncio.sleep(0)

    async with asyncio.timeout(SOON_S), asyncio.TaskGroup() as tasks:
        for number in range(10):
            tasks.create_task(take(number))
    assert order == list(range(10))


async def test_a_failing_call_gives_its_place_back() -> None:
    busy = UpstreamError(Reason.UPSTREAM_OVERLOADED, "busy")
    provider = LimitingProvider(playing((busy,)), Limits(places=1))
    for _ in range(3):
        with pytest.raises(UpstreamError, match="busy"):
            await ask(provider)
    assert provider.places.taken == 0


async def test_a_thousand_cancels_at_every_point_lose_no_place() -> None:
    inner = playing((Begun("x", None), Pause(0.0), *answer("Hi.")[1:]))
    provider = LimitingProvider(inner, Limits(places=3, most_waiting=5))

    async def ask_unless_shed() -> None:
        with contextlib.suppress(UpstreamError):
            await ask(provider)

    async with asyncio.timeout(SOON_S), asyncio.TaskGroup() as tasks:
        for number in range(1000):
            # Cancelled after each number of turns from none on, so waiting, handed over, running or done.
            task = tasks.create_task(ask_unless_shed())
            tasks.create_task(cancel_after(number % 12, task))
            if number % 4 == 0:
                await asyncio.sleep(0)
    assert provider.places.taken == provider.places.waiting == 0
    assert inner.open_streams == 0
    await ask(provider)


async def cancel_after(turns: int, task: asyncio.Task[None]) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()


async def test_a_place_handed_over_in_the_turn_of_the_cancel_goes_to_the_next() -> None:
    places = Places(Limits(places=1), monotonic=Clock().monotonic)
    got: list[int] = []

    async def take(number: int) -> None:
        async with places.place():
            got.append(number)

    async with asyncio.timeout(SOON_S), asyncio.TaskGroup() as tasks:
        async with places.place():
            waiters = [tasks.create_task(take(number)) for number in range(3)]
            await asyncio.sleep(0)
        waiters[0].cancel()
    assert got == [1, 2]
    assert places.taken == places.waiting == 0


async def test_closing_closes_the_inner_provider() -> None:
    inner = playing(SLOW)
    await LimitingProvider(inner).aclose()
    assert inner.closed
