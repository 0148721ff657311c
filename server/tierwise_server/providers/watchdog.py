"""Ends a call to a model that hangs, with one timer per call instead of one per event.

Each limit catches what the others let through: a server that takes the request and never answers
(`first_event_s`), a connection that died without a word (`idle_s`), a server that pings and does not
move (`no_progress_s`), and one that drips for ever (`total_s`). Time that the reader's own consumer
takes counts only towards the total.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

_SECOND_LOOK_S: Final = 0.01


@dataclass(frozen=True, slots=True)
class Patience:
    """How long each thing may take, in seconds.

    Attributes:
        first_event_s: from sending the request to the first event of the answer.
        idle_s: without a single byte, once the answer has begun. Pings come every few seconds.
        no_progress_s: with pings but without content. Long thinking may be silent, so be generous.
        total_s: the whole call.
    """

    first_event_s: float = 60.0
    idle_s: float = 60.0
    no_progress_s: float = 300.0
    total_s: float = 600.0


class Limit(enum.Enum):
    """The limit that a call ran into."""

    FIRST_EVENT = enum.auto()
    IDLE = enum.auto()
    NO_PROGRESS = enum.auto()
    TOTAL = enum.auto()
    DEADLINE = enum.auto()


class Watchdog:
    """Watches one call. Started when made; `stop` it, whatever happens.

    Tell it when the answer begins, and when each read starts and ends. When a limit is passed, it
    calls `bark` from the event loop, which should make the pending read raise.

    Args:
        patience: the limits.
        time_left_s: the caller's deadline; None for none.

    Attributes:
        passed: the limit that was passed, if any.
        bark: called once when a limit is passed.
    """

    __slots__ = (
        "_begun",
        "_ends_at",
        "_loop",
        "_reading_since",
        "_started_at",
        "_suspects",
        "_timer",
        "_waited_s",
        "bark",
        "passed",
        "patience",
    )

    def __init__(self, patience: Patience, time_left_s: float | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self.patience = patience
        self.bark: Callable[[], None] = _nothing
        self._begun = False
        self._suspects = False
        self._waited_s = 0.0
        self.passed: Limit | None = None
        self._started_at = now = self._loop.time()
        self._reading_since: float | None = None
        self._ends_at: tuple[float, Limit | None] = (now + patience.total_s, Limit.TOTAL)
        if time_left_s is not None and time_left_s < patience.total_s:
            self._ends_at = (now + time_left_s, Limit.DEADLINE)
        self._timer = self._loop.call_at(self._due()[0], self._look)

    @asynccontextmanager
    async def interrupting(self) -> AsyncIterator[None]:
        """Leave the block with TimeoutError when a limit is passed within it."""
        async with asyncio.timeout(None) as scope:
            self.bark = lambda: scope.reschedule(self._loop.time())
            try:
                yield
            finally:
                self.bark = _nothing

    def begun(self) -> None:
        """The answer's first event came."""
        self._begun = True
        # The limits from here on may be shorter than the one the timer was set for.
        self._timer.cancel()
        self._timer = self._loop.call_at(self._due()[0], self._look)

    def read_starts(self) -> None:
        """The reader waits for bytes from now on."""
        self._reading_since = self._loop.time()

    def read_ends(self, *, progress: bool) -> None:
        """The reader got bytes; `progress`: they moved the answer on, so more than pings."""
        if progress:
            self._waited_s = 0.0
        elif self._reading_since is not None:
            self._waited_s += self._loop.time() - self._reading_since
        self._reading_since = None

    def stop(self) -> None:
        """Watch no longer. Idempotent."""
        self._timer.cancel()

    def _look(self) -> None:
        due, limit = self._due()
        if limit is None or due > self._loop.time():
            self._suspects = False
            self._timer = self._loop.call_at(due, self._look)
        elif not self._suspects:
            # A loop that was held up runs its timers before it reads what came meanwhile.
            self._suspects = True
            self._timer = self._loop.call_later(_SECOND_LOOK_S, self._look)
        else:
            self.passed = limit
            self.bark()

    def _due(self) -> tuple[float, Limit | None]:
        """When to look next, and the limit that is passed if nothing changes until then."""
        patience, since = self.patience, self._reading_since
        left_s = patience.no_progress_s - self._waited_s
        candidates = [self._ends_at]
        if not self._begun:
            candidates.append((self._started_at + patience.first_event_s, Limit.FIRST_EVENT))
        elif since is None:
            # Nothing is awaited from the provider; no limit can be passed before this has passed.
            later = self._loop.time() + min(patience.idle_s, left_s)
            candidates.append((later, None))
        else:
            candidates.append((since + patience.idle_s, Limit.IDLE))
            candidates.append((since + left_s, Limit.NO_PROGRESS))
        return min(candidates, key=lambda candidate: candidate[0])


def _nothing() -> None:
    """Nothing is pending that could be ended."""
