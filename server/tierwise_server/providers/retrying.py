"""The one owner of retries: a provider that asks another one again, while that is safe and useful.

Safe means before the answer has begun. From then on the call is billed and text may have reached the
caller, so a failure is final. A retry may still be billed twice, when the provider took the first
request and its answer was lost; that is why `tries` travels with the answer and with the failure.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from tierwise_server.core.tries import TryBudget
from tierwise_server.errors import UpstreamError
from tierwise_server.providers.base import Begun

if TYPE_CHECKING:
    from tierwise_server.providers.base import ModelCall, Provider, ProviderEvent


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a call is tried, and how long to wait between tries.

    The wait before try n + 1 is drawn evenly from [0, first_wait_s * 2 ** (n - 1)], at most
    `longest_wait_s` ("full jitter": aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter).
    Where the provider says how long to wait, the draw is added to that, so never earlier. A call whose
    next try would start after its deadline, or after `longest_advice_s`, fails at once instead.

    Attributes:
        most_tries: tries in all, the first one included.
        first_wait_s: the most that is waited before the second try.
        longest_wait_s: the most that is waited of our own accord.
        longest_advice_s: the most that is waited because the provider says so.
    """

    most_tries: int = 3
    first_wait_s: float = 0.5
    longest_wait_s: float = 8.0
    longest_advice_s: float = 60.0


class RetryingProvider:
    """A provider that retries calls of `inner` by `policy`, and closes it.

    Args:
        inner: makes the calls, one try each.
        policy: when to try again.
        budget: what all retries together may not exceed; one of its own by default. It is told what is answered.
        monotonic: the clock, in seconds.
        sleep: waits so many seconds.
        draw: a number from [0, 1), evenly.

    Attributes:
        budget: the same, for whoever asks the provider once more by other means.
    """

    def __init__(
        self,
        inner: Provider,
        policy: RetryPolicy = RetryPolicy(),
        *,
        budget: TryBudget | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._inner = inner
        self._policy = policy
        self.budget = budget or TryBudget()
        self._monotonic = monotonic
        self._sleep = sleep
        self._draw = draw

    @asynccontextmanager
    async def stream(self, call: ModelCall) -> AsyncIterator[AsyncIterator[ProviderEvent]]:
        """Make the call on entering, and again as the policy says; entered once the answer begins.

        See the port. `tries` of Begun and of every failure counts how often the provider was asked.
        """
        started_s = self._monotonic()
        asked = retries = 0
        left_s = call.time_left_s
        self.budget.call()
        begun = False
        while True:
            one_try = replace(call, time_left_s=left_s) if retries else call
            try:
                async with self._inner.stream(one_try) as events:
                    answer = _Answer(await anext(events), events, asked + 1, self.budget)
                    begun = True
                    self.budget.answered()
                    yield answer
                    return
            except UpstreamError as error:
                if begun:
                    raise
                outcome = error
            outcome.tries = asked = asked + min(outcome.tries, 1)
            if call.time_left_s is not None:
                left_s = call.time_left_s - (self._monotonic() - started_s)
            wait_s = self._wait_s(outcome, call.retries_used + retries, left_s)
            # One that was not asked yet, as when it asked for a pause, is not asked once more.
            if wait_s is None or (asked and not self.budget.take()):
                raise outcome
            retries += 1
            await self._sleep(wait_s)
            if left_s is not None:
                left_s -= wait_s

    async def aclose(self) -> None:
        """Close the inner provider. See the port."""
        await self._inner.aclose()

    def _wait_s(self, error: UpstreamError, retries: int, left_s: float | None) -> float | None:
        """How long to wait before the next try, after so many retries; None when there is none."""
        policy = self._policy
        if not error.retryable or retries >= policy.most_tries - 1:
            return None
        advice_s = error.retry_after_s or 0.0
        if advice_s > policy.longest_advice_s:
            return None
        most_s = min(policy.longest_wait_s, policy.first_wait_s * 2**retries)
        wait_s = advice_s + self._draw() * most_s
        return None if left_s is not None and wait_s >= left_s else wait_s


def budgets_of(providers: Mapping[str, Provider]) -> dict[str, TryBudget]:
    """What each provider may be asked beyond once, where that is bounded."""
    return {
        name: provider.budget
        for name, provider in providers.items()
        if isinstance(provider, RetryingProvider)
    }


class _Answer:
    """An answer that has begun: its first event, then the rest; its failure is final."""

    def __init__(
        self,
        first: ProviderEvent,
        rest: AsyncIterator[ProviderEvent],
        tries: int,
        budget: TryBudget,
    ) -> None:
        self._first: ProviderEvent | None = first
        self._budget = budget
        self._rest = rest
        self._tries = tries

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ProviderEvent:
        if self._first is not None:
            first, self._first = self._first, None
            return replace(first, tries=self._tries) if isinstance(first, Begun) else first
        try:
            return await anext(self._rest)
        except UpstreamError as error:
            self._budget.broke_off()
            error.tries = self._tries
            raise
