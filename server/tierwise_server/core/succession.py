"""Who makes an attempt instead of a tier whose attempt failed.

While a model is not available, the tier's fallbacks come first, in their order; then the cascade's next tier; then, for
an answer, the next stronger tier that the plan names for it. A prompt that is too long goes to the next tier that holds
more. Nobody is asked twice, and nobody who is known to be too small.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tierwise_server.errors import Reason

if TYPE_CHECKING:
    from tierwise_server.core.model import Tier
    from tierwise_server.core.table import Plan

CLIMBING_IS_FUTILE = frozenset(
    {
        Reason.UPSTREAM_AUTH,
        Reason.UPSTREAM_SPEND_LIMIT,
        Reason.LEDGER_UNAVAILABLE,
        Reason.OVERLOADED,
        Reason.INTERNAL,
    }
)
"""Failures that the next tier would meet as well."""

UNAVAILABLE = frozenset(
    {
        Reason.UPSTREAM_RATE_LIMITED,
        Reason.UPSTREAM_OVERLOADED,
        Reason.UPSTREAM_UNAVAILABLE,
        Reason.UPSTREAM_TIMEOUT,
        Reason.UPSTREAM_INTERRUPTED,
        Reason.UPSTREAM_PROTOCOL,
        Reason.UPSTREAM_MODEL_MISSING,
    }
)
"""Failures of one model that say nothing against the request: another model may serve it."""


@dataclass(frozen=True, slots=True)
class Past:
    """What a request's attempts have shown.

    Attributes:
        asked: the tiers that were asked.
        outgrown: the most tokens that a model holds for which the prompt turned out too long.
    """

    asked: frozenset[str] = frozenset()
    outgrown: int = 0

    def with_asked(self, tier: Tier) -> Past:
        """The same with one more tier asked."""
        return replace(self, asked=self.asked | {tier.name})

    def with_outgrown(self, tier: Tier) -> Past:
        """The same with one more model found too small."""
        return replace(self, outgrown=max(self.outgrown, tier.model.context_tokens))

    def leaves(self, tier: Tier) -> bool:
        """Whether the tier was not asked yet and may hold the prompt."""
        return tier.name not in self.asked and tier.model.context_tokens > self.outgrown


NOTHING_YET = Past()
"""Before the first attempt."""


def after_failure(plan: Plan, tier: Tier, reason: Reason, past: Past) -> Tier | None:
    """Find who is asked after an attempt of `tier` failed for `reason`; None when nobody is.

    `past` includes that attempt.
    """
    if reason in CLIMBING_IS_FUTILE:
        return None
    climb = stronger(plan, tier)
    if reason is Reason.CONTEXT_TOO_LONG:
        return next(filter(past.leaves, (*climb, *plan.overflow)), None)
    if reason not in UNAVAILABLE:
        return climb[0] if climb else None
    alternate = tier.alternate
    while alternate is not None and alternate.model.context_tokens <= past.outgrown:
        alternate = alternate.alternate
    if alternate is not None or climb:
        return alternate or climb[0]
    beyond = _after(plan.fallback, tier)
    return next(filter(past.leaves, plan.fallback if beyond is None else beyond), None)


def stronger(plan: Plan, tier: Tier) -> tuple[Tier, ...]:
    """The cascade's tiers after `tier`; none when `tier` came in from outside the cascade."""
    return _after(plan.cascade, tier) or ()


def _after(tiers: tuple[Tier, ...], tier: Tier) -> tuple[Tier, ...] | None:
    """The tiers after `tier`, whichever of its models fills it; None when it is not among them."""
    at = next((at for at, other in enumerate(tiers) if other.name == tier.name), None)
    return None if at is None else tiers[at + 1 :]
