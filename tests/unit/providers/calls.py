"""Model calls for tests of providers."""

from __future__ import annotations

from dataclasses import replace

from tierwise_server.core.model import CallKind, Message, Model, Prompt, Role, ThinkingForm
from tierwise_server.providers.base import ModelCall

HAIKU_4_5 = Model(
    "claude-haiku-4-5-20251001",
    "anthropic",
    context_tokens=200_000,
    max_output_tokens=64_000,
    thinking_forms=frozenset({ThinkingForm.NONE, ThinkingForm.BUDGET}),
)
SONNET_4_6 = Model(
    "claude-sonnet-4-6",
    "anthropic",
    context_tokens=1_000_000,
    max_output_tokens=128_000,
    takes_effort=True,
    thinking_forms=frozenset({ThinkingForm.NONE, ThinkingForm.ADAPTIVE}),
)
OPUS_4_8 = replace(SONNET_4_6, id="claude-opus-4-8", takes_sampling=False)
HAIKU_5_5 = replace(OPUS_4_8, id="claude-haiku-5-5", thinks_by_default=True)
OPUS_5_5 = replace(OPUS_4_8, id="claude-opus-5-5", thinks_by_default=True, always_thinks=True)

QUESTION = Prompt("Be brief.", (Message(Role.USER, ("What is a tier?",)),))
CALL = ModelCall(CallKind.DIRECT, HAIKU_4_5, QUESTION, max_output_tokens=256)
