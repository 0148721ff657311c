"""Turns a cascade's call into the provider's words. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierwise_server.core import confidence
from tierwise_server.core.model import CallKind, ThinkingForm
from tierwise_server.core.table import output_limit
from tierwise_server.providers.base import ModelCall

if TYPE_CHECKING:
    from tierwise_server.core.cascade import Call
    from tierwise_server.core.model import Task, Tier


def attempt_call(task: Task, call: Call) -> ModelCall:
    """Ask the tier's model for an answer, thinking as the tier says."""
    tier, options = call.tier, task.generation
    left_out = ignored_options(tier, task)
    return ModelCall(
        kind=call.kind,
        model=tier.model,
        prompt=task.prompt,
        max_output_tokens=output_limit(tier, task),
        thinking=tier.thinking,
        thinking_budget_tokens=tier.thinking_budget_tokens,
        effort=tier.effort,
        temperature=None if "temperature" in left_out else options.temperature,
        top_p=None if "top_p" in left_out else options.top_p,
        stop_sequences=options.stop_sequences,
    )


def check_call(task: Task, call: Call, draft: str, *, structured: bool) -> ModelCall:
    """Ask the model that drafted how sure it is, held to the schema where wanted and possible."""
    model = call.tier.model
    held = structured and model.takes_structured_output
    return ModelCall(
        kind=CallKind.CHECK,
        model=model,
        prompt=confidence.check_prompt(task.prompt, draft, structured=held),
        max_output_tokens=confidence.max_output_tokens(model),
        schema=confidence.SCORE_SCHEMA if held else None,
    )


def takes_sampling(tier: Tier) -> bool:
    """Whether attempts at the tier may carry temperature and top_p: the model takes them, and does not think."""
    return tier.model.takes_sampling and tier.thinking is ThinkingForm.NONE


def ignored_options(tier: Tier, task: Task) -> tuple[str, ...]:
    """Name the request's options that attempts at the tier leave out.

    Models that take sampling options take one of them: with both given, top_p is left out.
    """
    options = task.generation
    wanted = (("temperature", options.temperature), ("top_p", options.top_p))
    given = tuple(name for name, value in wanted if value is not None)
    return given[1:] if takes_sampling(tier) else given
