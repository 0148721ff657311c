"""What providers/base.py promises, kept by every implementation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.contract.provider_worlds import TEXT, WORLDS, World, scene
from tierwise_server.core.model import FinishReason
from tierwise_server.errors import Reason, UpstreamError
from tierwise_server.providers.base import Begun, Completed, ProviderEvent, TextPiece

SOON_S = 5.0
"""Far above what anything here takes; a hang fails the test instead of the run."""


@pytest.fixture(params=sorted(WORLDS))
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    async with WORLDS[request.param]() as world, asyncio.timeout(SOON_S):
        yield world


async def listen(world: World, name: str, heard: list[ProviderEvent]) -> None:
    async with world.provider.stream(scene(name)) as events:
        async for event in events:
            heard.append(event)  # noqa: PERF401 - what came before a failure must be kept


async def ask(world: World, name: str) -> list[ProviderEvent]:
    heard: list[ProviderEvent] = []
    await listen(world, name, heard)
    return heard


def text_of(events: list[ProviderEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextPiece))


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("whole", TEXT, FinishReason.STOP),
        ("empty", "", FinishReason.STOP),
        ("refused", "", FinishReason.REFUSAL),
        ("cut short", TEXT, FinishReason.LENGTH),
    ],
)
async def test_an_answer_begins_once_and_ends_complete(
    world: World, name: str, text: str, reason: FinishReason
) -> None:
    first, *middle, last = await ask(world, name)
    assert isinstance(first, Begun)
    assert first.tries == 1
    assert all(isinstance(event, TextPiece) and event.text for event in middle)
    assert text_of(middle) == text
    assert isinstance(last, Completed)
    assert last.finish_reason is reason
    assert last.usage is not None


async def test_a_body_that_breaks_off_raises_after_its_text(world: World) -> None:
    heard: list[ProviderEvent] = []
    with pytest.raises(UpstreamError) as caught:
        await listen(world, "broken off", heard)
    assert caught.value.reason is Reason.UPSTREAM_INTERRUPTED
    assert text_of(heard) == TEXT
    assert not any(isinstance(event, Completed) for event in heard)
    await world.all_closed()


async def test_a_refused_request_is_an_upstream_error(world: World) -> None:
    with pytest.raises(UpstreamError) as caught:
        await ask(world, "rejected")
    assert caught.value.reason is Reason.UPSTREAM_REJECTED
    assert not caught.value.retryable
    assert caught.value.tries == 1
    await world.all_closed()


@pytest.mark.parametrize("name", ["whole", "stalled"])
async def test_leaving_early_closes_the_upstream(world: World, name: str) -> None:
    async with world.provider.stream(scene(name)) as events:
        assert isinstance(await anext(events), Begun)
    await world.all_closed()


@pytest.mark.parametrize("name", ["silent", "stalled"])
async def test_cancelling_closes_the_upstream(world: World, name: str) -> None:
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(ask(world, name))
        await asyncio.sleep(0.05)
        assert task.cancel()
    assert task.cancelled()
    await world.all_closed()


async def test_an_error_of_the_reader_closes_the_upstream_and_goes_on(world: World) -> None:
    with pytest.raises(ZeroDivisionError):
        async with world.provider.stream(scene("stalled")):
            raise ZeroDivisionError
    await world.all_closed()


async def test_calls_run_side_by_side(world: World) -> None:
    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(ask(world, "whole")) for _ in range(20)]
    assert {text_of(task.result()) for task in asked} == {TEXT}
