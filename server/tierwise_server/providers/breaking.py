"""A circuit breaker per model: a provider that does not ask a model which is known to fail.

              enough failures               its time is over
    CLOSED ────────────────────> OPEN ────────────────────────> PROBING
       ^                          ^                                │ │
       │                          └──── the probe fails ───────────┘ │
       └─────── every probe of a growing number succeeds ────────────┘

Probes begin with one at a time, and double with every success, so that a model that has just come back is not asked by
everybody at once. An open breaker's time is drawn around its mean, so that several servers do not probe together.
"""

from __future__ import annotations

import enum
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from tierwise_server.errors import Reason, UpstreamError
from tierwise_server.providers.base import Begun

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierwise_server.providers.base import ModelCall, Provider, ProviderEvent


MOST_ENDS: Final = 1000
"""Ends of calls that a breaker remembers."""


class Verdict(enum.Enum):
    """What the end of a call says about the model's health."""

    FAILED = enum.auto()
    ANSWERED = enum.auto()
    TOO_EARLY = enum.auto()
    NOTHING = enum.auto()


VERDICTS: Final[dict[Reason, Verdict]] = {
    Reason.UPSTREAM_OVERLOADED: Verdict.FAILED,
    Reason.UPSTREAM_UNAVAILABLE: Verdict.FAILED,
    Reason.UPSTREAM_TIMEOUT: Verdict.FAILED,
    Reason.UPSTREAM_INTERRUPTED: Verdict.FAILED,
    Reason.UPSTREAM_PROTOCOL: Verdict.FAILED,
    Reason.UPSTREAM_MODEL_MISSING: Verdict.FAILED,
    # The provider answers; what is wrong is the call's or ours, and these reasons say it better than a closed door.
    Reason.CONTEXT_TOO_LONG: Verdict.ANSWERED,
    Reason.UPSTREAM_REJECTED: Verdict.ANSWERED,
    Reason.UPSTREAM_AUTH: Verdict.ANSWERED,
    Reason.UPSTREAM_SPEND_LIMIT: Verdict.ANSWERED,
    # It says itself when to come back, and that is kept to; a probe that hears it came too early.
    Reason.UPSTREAM_RATE_LIMITED: Verdict.TOO_EARLY,
    # The caller's deadline, and our own limits.
    Reason.DEADLINE_EXCEEDED: Verdict.NOTHING,
    Reason.OVERLOADED: Verdict.NOTHING,
}
"""What each failure of a call says. Those that are not here are no provider's, and say nothing."""


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When a breaker opens and for how long.

    It opens once, of the calls that ended within the last `window_s`, at least `least_failures` have failed, and at
    least `share` of all.

    Attributes:
        least_failures: so many failures at least.
        share: so many of all calls at least, from 0 to 1.
        window_s: how long a call's end counts.
        open_s: how long a breaker is open at first, on average; drawn evenly from half to one and a half of it.
        longest_open_s: it doubles with every probe that fails, up to this.
        probes: it closes once so many probes may run side by side.
    """

    least_failures: int = 10
    share: float = 0.5
    window_s: float = 30.0
    open_s: float = 5.0
    longest_open_s: float = 60.0
    probes: int = 16


class BreakerState(enum.Enum):
    """Where a breaker stands."""

    CLOSED = "closed"
    OPEN = "open"
    PROBING = "probing"


class Breaker:
    """The breaker of one model.

    Args:
        policy: when it opens.
        monotonic: the clock, in seconds.
        draw: a number from [0, 1), evenly.
        changed: told every new state.
    """

    def __init__(
        self,
        policy: BreakerPolicy,
        *,
        monotonic: Callable[[], float],
        draw: Callable[[], float],
        changed: Callable[[BreakerState], None],
    ) -> None:
        self._policy = policy
        self._monotonic = monotonic
        self._draw = draw
        self._changed = changed
        self._ends: deque[tuple[float, bool]] = deque()
        self._failures = 0
        self._mean_open_s = 0.0
        self._why = Reason.UPSTREAM_UNAVAILABLE
        self._probe_at_s = 0.0
        self._probing = 0
        self._most_probing = 1
        self.era = 0
        self.state = BreakerState.CLOSED

    @contextmanager
    def admitted(self) -> Iterator[Watch]:
        """Let a call through, to be told in the block how it goes.

        Raises:
            UpstreamError: UPSTREAM_UNAVAILABLE, or UPSTREAM_MODEL_MISSING where that opened it, when the breaker is
                open; the model is not to be asked.
        """
        watch = Watch(self, is_probe=self._admit())
        try:
            yield watch
        finally:
            watch.over()

    def failed(self, reason: Reason, *, is_probe: bool) -> None:
        """A call of this era failed."""
        self._why = reason
        if self.state is BreakerState.CLOSED:
            self._count(failed=True)
            policy = self._policy
            if self._failures >= max(policy.least_failures, policy.share * len(self._ends)):
                self._open(policy.open_s)
        elif is_probe:
            self._open(min(self._policy.longest_open_s, self._mean_open_s * 2))

    def came_too_early(self, *, is_probe: bool) -> None:
        """A call of this era was told to come back later: a probe is made again after as long as before."""
        if is_probe and self.state is BreakerState.PROBING:
            self._open(self._mean_open_s)

    def answered(self) -> None:
        """A call of this era ended well."""
        if self.state is BreakerState.CLOSED:
            self._count(failed=False)

    def probe_over(self, *, answered: bool) -> None:
        """A probe of this era was answered, or came to nothing."""
        self._probing -= 1
        if not answered or self.state is not BreakerState.PROBING:
            return
        self._most_probing *= 2
        if self._most_probing > self._policy.probes:
            self._turn(BreakerState.CLOSED)

    def _admit(self) -> bool:
        """Whether the call that comes now is a probe; raises where it may not be made."""
        if self.state is BreakerState.CLOSED:
            return False
        now = self._monotonic()
        if self.state is BreakerState.OPEN and now >= self._probe_at_s:
            self._most_probing, self._probing = 1, 0
            self._turn(BreakerState.PROBING)
        if self.state is BreakerState.OPEN:
            raise self._not_asked(self._probe_at_s - now)
        if self._probing >= self._most_probing:
            raise self._not_asked(self._mean_open_s)
        self._probing += 1
        return True

    def _count(self, *, failed: bool) -> None:
        now = self._monotonic()
        self._ends.append((now, failed))
        self._failures += failed
        while self._ends[0][0] < now - self._policy.window_s or len(self._ends) > MOST_ENDS:
            self._failures -= self._ends.popleft()[1]

    def _open(self, mean_s: float) -> None:
        self.era += 1
        self._ends.clear()
        self._failures = 0
        self._mean_open_s = mean_s
        self._probe_at_s = self._monotonic() + mean_s * (0.5 + self._draw())
        self._turn(BreakerState.OPEN)

    def _turn(self, state: BreakerState) -> None:
        self.state = state
        self._changed(state)

    def _not_asked(self, wait_s: float) -> UpstreamError:
        if self._why is Reason.UPSTREAM_MODEL_MISSING:
            text = "the provider did not know the model of late, which is not asked for a while"
            return UpstreamError(self._why, text, retry_after_s=wait_s, tries=0)
        text = "the model failed too often of late and is not asked for a while"
        return UpstreamError(Reason.UPSTREAM_UNAVAILABLE, text, retry_after_s=wait_s, tries=0)


class Watch:
    """Tells a breaker how one call goes. What comes after the breaker opened anew says nothing any more."""

    __slots__ = ("_begun", "_breaker", "_era", "_holds_place", "_is_probe", "_told")

    def __init__(self, breaker: Breaker, *, is_probe: bool) -> None:
        self._breaker = breaker
        self._era = breaker.era
        self._is_probe = is_probe
        self._holds_place = is_probe
        self._begun = False
        self._told = False

    def begun(self) -> None:
        """The model has begun to answer: for a probe that is enough."""
        self._begun = True
        self._leave_place(answered=True)

    def failed(self, reason: Reason) -> None:
        """The call failed."""
        verdict = VERDICTS.get(reason, Verdict.NOTHING)
        if verdict is Verdict.ANSWERED:
            self.begun()
        elif verdict is Verdict.FAILED and self._counts():
            self._breaker.failed(reason, is_probe=self._is_probe)
        elif verdict is Verdict.TOO_EARLY and self._counts():
            self._breaker.came_too_early(is_probe=self._is_probe)
        self._told = self._told or verdict is not Verdict.ANSWERED

    def over(self) -> None:
        """The call is over. One that began and did not fail went well, even if its reader left early."""
        self._leave_place(answered=False)
        if self._begun and self._counts():
            self._breaker.answered()
        self._told = True

    def _counts(self) -> bool:
        return not self._told and self._era == self._breaker.era

    def _leave_place(self, *, answered: bool) -> None:
        if self._holds_place and self._era == self._breaker.era:
            self._breaker.probe_over(answered=answered)
        self._holds_place = False


class BreakingProvider:
    """A provider that asks `inner` through a breaker for each model, and closes it.

    A call that an open breaker stops fails at once with UPSTREAM_UNAVAILABLE, or UPSTREAM_MODEL_MISSING where the
    provider did not know the model, with 0 tries and the time until the next probe; it is not to be asked again, as
    only time helps.

    Args:
        inner: makes the calls, one try each.
        policy: when breakers open.
        changed: told every new state, with the model's id. For logs and metrics; must not raise.
        monotonic: the clock, in seconds.
        draw: a number from [0, 1), evenly.
    """

    def __init__(
        self,
        inner: Provider,
        policy: BreakerPolicy = BreakerPolicy(),
        *,
        changed: Callable[[str, BreakerState], None] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._inner = inner
        self._policy = policy
        self._changed = changed
        self._monotonic = monotonic
        self._draw = draw
        self._breakers: dict[str, Breaker] = {}

    @asynccontextmanager
    async def stream(self, call: ModelCall) -> AsyncIterator[AsyncIterator[ProviderEvent]]:
        """Make the call, unless the model's breaker is open. See the port."""
        with self.breaker(call.model.id).admitted() as watch:
            async with AsyncExitStack() as stack:
                try:
                    events = await stack.enter_async_context(self._inner.stream(call))
                except UpstreamError as error:
                    watch.failed(error.reason)
                    raise
                yield _Watched(events, watch)

    async def aclose(self) -> None:
        """Close the inner provider. See the port."""
        await self._inner.aclose()

    def breaker(self, model_id: str) -> Breaker:
        """The breaker of a model."""
        known = self._breakers.get(model_id)
        if known is not None:
            return known

        def changed(state: BreakerState) -> None:
            if self._changed is not None:
                self._changed(model_id, state)

        made = Breaker(self._policy, monotonic=self._monotonic, draw=self._draw, changed=changed)
        self._breakers[model_id] = made
        return made


class _Watched:
    """A call's events, with the watch told of its beginning and its failure."""

    def __init__(self, events: AsyncIterator[ProviderEvent], watch: Watch) -> None:
        self._events = events
        self._watch = watch

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ProviderEvent:
        try:
            event = await anext(self._events)
        except UpstreamError as error:
            self._watch.failed(error.reason)
            raise
        if type(event) is Begun:
            self._watch.begun()
        return event
