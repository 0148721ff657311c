"""Rules for models and tiers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from tierwise_server.config.context import Context
from tierwise_server.config.findings import Finding, did_you_mean, known_names
from tierwise_server.config.layers import REFUSE, ModelSettings, TierSettings
from tierwise_server.config.resolve import PROFILE, ResolvedModel, find_model

LEAST_BUDGET_TOKENS: Final = 1024
"""The Messages API takes no smaller budget_tokens."""

_NEEDED_OF_NEW_MODELS: Final = ("provider", "context_tokens", "max_output_tokens")


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words) or "none"


def models_are_whole(ctx: Context) -> Iterator[Finding]:
    """A new model is described, a model is described once, and its facts agree."""
    seen: set[str] = set()
    for index, own in enumerate(ctx.config.models):
        model = find_model(ctx.resolved.models, own.id)
        name = own.id if model is None else model.settings.id
        if name in seen:
            yield Finding(("models", index, "id"), f"{name!r} is described twice")
        seen.add(name)
        for alias in own.aliases or ():
            if any(
                alias in _names(other) for other in ctx.resolved.models.values() if other != model
            ):
                yield Finding(("models", index, "aliases"), f"{alias!r} names another model too")
    for model in ctx.resolved.models.values():
        if model.loc != PROFILE and ctx.intact(model.loc):
            for message in _model_faults(model.settings, new=not model.shipped):
                yield Finding(model.loc, message)


def model_names(ctx: Context) -> list[str]:
    """Every id and alias of a known model."""
    return [name for model in ctx.resolved.models.values() for name in _names(model)]


def _names(model: ResolvedModel) -> tuple[str, ...]:
    return (model.settings.id, *(model.settings.aliases or ()))


def _model_faults(model: ModelSettings, *, new: bool) -> Iterator[str]:
    if new:
        missing = [key for key in _NEEDED_OF_NEW_MODELS if getattr(model, key) is None]
        if missing:
            yield f"{model.id!r} is new, so it needs {_listed(missing)}"
    if (model.max_output_tokens or 0) > (model.context_tokens or 0) > 0:
        yield "max_output_tokens is more than context_tokens"
    thinking = model.thinking or ("none",)
    if model.always_thinks and "none" in thinking:
        yield "always_thinks contradicts 'none' in thinking"
    if not model.always_thinks and "none" not in thinking:
        yield "thinking lacks 'none', so always_thinks must be true"
    extra = set(model.efforts_without_thinking or ()) - set(model.efforts or ())
    if extra:
        yield f"efforts_without_thinking names {_listed(sorted(extra))}, which efforts does not"


def tier_names_are_distinct(ctx: Context) -> Iterator[Finding]:
    """Every tier is named once, in the file and in the order."""
    names = [tier.name for tier in ctx.config.tiers]
    for index, name in enumerate(names):
        if name in names[:index]:
            yield Finding(("tiers", index, "name"), f"there are two tiers named {name!r}")
        if name == REFUSE:
            yield Finding(("tiers", index, "name"), f"{REFUSE!r} has a meaning of its own")
    for name, count in Counter(ctx.config.routing.tiers or ()).items():
        if count > 1:
            yield Finding(("routing", "tiers"), f"names tier {name!r} {count} times")


def order_names_known_tiers(ctx: Context) -> Iterator[Finding]:
    """The order of tiers names tiers that exist."""
    known = {tier.name for tier in ctx.profile.tiers} | {tier.name for tier in ctx.config.tiers}
    for index, name in enumerate(ctx.config.routing.tiers or ()):
        close = did_you_mean(name, known)
        if name not in known and (close or ctx.all_entries("tiers")):
            message = f"there is no tier {name!r}{known_names(name, sorted(known))}"
            yield Finding(("routing", "tiers", index), message)


def tiers_have_models(ctx: Context) -> Iterator[Finding]:
    """Every tier names a model that is known."""
    for tier in ctx.resolved.tiers:
        name = tier.settings.model
        if tier.model is not None or not ctx.intact((*tier.loc, "model")):
            continue
        if name is None:
            yield Finding(tier.loc, f"tier {tier.name!r} is new, so it needs a model")
            continue
        hint = did_you_mean(name, model_names(ctx))
        if hint or ctx.all_entries("models"):
            yield Finding(tier.at("model"), f"there is no model {name!r}{hint}")


def tiers_suit_their_models(ctx: Context) -> Iterator[Finding]:
    """Thinking, effort and length are what each tier's model accepts."""
    for tier, model in ctx.described_tiers():
        for keys, rule in _SUITABILITY:
            if ctx.intact(*((*tier.loc, key) for key in keys)):
                for at, message in rule(tier.settings, model):
                    yield Finding(tier.at(*at), f"tier {tier.name!r} {message}")


_Fault = tuple[tuple[str, ...], str]


def _thinking_faults(tier: TierSettings, model: ModelSettings) -> Iterator[_Fault]:
    forms = model.thinking or ("none",)
    if tier.thinking not in forms:
        because = ", which always thinks" if model.always_thinks else ""
        message = (
            f"has thinking {tier.thinking!r}, which {model.id!r}{because} rejects;"
            f" it accepts {_listed(forms)}"
        )
        yield ("thinking", "model"), message
    elif tier.thinking == "budget":
        yield from _budget_faults(tier)
    elif tier.thinking_budget_tokens:
        message = f"has a budget, but its thinking is {tier.thinking!r}"
        yield ("thinking_budget_tokens",), message


def _budget_faults(tier: TierSettings) -> Iterator[_Fault]:
    budget, limit = tier.thinking_budget_tokens or 0, tier.max_output_tokens or 0
    if budget < LEAST_BUDGET_TOKENS:
        message = f"needs a thinking_budget_tokens of {LEAST_BUDGET_TOKENS} or more"
        yield ("thinking_budget_tokens", "thinking"), message
    elif budget >= limit:
        message = (
            f"has a thinking budget of {budget} tokens, which leaves no room for an answer"
            f" within max_output_tokens {limit}"
        )
        yield ("thinking_budget_tokens", "max_output_tokens"), message


def _effort_faults(tier: TierSettings, model: ModelSettings) -> Iterator[_Fault]:
    effort, efforts = tier.effort, model.efforts or ()
    calm = efforts if model.efforts_without_thinking is None else model.efforts_without_thinking
    if effort is None or effort == "default":
        return
    if not efforts:
        message = (
            f'has effort {effort!r}, but {model.id!r} takes no effort; write effort = "default"'
        )
        yield ("effort", "model"), message
    elif effort not in efforts:
        yield ("effort", "model"), f"has effort {effort!r}; {model.id!r} accepts {_listed(efforts)}"
    elif tier.thinking == "none" and effort not in calm:
        message = f"has effort {effort!r}, which {model.id!r} accepts only while it thinks"
        yield ("effort", "thinking", "model"), message


def _length_faults(tier: TierSettings, model: ModelSettings) -> Iterator[_Fault]:
    limit, most = tier.max_output_tokens or 0, model.max_output_tokens or 0
    if limit > most:
        message = f"has max_output_tokens {limit}, but {model.id!r} writes at most {most}"
        yield ("max_output_tokens", "model"), message


_SUITABILITY: Final[
    tuple[
        tuple[tuple[str, ...], Callable[[TierSettings, ModelSettings], Iterator[_Fault]]],
        ...,
    ]
] = (
    (("thinking", "thinking_budget_tokens", "max_output_tokens"), _thinking_faults),
    (("effort", "thinking"), _effort_faults),
    (("max_output_tokens",), _length_faults),
)


def suitability_faults(tier: TierSettings, model: ModelSettings) -> Iterator[_Fault]:
    """Everything that a tier asks and a model cannot do: the keys that say so, and what is wrong."""
    for _, rule in _SUITABILITY:
        yield from rule(tier, model)


def tiers_have_time(ctx: Context) -> Iterator[Finding]:
    """A tier's headroom leaves it some time within the longest request."""
    longest = ctx.config.server.max_request_s
    for tier in ctx.resolved.tiers:
        headroom = tier.settings.headroom_s or 0.0
        if headroom >= longest:
            yield Finding(
                tier.at("headroom_s"),
                f"tier {tier.name!r} can never start: headroom_s is {headroom:g}"
                f" and server.max_request_s {longest:g}",
            )


def checks_have_their_form(ctx: Context) -> Iterator[Finding]:
    """Where checks must be structured, every tier whose drafts are checked has a model that can be held to a schema."""
    if ctx.config.check.structured is not True:
        return
    drafting = {name for policy in ctx.resolved.policies() for name in policy.tiers[:-1]}
    for tier, model in ctx.described_tiers():
        if tier.name in drafting and model.takes_structured_output is False:
            message = (
                f"tier {tier.name!r} drafts, but its model {model.id!r} takes no structured output"
            )
            yield Finding(("check", "structured"), message)


def prices_are_whole(ctx: Context) -> Iterator[Finding]:
    """The price book can be read, and every price in it is whole."""
    for finding in ctx.prices.findings:
        if ctx.intact(finding.loc):
            yield finding
    for name in ctx.config.prices.models or {}:
        model = find_model(ctx.resolved.models, name)
        if model is not None and model.settings.id != name:
            message = f"{name!r} is another name of {model.settings.id!r}; price that one"
            yield Finding(("prices", "models", name), message)


def models_have_prices(ctx: Context) -> Iterator[Finding]:
    """Every tier's model has a price."""
    book = ctx.prices.book
    whole = not any(found.loc == ("prices", "file") for found in ctx.prices.findings)
    if book is None or not whole or not ctx.intact(("prices",)):
        return
    for tier, model in ctx.described_tiers():
        if model.id not in book.models and model.id not in (ctx.config.prices.models or {}):
            message = (
                f"model {model.id!r} of tier {tier.name!r} has no price in {book.version!r};"
                f' add [prices.models."{model.id}"]'
            )
            yield Finding(tier.at("model"), message)


TIER_RULES: Final = (
    models_are_whole,
    tier_names_are_distinct,
    order_names_known_tiers,
    tiers_have_models,
    tiers_suit_their_models,
    tiers_have_time,
    checks_have_their_form,
    prices_are_whole,
    models_have_prices,
)
