"""One timer per call sees every limit pass, and none that did not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tierwise_server.providers.watchdog import Limit, Patience, Watchdog

PATIENT = Patience(30.0, 30.0, 30.0, 30.0)
SHORT_S = 0.05


@pytest.fixture(autouse=True)
async def _in_time() -> AsyncIterator[None]:
    async with asyncio.timeout(10):
        yield


async def barked(watchdog: Watchdog) -> Limit | None:
    """Wait for the bark; the limit that was passed."""
    bark = asyncio.Event()
    watchdog.bark = bark.set
    await bark.wait()
    return watchdog.passed


def begun(patience: Patience) -> Watchdog:
    watchdog = Watchdog(patience)
    watchdog.begun()
    return watchdog


async def test_an_answer_that_does_not_begin_is_seen() -> None:
    watchdog = Watchdog(replace(PATIENT, first_event_s=SHORT_S))
    watchdog.read_starts()
    assert await barked(watchdog) is Limit.FIRST_EVENT


async def test_silence_is_seen_though_the_first_limit_was_longer() -> None:
    watchdog = begun(replace(PATIENT, idle_s=SHORT_S))
    watchdog.read_starts()
    assert await barked(watchdog) is Limit.IDLE


async def test_reads_that_bring_nothing_new_add_up() -> None:
    watchdog = begun(replace(PATIENT, no_progress_s=0.2))
    for _ in range(4):
        watchdog.read_starts()
        await asyncio.sleep(0.04)
        watchdog.read_ends(progress=False)
        assert watchdog.passed is None
    watchdog.read_starts()
    assert await barked(watchdog) is Limit.NO_PROGRESS


async def test_progress_starts_the_count_again() -> None:
    watchdog = begun(replace(PATIENT, no_progress_s=0.3))
    for _ in range(8):
        watchdog.read_starts()
        await asyncio.sleep(0.05)
        watchdog.read_ends(progress=True)
    assert watchdog.passed is None
    watchdog.stop()


async def test_the_sooner_of_total_and_deadline_is_named() -> None:
    assert await barked(Watchdog(replace(PATIENT, total_s=SHORT_S), 5.0)) is Limit.TOTAL
    assert await barked(Watchdog(PATIENT, SHORT_S)) is Limit.DEADLINE


async def test_time_between_reads_is_not_the_providers() -> None:
    watchdog = begun(replace(PATIENT, idle_s=SHORT_S, no_progress_s=SHORT_S))
    await asyncio.sleep(4 * SHORT_S)
    assert watchdog.passed is None
    watchdog.read_starts()
    assert await barked(watchdog) is Limit.IDLE


async def test_a_loop_that_was_held_up_is_not_the_providers_silence() -> None:
    watchdog = begun(replace(PATIENT, idle_s=SHORT_S))
    loop = asyncio.get_running_loop()
    answer = loop.create_future()
    watchdog.read_starts()
    loop.call_later(SHORT_S / 2, answer.set_result, None)
    time.sleep(2 * SHORT_S)  # noqa: ASYNC251 - holding the loop up is the point
    await answer
    watchdog.read_ends(progress=True)
    await asyncio.sleep(2 * SHORT_S)
    assert watchdog.passed is None
    watchdog.stop()


async def test_a_block_is_left_when_a_limit_is_passed_within_it() -> None:
    watchdog = Watchdog(replace(PATIENT, first_event_s=SHORT_S))
    with pytest.raises(TimeoutError):
        async with watchdog.interrupting():
            await asyncio.Event().wait()
    assert watchdog.passed is Limit.FIRST_EVENT


async def test_a_limit_passed_after_the_block_interrupts_nothing() -> None:
    watchdog = Watchdog(replace(PATIENT, first_event_s=SHORT_S))
    async with watchdog.interrupting():
        pass
    await asyncio.sleep(2 * SHORT_S)
    assert watchdog.passed is Limit.FIRST_EVENT


async def test_a_stopped_watchdog_is_silent() -> None:
    watchdog = Watchdog(replace(PATIENT, first_event_s=SHORT_S))
    watchdog.stop()
    await asyncio.sleep(2 * SHORT_S)
    assert watchdog.passed is None
