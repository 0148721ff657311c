"""What a call costs: whole nano-USD whose parts add up, whatever a provider counts."""

from __future__ import annotations

from dataclasses import astuple, replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.core.builders import PRICES
from tierwise_server.core.model import Usage
from tierwise_server.core.prices import Cost, PriceBook, Rates, total, uncached_tokens

HAIKU_4_5 = "claude-haiku-4-5-20251001"
SONNET_4_6 = "claude-sonnet-4-6"
HAIKU_5_5 = "claude-haiku-5-5"


def parts_of(cost: Cost | None) -> tuple[int, int, int, int]:
    """Return input, cache read, cache write and output, in nano-USD."""
    assert cost is not None
    return (
        cost.input_nano_usd,
        cost.cache_read_nano_usd,
        cost.cache_write_nano_usd,
        cost.output_nano_usd,
    )


@pytest.mark.parametrize(
    ("model", "usage", "parts"),
    [
        # 1 USD per million tokens is 1,000 nano-USD per token.
        (HAIKU_4_5, Usage(1_000, output_tokens=200), (1_000_000, 0, 0, 1_000_000)),
        (SONNET_4_6, Usage(1_000, output_tokens=200), (3_000_000, 0, 0, 3_000_000)),
        (HAIKU_4_5, Usage(1, output_tokens=1), (1_000, 0, 0, 5_000)),
        (HAIKU_4_5, Usage(), (0, 0, 0, 0)),
        # The cache: read at 0.1, written for 5 minutes at 1.25, for an hour at 2 times the input price.
        (HAIKU_4_5, Usage(1_000, cache_read_tokens=1_000), (0, 100_000, 0, 0)),
        (HAIKU_4_5, Usage(1_000, cache_write_tokens=1_000), (0, 0, 1_250_000, 0)),
        (HAIKU_4_5, Usage(1_000, cache_write_1h_tokens=1_000), (0, 0, 2_000_000, 0)),
        (SONNET_4_6, Usage(10, cache_read_tokens=10), (0, 3_000, 0, 0)),
        (SONNET_4_6, Usage(10, cache_write_tokens=10), (0, 0, 37_500, 0)),
        (SONNET_4_6, Usage(10, 1, 2, 3, 7), (12_000, 300, 25_500, 105_000)),
        # Thinking is part of the output already.
        (HAIKU_4_5, Usage(output_tokens=9, reasoning_tokens=8), (0, 0, 0, 45_000)),
        # A million tokens of each cost the listed price to the nano.
        (SONNET_4_6, Usage(1_000_000, output_tokens=1_000_000), (3 * 10**9, 0, 0, 15 * 10**9)),
        # Up to 100,000 prompt tokens 0.10 and 0.50, above 0.50 and 2.50, for the whole prompt.
        (HAIKU_5_5, Usage(100_000, output_tokens=10), (10_000_000, 0, 0, 5_000)),
        (HAIKU_5_5, Usage(100_001, output_tokens=10), (50_000_500, 0, 0, 25_000)),
        # What the cache served counts as length.
        (HAIKU_5_5, Usage(100_000, 99_999, output_tokens=1), (100, 999_990, 0, 500)),
        (HAIKU_5_5, Usage(100_001, 100_000, output_tokens=1), (500, 5_000_000, 0, 2_500)),
    ],
)
def test_cost_is_the_published_price(
    model: str, usage: Usage, parts: tuple[int, int, int, int]
) -> None:
    cost = PRICES.cost(model, usage)
    assert parts_of(cost) == parts
    assert cost is not None
    assert cost.total_nano_usd == sum(parts)
    assert cost.price_book_version == "prices-1"


def test_cost_of_a_model_without_a_price_is_unknown_and_not_zero() -> None:
    assert PRICES.cost("no-such-model", Usage(1_000, output_tokens=200)) is None
    assert PRICES.cost("no-such-model", Usage()) is None
    assert PRICES.rates("no-such-model", 0) is None


def test_prompt_longer_than_every_band_has_no_cost() -> None:
    bounded = PriceBook("1", {"m": (Rates(1, 1, 1, 1, 1, up_to_input_tokens=10),)})
    assert bounded.cost("m", Usage(10)) is not None
    assert bounded.cost("m", Usage(11)) is None


@pytest.mark.parametrize(
    ("tokens", "pico_per_token", "nano"),
    [(1, 1, 1), (1, 999, 1), (1, 1_000, 1), (1, 1_001, 2), (3, 333, 1), (1_000, 1, 1), (0, 1, 0)],
)
def test_each_part_is_rounded_up_to_a_whole_nano(
    tokens: int, pico_per_token: int, nano: int
) -> None:
    fine = Rates(*(pico_per_token,) * 5)
    book = PriceBook("1", {"m": (fine,)})
    usage = Usage(3 * tokens, tokens, tokens, 0, tokens)
    assert parts_of(book.cost("m", usage)) == (nano,) * 4
    assert parts_of(book.cost("m", Usage(tokens, 0, 0, tokens))) == (0, 0, nano, 0)


def test_cache_writes_of_both_lives_are_rounded_once() -> None:
    book = PriceBook("1", {"m": (Rates(1, 1, 1, 400, 500),)})
    assert parts_of(book.cost("m", Usage(2, 0, 1, 1))) == (0, 0, 1, 0)


TOKENS = st.one_of(st.integers(0, 300_000), st.integers(0, 10**15))
USAGES = st.builds(Usage, TOKENS, TOKENS, TOKENS, TOKENS, TOKENS, TOKENS)
PICO_USD = st.integers(0, 10**9)


@st.composite
def price_books(draw: st.DrawFn) -> PriceBook:
    """Make a book with one model in one to three bands, dearer for longer prompts."""
    ends = sorted(draw(st.sets(st.integers(0, 300_000), max_size=2)))
    bands = []
    plain, out, read, write, write_1h = 0, 0, 0, 0, 0
    for end in (*ends, None):
        plain, out = plain + draw(PICO_USD), out + draw(PICO_USD)
        read, write, write_1h = (price + draw(PICO_USD) for price in (read, write, write_1h))
        bands.append(Rates(plain, out, read, write, write_1h, end))
    return PriceBook("1", {"m": tuple(bands)})


@given(price_books(), USAGES)
def test_cost_is_whole_never_negative_and_the_sum_of_its_parts(
    book: PriceBook, usage: Usage
) -> None:
    cost = book.cost("m", usage)
    parts = parts_of(cost)
    assert cost is not None
    assert [type(part) for part in (*parts, cost.total_nano_usd)] == [int] * 5
    assert min(parts) >= 0
    assert cost.total_nano_usd == sum(parts)


@given(price_books(), USAGES)
def test_no_part_is_understated_nor_a_nano_too_much(book: PriceBook, usage: Usage) -> None:
    rates = book.rates("m", usage.input_tokens)
    assert rates is not None
    written = usage.cache_write_tokens * rates.cache_write
    written += usage.cache_write_1h_tokens * rates.cache_write_1h
    exact_pico = (
        uncached_tokens(usage) * rates.input,
        usage.cache_read_tokens * rates.cache_read,
        written,
        usage.output_tokens * rates.output,
    )
    for part, pico in zip(parts_of(book.cost("m", usage)), exact_pico, strict=True):
        assert Fraction(pico, 1_000) <= part < Fraction(pico, 1_000) + 1


FIELDS = st.sampled_from(
    ["cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens", "output_tokens", ""]
)


@given(price_books(), USAGES, FIELDS, st.integers(0, 10**6))
def test_more_tokens_of_a_kind_never_cost_less(
    book: PriceBook, usage: Usage, kind: str, more: int
) -> None:
    """Cached tokens are input as well, so more of them means a longer prompt."""
    longer = usage.input_tokens + (0 if kind == "output_tokens" else more)
    larger = replace(usage, input_tokens=longer)
    if kind:
        larger = replace(larger, **{kind: getattr(usage, kind) + more})
    fewer, many = parts_of(book.cost("m", usage)), parts_of(book.cost("m", larger))
    assert all(before <= after for before, after in zip(fewer, many, strict=True))


@given(price_books(), st.integers(0, 400_000))
def test_band_is_the_first_that_holds_the_prompt(book: PriceBook, tokens: int) -> None:
    band = book.rates("m", tokens)
    assert band is not None
    assert band.up_to_input_tokens is None or tokens <= band.up_to_input_tokens
    at = book.models["m"].index(band)
    for shorter in book.models["m"][:at]:
        assert shorter.up_to_input_tokens is not None
        assert shorter.up_to_input_tokens < tokens


ANY_COUNT = st.integers(-(10**20), 10**20)


@given(price_books(), st.builds(Usage, *[ANY_COUNT] * 6))
def test_counts_of_a_broken_provider_never_make_a_negative_cost(
    book: PriceBook, usage: Usage
) -> None:
    parts = parts_of(book.cost("m", usage))
    assert min(parts) >= 0
    clean = Usage(*(max(0, count) for count in astuple(usage)))
    assert (
        parts[1:] == parts_of(book.cost("m", replace(clean, input_tokens=usage.input_tokens)))[1:]
    )


@pytest.mark.parametrize(
    ("usage", "uncached"),
    [
        (Usage(100), 100),
        (Usage(100, 10, 20, 30), 40),
        (Usage(100, 100), 0),
        (Usage(100, 60, 60), 0),
    ],
)
def test_uncached_tokens_are_those_neither_read_nor_written(usage: Usage, uncached: int) -> None:
    assert uncached_tokens(usage) == uncached


COSTS = st.builds(Cost, *[st.integers(0, 10**15)] * 4, st.sampled_from(["a", "b"]))


@given(st.lists(COSTS, min_size=1))
def test_total_adds_up_part_by_part(costs: list[Cost]) -> None:
    summed = total(costs)
    assert summed is not None
    parts = [parts_of(cost) for cost in costs]
    assert parts_of(summed) == tuple(sum(column) for column in zip(*parts, strict=True))
    assert summed.total_nano_usd == sum(cost.total_nano_usd for cost in costs)


@given(st.lists(COSTS), st.lists(COSTS))
def test_total_is_unknown_when_any_cost_is(before: list[Cost], after: list[Cost]) -> None:
    assert total([*before, None, *after]) is None


def test_total_of_nothing_is_unknown() -> None:
    assert total([]) is None
    assert total(iter(())) is None


def test_total_names_every_price_book_once_in_order() -> None:
    costs = [Cost(1, 1, 1, 1, version) for version in ("b", "a", "b")]
    summed = total(costs)
    assert summed is not None
    assert summed.price_book_version == "b+a"
