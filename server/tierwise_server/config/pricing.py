"""From prices as people write them to a price book in whole pico-USD per token."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from tierwise_server.config.findings import Finding
from tierwise_server.config.layers import (
    PICO_PER_MICRO,
    BandSettings,
    CacheMultiples,
    ModelPriceSettings,
    PriceFile,
    RateSettings,
)
from tierwise_server.core.prices import PriceBook, Rates

_VERSION_DIGITS: Final = 8
_CACHE_RATES: Final = ("read", "write", "write_1h")


@dataclass(frozen=True, slots=True)
class DatedBook:
    """A price book with the day its prices were looked up, where, and how it derives cache rates."""

    book: PriceBook
    date: dt.date
    source: str
    cache: CacheMultiples


def dated_book(file: PriceFile) -> tuple[DatedBook, tuple[Finding, ...]]:
    """Make a price book of a file. A model whose prices are faulty is left out and found."""
    models, findings = _all_bands(file.models, file.cache)
    book = PriceBook(version=file.version, models=models)
    return DatedBook(book, file.date, file.source, file.cache), findings


def with_own_prices(
    dated: DatedBook, own: Mapping[str, ModelPriceSettings]
) -> tuple[PriceBook, tuple[Finding, ...]]:
    """Put single models' prices over a book's. The version says so, and is the same for the same prices."""
    if not own:
        return dated.book, ()
    models, findings = _all_bands(own, dated.cache)
    version = f"{dated.book.version}+{_fingerprint(models)}"
    return replace(dated.book, version=version, models={**dated.book.models, **models}), findings


def _all_bands(
    prices: Mapping[str, ModelPriceSettings], cache: CacheMultiples
) -> tuple[dict[str, tuple[Rates, ...]], tuple[Finding, ...]]:
    models: dict[str, tuple[Rates, ...]] = {}
    findings: list[Finding] = []
    for model_id, price in prices.items():
        try:
            models[model_id] = _bands(price, cache)
        except ValueError as error:
            findings.append(Finding(("models", model_id), str(error)))
    return models, tuple(findings)


def _shape_fault(price: ModelPriceSettings) -> str:
    """Say what is wrong with the form of a model's prices; empty when nothing is."""
    single = (price.input, price.output, price.cache_read, price.cache_write, price.cache_write_1h)
    if price.bands is None:
        if price.input is None or price.output is None:
            return "needs input and output prices, or bands"
        return ""
    if any(rate is not None for rate in single):
        return "has both bands and prices beside them"
    limits = [band.up_to_input_tokens for band in price.bands]
    if not limits or limits[-1] is not None:
        return "needs a last band without up_to_input_tokens, for the longest prompts"
    bounded = [limit for limit in limits[:-1] if limit is not None]
    if len(bounded) < len(limits) - 1 or bounded != sorted(set(bounded)):
        return "needs bands in rising order of up_to_input_tokens"
    return ""


def _bands(price: ModelPriceSettings, cache: CacheMultiples) -> tuple[Rates, ...]:
    fault = _shape_fault(price)
    if fault:
        raise ValueError(fault)
    if price.bands is not None:
        return tuple(_rates(band, cache) for band in price.bands)
    single = RateSettings.model_construct(**price.model_dump(exclude={"bands"}))
    return (_rates(single, cache),)


def _rates(rate: RateSettings, cache: CacheMultiples) -> Rates:
    derived = {
        f"cache_{name}": _pico(_own_or_derived(rate, name, getattr(cache, name)))
        for name in _CACHE_RATES
    }
    limit = rate.up_to_input_tokens if isinstance(rate, BandSettings) else None
    return Rates(
        input=_pico(rate.input), output=_pico(rate.output), up_to_input_tokens=limit, **derived
    )


def _own_or_derived(rate: RateSettings, name: str, multiple: Decimal) -> Decimal:
    own: Decimal | None = getattr(rate, f"cache_{name}")
    return rate.input * multiple if own is None else own


def _pico(usd_per_million: Decimal) -> int:
    pico = usd_per_million * PICO_PER_MICRO
    if pico % 1:
        raise ValueError("derives a cache rate that is not a whole number of pico-USD per token")
    return int(pico)


def _fingerprint(models: Mapping[str, tuple[Rates, ...]]) -> str:
    content = {
        model_id: [
            [r.up_to_input_tokens, r.input, r.output, r.cache_read, r.cache_write, r.cache_write_1h]
            for r in bands
        ]
        for model_id, bands in models.items()
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:_VERSION_DIGITS]
