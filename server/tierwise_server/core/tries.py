"""What a provider may be asked beyond once for each request, so that one that is down is not asked ever more. Pure.

Retries and fallbacks are counted apart: a fallback asks a model that may well answer, so it is bounded only where the
provider as a whole does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

FALLBACKS_AT_START: Final = 100.0
"""Fallbacks that may be made of a provider that has not answered yet."""

MOST_FALLBACKS: Final = 1000.0
"""Fallbacks that may be made at once of one that has: as many as there are tasks at once, by default."""

FALLBACKS_PER_ANSWER: Final = 10.0
"""So a provider that answers one call in ten is fallen back to freely."""

FALLBACKS_PER_CALL: Final = 0.1
"""While nobody answers: enough to find the model that does."""

_ONE: Final = 1.0 - 1e-9
"""Tenths do not add up to one exactly."""


class TryBudget:
    """Buckets of tokens for the retries and the fallbacks of all calls to one provider together.

    A retry takes a token, and is not made where none is left. A call puts `ratio` of one in, and the bucket holds at
    most `reserve`, with which it starts. So n calls are retried at most reserve + ratio * n times: with the provider
    down for good, tries approach 1 + ratio per call, whatever the policy says. (The ratio is that of sre.google's
    "Handling Overload"; the bucket is gRPC's, proposal A6, filled by calls and not by successes alone, so that a
    provider that fails every third call may still be asked again.)

    A fallback takes a token from a bucket that answers fill, `FALLBACKS_PER_ANSWER` each. One whose request has not
    cost the provider a try so far is free, which the caller of `take_fallback` sees to. When that bucket is empty,
    nobody answers: then there are no retries, and what a call puts in is for fallbacks alone, one for every ten calls.
    So tries approach 1.1 per request, however many models there are to fall back to.

    Args:
        reserve: retries at the start, and at most at once.
        ratio: retries for each call.
        shed: told of every fallback that is not made. For metrics; must not raise.
    """

    __slots__ = ("_ratio", "_reserve", "_search", "_shed", "fallbacks", "tokens")

    def __init__(
        self,
        reserve: float = 100.0,
        ratio: float = 0.1,
        *,
        shed: Callable[[], None] | None = None,
    ) -> None:
        self._reserve = reserve
        self._ratio = ratio
        self._shed = shed
        self._search = 0.0
        self.tokens = reserve
        self.fallbacks = FALLBACKS_AT_START

    def call(self) -> None:
        """A call is made for the first time."""
        if self.fallbacks >= _ONE:
            self.tokens = min(self._reserve, self.tokens + self._ratio)
        else:
            self._search = min(1.0, self._search + FALLBACKS_PER_CALL)

    def answered(self) -> None:
        """A call's answer has begun."""
        self.fallbacks = min(MOST_FALLBACKS, self.fallbacks + FALLBACKS_PER_ANSWER)

    def broke_off(self) -> None:
        """An answer that had begun failed: it was none."""
        self.fallbacks = max(0.0, self.fallbacks - FALLBACKS_PER_ANSWER)

    def take(self) -> bool:
        """Take what a retry costs; False, and nothing taken, where there is not enough."""
        if self.fallbacks < _ONE or self.tokens < _ONE:
            return False
        self.tokens -= 1.0
        return True

    def take_fallback(self) -> bool:
        """Take what a fallback costs; False, and nothing taken, where there is not enough."""
        if self.fallbacks >= _ONE:
            self.fallbacks -= 1.0
        elif self._search >= _ONE:
            # What its own call will put in is none of a request's.
            self._search -= 1.0 + FALLBACKS_PER_CALL
        else:
            if self._shed is not None:
                self._shed()
            return False
        return True
