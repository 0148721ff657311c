"""Waiting for what another thread or process does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

SOON_S = 20.0
"""Far above what anything here takes; a hang fails the test instead of the run."""


async def until(condition: Callable[[], object]) -> None:
    """Wait until the condition holds."""
    async with asyncio.timeout(SOON_S):
        while not condition():  # noqa: ASYNC110 - a thread sets no event of this loop
            await asyncio.sleep(0.002)
