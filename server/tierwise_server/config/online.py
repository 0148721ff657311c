"""Compares a configuration with what the provider says of its models. Pure: someone else asks the provider."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Final

from tierwise_server.config.findings import ConfigWarning, Finding, Places
from tierwise_server.config.resolve import ResolvedTier, core_tier
from tierwise_server.config.settings import Config
from tierwise_server.core.model import Model, ThinkingForm, Tier
from tierwise_server.core.model_facts import Lifecycle, ModelFacts
from tierwise_server.errors import Fault

_WORD_OF: Final = {
    ThinkingForm.NONE: "disabled",
    ThinkingForm.BUDGET: "enabled",
    ThinkingForm.ADAPTIVE: "adaptive",
}


def check_online(
    config: Config, listed: Iterable[ModelFacts], *, provider: str = "anthropic"
) -> list[Fault | ConfigWarning]:
    """Compare the tiers of one provider with the models it lists. No I/O.

    Gives faults for what the provider would refuse, and warnings for what it will refuse one day or what the
    configuration does not use. What the provider does not say is not judged.

    Args:
        config: a configuration that `load` has checked.
        listed: every model that the provider lists.
        provider: only tiers of this provider's models are compared.
    """
    facts = {model.id: model for model in listed}
    findings: list[Finding] = []
    for tier in config.resolved.tiers:
        core = core_tier(tier)
        if core.model.provider != provider:
            continue
        known = facts.get(core.model.id)
        if known is None:
            message = f"model {core.model.id!r} of tier {tier.name!r} is not in the provider's list"
            findings.append(Finding(tier.at("model"), message))
        else:
            findings += _compare(tier, core, known)
    places = Places()
    return [*places.faults(findings), *places.warnings(findings)]


def _compare(tier: ResolvedTier, core: Tier, facts: ModelFacts) -> Iterator[Finding]:
    yield from _lifecycle(tier, facts)
    if facts.lifecycle is Lifecycle.RETIRED:
        return
    yield from _lengths(tier, core, facts)
    for keys, message in _abilities(core, facts):
        yield Finding(tier.at(*keys), f"tier {tier.name!r}: {message}")


def _lifecycle(tier: ResolvedTier, facts: ModelFacts) -> Iterator[Finding]:
    where, who = tier.at("model"), f"model {facts.id!r} of tier {tier.name!r}"
    if facts.lifecycle is Lifecycle.RETIRED:
        yield Finding(where, f"{who} is retired: it answers no more")
    elif facts.lifecycle is Lifecycle.DEPRECATED or facts.retires_at_s is not None:
        until = "" if facts.retires_at_s is None else f" and retires on {_day(facts.retires_at_s)}"
        state = "deprecated" if facts.lifecycle is Lifecycle.DEPRECATED else "active"
        yield Finding(where, f"{who} is {state}{until}", grave=False)


def _day(unix_s: int) -> str:
    return dt.datetime.fromtimestamp(unix_s, dt.UTC).date().isoformat()


def _lengths(tier: ResolvedTier, core: Tier, facts: ModelFacts) -> Iterator[Finding]:
    where, model = tier.at("model"), core.model
    for key, ours, theirs in (
        ("context_tokens", model.context_tokens, facts.context_tokens),
        ("max_output_tokens", model.max_output_tokens, facts.max_output_tokens),
    ):
        if theirs is not None and ours != theirs:
            message = f"model {model.id!r} has {key} {ours}; its provider says {theirs}"
            yield Finding(where, message, grave=ours > theirs)


def _abilities(core: Tier, facts: ModelFacts) -> Iterator[tuple[tuple[str, ...], str]]:
    model = core.model
    if facts.takes_structured_output is False and model.takes_structured_output:
        yield ("model",), f"{model.id!r} takes no structured output; say so under [[models]]"
    if core.effort and facts.efforts is not None and core.effort not in facts.efforts:
        yield ("effort", "model"), f"{model.id!r} does not accept effort {core.effort!r}"
    word = _thinking_word(core.thinking, model)
    if word and facts.thinking_types is not None and word not in facts.thinking_types:
        form = core.thinking.value
        yield ("thinking", "model"), f"{model.id!r} does not accept thinking {form!r} ({word!r})"


def _thinking_word(form: ThinkingForm, model: Model) -> str:
    """The provider's word for a form; empty where nothing is sent."""
    silent = form is ThinkingForm.NONE and not model.thinks_by_default
    return "" if silent else _WORD_OF[form]
