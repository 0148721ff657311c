"""Estimates made before any call: tokens from the length of text, and the cost of a call at its worst.

They are named estimates wherever they are shown. They lean towards too many tokens, so that a reservation holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierwise_server.core.prices import nano_usd

if TYPE_CHECKING:
    from tierwise_server.core.model import Model, Prompt
    from tierwise_server.core.prices import PriceBook

TOKENS_PER_CHARACTER = 1 / 3.5
"""English prose and code run at 3.5 to 4 characters a token on the 4.x models."""

TOKENS_PER_EXTRA_BYTE = 0.6
"""Text outside ASCII takes more: with its UTF-8 bytes beyond one a character, a CJK character comes to 1.5 tokens."""

TOKENS_PER_MESSAGE = 6
"""Role marks and separators around each message."""


def text_tokens(text: str) -> float:
    """Estimate the tokens of one text for a 4.x model."""
    if text.isascii():
        return len(text) * TOKENS_PER_CHARACTER
    extra_bytes = len(text.encode("utf-8", "surrogatepass")) - len(text)
    return len(text) * TOKENS_PER_CHARACTER + extra_bytes * TOKENS_PER_EXTRA_BYTE


def prompt_tokens(prompt: Prompt, model: Model) -> int:
    """Estimate the input tokens of a prompt for a model."""
    return scaled_tokens(unscaled_tokens(prompt), model)


def unscaled_tokens(prompt: Prompt) -> float:
    """Estimate the input tokens of a prompt for a 4.x model; `scaled_tokens` makes them another model's."""
    tokens = text_tokens(prompt.system)
    for message in prompt.messages:
        tokens += TOKENS_PER_MESSAGE
        for text in message.texts:
            tokens += text_tokens(text)
    return tokens


def scaled_tokens(tokens: float, model: Model) -> int:
    """Turn tokens of a 4.x model into whole tokens of a model, leaning towards too many."""
    return int(tokens * model.token_scale) + 1


def worst_case_nano_usd(
    book: PriceBook,
    model: Model,
    *,
    input_tokens: int,
    max_output_tokens: int,
    cached: bool = False,
) -> int | None:
    """Price a call that uses all the output it may, in nano-USD; None when the model has no price.

    `cached`: the prompt may be written to the cache, so the dearer of that and plain input is taken.
    """
    rates = book.rates(model.id, input_tokens)
    if rates is None:
        return None
    input_rate = max(rates.input, rates.cache_write) if cached else rates.input
    return nano_usd(input_tokens * input_rate) + nano_usd(max_output_tokens * rates.output)
