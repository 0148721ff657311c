"""What a provider says of its models, in the core's words: the port between a provider's list and a check of it."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Lifecycle(enum.Enum):
    """How long a model will still be there."""

    ACTIVE = "active"
    DEPRECATED = "deprecated"
    """It answers, and is headed for retirement."""
    RETIRED = "retired"
    """It answers no more."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """One model as its provider describes it; None where the provider says nothing.

    Attributes:
        id: the provider's name of the model.
        lifecycle: how long it will still be there.
        retires_at_s: when it is due to retire, in Unix seconds.
        context_tokens: the most input tokens it takes.
        max_output_tokens: the most it writes in one answer.
        takes_structured_output: whether it can be held to a JSON schema.
        efforts: the effort levels it accepts.
        thinking_types: the provider's words for the ways it may be told to think, such as `adaptive` or `disabled`.
    """

    id: str
    lifecycle: Lifecycle = Lifecycle.ACTIVE
    retires_at_s: int | None = None
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    takes_structured_output: bool | None = None
    efforts: frozenset[str] | None = None
    thinking_types: frozenset[str] | None = None
