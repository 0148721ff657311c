"""A bound on the calls that run at once: a provider with so many places, and a short queue for them.

Load that cannot be served in time is turned away when it comes, not after it has waited: a call that would wait too
long, going by how long calls hold their places, is refused at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from tierwise_server.errors import Reason, UpstreamError

if TYPE_CHECKING:
    from tierwise_server.providers.base import ModelCall, Provider, ProviderEvent

SMOOTHING: Final = 0.1
"""How much the last call counts in the mean of how long places are held."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much runs and waits at once.

    Attributes:
        places: calls that run at once.
        most_waiting: calls that wait for a place; one more is refused at once.
        longest_wait_s: a call that has waited so long is refused, and one that would have to, at once.
    """

    places: int = 1000
    most_waiting: int = 1000
    longest_wait_s: float = 5.0


class Places:
    """So many places, handed on in the order of asking. For one event loop.

    Args:
        limits: how many there are, and who may wait.
        monotonic: the clock, in seconds.

    Attributes:
        taken: places in use; 0 when nothing leaked.
        mean_hold_s: how long calls hold a place, the last ones counting most; 0 before the first.
    """

    def __init__(self, limits: Limits, *, monotonic: Callable[[], float]) -> None:
        self._limits = limits
        self._monotonic = monotonic
        # A dict, for the order of a queue and removal from its middle.
        self._queue: dict[asyncio.Future[None], None] = {}
        self.taken = 0
        self.mean_hold_s = 0.0

    @property
    def waiting(self) -> int:
        """Calls that wait for a place."""
        return len(self._queue)

    @property
    def expected_wait_s(self) -> float:
        """How long a call that comes now would wait for a place."""
        if self.taken < self._limits.places:
            return 0.0
        return (self.waiting + 1) * self.mean_hold_s / self._limits.places

    @asynccontextmanager
    async def place(self, time_left_s: float | None = None) -> AsyncIterator[float]:
        """Hold a place in the block; gives the seconds waited for it.

        Raises:
            UpstreamError: OVERLOADED, when there is none in time.
        """
        came_at_s = self._monotonic()
        await self._take(time_left_s)
        got_at_s = self._monotonic()
        try:
            yield got_at_s - came_at_s
        finally:
            self._note(self._monotonic() - got_at_s)
            self._give_back()

    async def _take(self, time_left_s: float | None) -> None:
        limits = self._limits
        if self.taken < limits.places:
            self.taken += 1
            return
        wait_s = self.expected_wait_s
        if self.waiting >= limits.most_waiting or wait_s > limits.longest_wait_s:
            raise self._refusal()
        turn = asyncio.get_running_loop().create_future()
        self._queue[turn] = None
        longest_s = limits.longest_wait_s
        try:
            async with asyncio.timeout(
                longest_s if time_left_s is None else min(longest_s, time_left_s)
            ):
                await turn
        except BaseException as error:
            # A place may have been handed over just before the wait was ended.
            if turn.done() and not turn.cancelled():
                self._give_back()
            self._queue.pop(turn, None)
            if isinstance(error, TimeoutError):
                raise self._refusal() from None
            raise

    def _give_back(self) -> None:
        """Hand the place to the next in the queue, if there is one."""
        while self._queue:
            turn = next(iter(self._queue))
            del self._queue[turn]
            if not turn.done():
                turn.set_result(None)
                return
        self.taken -= 1

    def _note(self, held_s: float) -> None:
        if self.mean_hold_s == 0.0:
            self.mean_hold_s = held_s
        else:
            self.mean_hold_s += SMOOTHING * (held_s - self.mean_hold_s)

    def _refusal(self) -> UpstreamError:
        text = "more requests are waiting for the provider than can be served in time"
        wait_s = max(self.expected_wait_s, 1.0)
        return UpstreamError(Reason.OVERLOADED, text, retry_after_s=wait_s, tries=0)


class LimitingProvider:
    """A provider that makes at most so many calls of `inner` at once, and closes it.

    A call that gets no place in time fails with OVERLOADED, 0 tries, and when to come back. A call holds its place from
    the first event to the last; the time that it waited is taken off what it has left.

    Args:
        inner: makes the calls.
        limits: how many run and wait.
        waited: told of every wait, in seconds. For metrics; must not raise.
        shed: told of every call refused. For metrics; must not raise.
        monotonic: the clock, in seconds.
    """

    def __init__(
        self,
        inner: Provider,
        limits: Limits = Limits(),
        *,
        waited: Callable[[float], None] | None = None,
        shed: Callable[[], None] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inner = inner
        self._waited = waited
        self._shed = shed
        self.places = Places(limits, monotonic=monotonic)

    @asynccontextmanager
    async def stream(self, call: ModelCall) -> AsyncIterator[AsyncIterator[ProviderEvent]]:
        """Make the call once there is a place for it. See the port."""
        async with AsyncExitStack() as stack:
            try:
                waited_s = await stack.enter_async_context(self.places.place(call.time_left_s))
            except UpstreamError:
                if self._shed is not None:
                    self._shed()
                raise
            if self._waited is not None:
                self._waited(waited_s)
            if call.time_left_s is not None and waited_s:
                call = replace(call, time_left_s=call.time_left_s - waited_s)
            yield await stack.enter_async_context(self._inner.stream(call))

    async def aclose(self) -> None:
        """Close the inner provider. See the port."""
        await self._inner.aclose()
