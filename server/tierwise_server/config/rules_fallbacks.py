"""Rules for the models that take over while a tier's own is not available."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tierwise_server.config.context import Context
from tierwise_server.config.findings import Finding, did_you_mean
from tierwise_server.config.layers import ModelSettings
from tierwise_server.config.resolve import ResolvedTier
from tierwise_server.config.rules_tiers import model_names, suitability_faults


def fallbacks_can_take_over(ctx: Context) -> Iterator[Finding]:
    """Each fallback is a known model, named once, that can do what the tier asks of its own."""
    for tier, model in ctx.described_tiers():
        if not ctx.intact((*tier.loc, "fallbacks")):
            continue
        seen = {model.id}
        for name, fallback in zip(tier.settings.fallbacks or (), tier.fallbacks, strict=True):
            if fallback is None:
                message = f"there is no model {name!r}{did_you_mean(name, model_names(ctx))}"
            elif fallback.settings.id in seen:
                message = f"tier {tier.name!r} names {fallback.settings.id!r} twice"
            elif ctx.intact(fallback.loc):
                seen.add(fallback.settings.id)
                message = next(_faults(ctx, tier, model, fallback.settings), "")
            else:
                message = ""
            if message:
                yield Finding(tier.at("fallbacks"), message)


def _faults(
    ctx: Context, tier: ResolvedTier, model: ModelSettings, fallback: ModelSettings
) -> Iterator[str]:
    for _, fault in suitability_faults(tier.settings, fallback):
        yield f"tier {tier.name!r} {fault}"
    if (fallback.context_tokens or 0) < (model.context_tokens or 0):
        yield (
            f"tier {tier.name!r} falls back to {fallback.id!r}, which holds less than"
            f" {model.id!r}: a prompt could be too long for it"
        )
    book = ctx.prices.book
    if book is not None and not {fallback.id} & {*book.models, *(ctx.config.prices.models or {})}:
        yield (
            f"model {fallback.id!r} of tier {tier.name!r} has no price in {book.version!r};"
            f' add [prices.models."{fallback.id}"]'
        )


FALLBACK_RULES: Final = (fallbacks_can_take_over,)
