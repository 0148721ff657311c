"""What must go on for as long as a server runs: begun again when it fails, told at once, and known while it is down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import structlog

log = structlog.get_logger("tierwise.upkeep")

FIRST_WAIT_S: Final = 0.25
LONGEST_WAIT_S: Final = 5.0
STEADY_S: Final = 15.0
"""What has gone on for so long counts as well again: longer than the slowest work sleeps between two turns."""
LOOK_S: Final = 0.25


class Upkeep:
    """Runs work that never ends, each piece beside a block.

    What fails is logged with its cause and begun again, first after `first_wait_s` and then after twice as long each
    time; a server never goes on without it in silence.
    """

    def __init__(
        self,
        *,
        first_wait_s: float = FIRST_WAIT_S,
        longest_wait_s: float = LONGEST_WAIT_S,
        steady_s: float = STEADY_S,
    ) -> None:
        self._first_wait_s = first_wait_s
        self._longest_wait_s = longest_wait_s
        self._steady_s = steady_s
        self._down: set[str] = set()

    @property
    def down(self) -> frozenset[str]:
        """What has failed and has not gone on for `steady_s` since."""
        return frozenset(self._down)

    @asynccontextmanager
    async def running(self, work: Callable[[], Awaitable[None]], what: str) -> AsyncIterator[None]:
        """Run `work` beside the block; `what` says in the log what it does.

        Not a task group: what fails in the block must leave it as it is.
        """
        task = asyncio.get_running_loop().create_task(self._without_end(work, what))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait((task,))

    async def report(self, tell: Callable[[bool], Awaitable[None]]) -> None:
        """Tell whether all of it goes on, now and whenever that changes, for ever."""
        was: bool | None = None
        while True:
            well = not self._down
            if well != was:
                await tell(well)
                was = well
            await asyncio.sleep(LOOK_S)

    async def _without_end(self, work: Callable[[], Awaitable[None]], what: str) -> None:
        loop = asyncio.get_running_loop()
        wait_s = self._first_wait_s
        while True:
            began_s = loop.time()
            steady = loop.call_later(self._steady_s, self._down.discard, what)
            try:
                await work()
                self._down.discard(what)
                return
            except Exception:
                self._down.add(what)
                if loop.time() - began_s > self._steady_s:
                    wait_s = self._first_wait_s
                log.exception("upkeep_failed", what=what, again_in_s=wait_s)
            finally:
                steady.cancel()
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, self._longest_wait_s)
