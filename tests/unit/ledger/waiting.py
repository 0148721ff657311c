"""Waiting for what another thread or process does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

SOON_S = 20.0
"""Far above what anything here takes; a hang fails the test instead of the run."""


async def until(condition: Callable[[], object]) -> None:
    """Wait until the condition holds."""
    async with asyncio.timeout(SOON_S):
        while not condition():  # noqa: ASYNC110 - a thread sets no event of this loop
            await asyncio.sleep(0.002)


async def until_found(condition: Callable[[], Awaitable[object]]) -> None:
    """Wait until a condition that has to be asked for holds."""
    async with asyncio.timeout(SOON_S):
        while not await condition():  # noqa: ASYNC110 - what is asked sets no event
            await asyncio.sleep(0.02)
