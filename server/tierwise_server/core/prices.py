"""Prices and the exact arithmetic of cost.

Prices are kept in whole pico-USD per token (1 USD per million tokens = 1,000,000 pico-USD per token), so that every
published price, cache multiples included, is an integer. A cost is in whole nano-USD: each part is rounded up, so that
no part is ever understated, and the total is the sum of the parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tierwise_server.core.model import Usage

PICO_PER_NANO = 1000


@dataclass(frozen=True, slots=True)
class Rates:
    """Prices per token, in pico-USD, for prompts of up to `up_to_input_tokens` (None: any length)."""

    input: int
    output: int
    cache_read: int
    cache_write: int
    cache_write_1h: int
    up_to_input_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """Money in whole nano-USD; the total is the sum of the parts."""

    input_nano_usd: int
    cache_read_nano_usd: int
    cache_write_nano_usd: int
    output_nano_usd: int
    price_book_version: str

    @property
    def total_nano_usd(self) -> int:
        """The whole cost."""
        return (
            self.input_nano_usd
            + self.cache_read_nano_usd
            + self.cache_write_nano_usd
            + self.output_nano_usd
        )


@dataclass(frozen=True, slots=True)
class PriceBook:
    """Dated prices of models. `models` maps a model id to its bands, shortest prompts first, the last one unbounded."""

    version: str
    models: Mapping[str, tuple[Rates, ...]]

    def rates(self, model_id: str, input_tokens: int) -> Rates | None:
        """Find the rates of a model for a prompt of `input_tokens`; None when the model has no price."""
        for band in self.models.get(model_id, ()):
            if band.up_to_input_tokens is None or input_tokens <= band.up_to_input_tokens:
                return band
        return None

    def cost(self, model_id: str, usage: Usage) -> Cost | None:
        """Price `usage` of one call to a model; None, never 0, when the model has no price.

        The band is chosen by the prompt's whole length, cached tokens included, as the provider does. A count below
        zero, which only a broken provider reports, prices as zero.
        """
        rates = self.rates(model_id, usage.input_tokens)
        if rates is None:
            return None
        written = _at(usage.cache_write_tokens, rates.cache_write)
        written_1h = _at(usage.cache_write_1h_tokens, rates.cache_write_1h)
        return Cost(
            input_nano_usd=nano_usd(uncached_tokens(usage) * rates.input),
            cache_read_nano_usd=nano_usd(_at(usage.cache_read_tokens, rates.cache_read)),
            cache_write_nano_usd=nano_usd(written + written_1h),
            output_nano_usd=nano_usd(_at(usage.output_tokens, rates.output)),
            price_book_version=self.version,
        )


def uncached_tokens(usage: Usage) -> int:
    """Count the input tokens that were neither read from nor written to the cache."""
    cached = usage.cache_read_tokens + usage.cache_write_tokens + usage.cache_write_1h_tokens
    return max(0, usage.input_tokens - cached)


def total(costs: Iterable[Cost | None]) -> Cost | None:
    """Add up costs part by part; None when any of them is unknown, or when there is none."""
    known: list[Cost] = []
    for cost in costs:
        if cost is None:
            return None
        known.append(cost)
    if not known:
        return None
    versions = dict.fromkeys(cost.price_book_version for cost in known)
    return Cost(
        input_nano_usd=sum(cost.input_nano_usd for cost in known),
        cache_read_nano_usd=sum(cost.cache_read_nano_usd for cost in known),
        cache_write_nano_usd=sum(cost.cache_write_nano_usd for cost in known),
        output_nano_usd=sum(cost.output_nano_usd for cost in known),
        price_book_version="+".join(versions),
    )


def nano_usd(pico_usd: int) -> int:
    """Round pico-USD up to whole nano-USD."""
    return -(-pico_usd // PICO_PER_NANO)


def _at(tokens: int, rate: int) -> int:
    return tokens * rate if tokens > 0 else 0
