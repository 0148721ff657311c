"""Estimates before any call: tokens from the length of text, and the cost of a call at its worst."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.core.builders import PRICES, a_model, a_prompt
from tierwise_server.core.estimate import (
    TOKENS_PER_CHARACTER,
    TOKENS_PER_MESSAGE,
    prompt_tokens,
    text_tokens,
    worst_case_nano_usd,
)
from tierwise_server.core.model import Message, Prompt, Role, Usage
from tierwise_server.core.prices import PriceBook, Rates

MODEL = a_model("claude-haiku-4-5-20251001")
DENSE = a_model("dense", token_scale=1.3)
TEXTS = st.text(st.characters(), max_size=60)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("a" * 35, 10),
        # One more byte for each of two letters, two more for a CJK character, three for an emoji.
        ("éé", 2 / 3.5 + 2 * 0.6),
        ("\N{CJK UNIFIED IDEOGRAPH-6F22}", 1 / 3.5 + 1.2),
        ("\N{GRINNING FACE}", 1 / 3.5 + 1.8),
    ],
)
def test_text_tokens_follow_characters_and_extra_bytes(text: str, tokens: float) -> None:
    assert text_tokens(text) == pytest.approx(tokens)


@given(TEXTS, TEXTS)
def test_text_cut_in_pieces_has_the_same_tokens(first: str, second: str) -> None:
    pieces = text_tokens(first) + text_tokens(second)
    assert math.isclose(text_tokens(first + second), pieces, abs_tol=1e-9)


@given(st.text(st.characters(codec=None, categories=["Cs", "L"]), max_size=20))
def test_lone_surrogates_are_counted_and_not_refused(text: str) -> None:
    assert text_tokens(text) >= len(text) * TOKENS_PER_CHARACTER


@pytest.mark.parametrize(
    ("prompt", "tokens"),
    [
        (Prompt("", ()), 1),
        (a_prompt("a" * 35), 17),
        (a_prompt("a" * 35, system="b" * 35), 27),
        (a_prompt("a" * 35, "b" * 35, "c" * 35), 49),
        (Prompt("", (Message(Role.USER, ("a" * 35, "b" * 35)),)), 27),
        (Prompt("", (Message(Role.USER, ()),)), 7),
    ],
)
def test_prompt_tokens_count_system_messages_and_every_block(prompt: Prompt, tokens: int) -> None:
    assert prompt_tokens(prompt, MODEL) == tokens


def test_prompt_tokens_follow_the_models_scale() -> None:
    assert prompt_tokens(a_prompt("a" * 3_500), MODEL) == 1_000 + TOKENS_PER_MESSAGE + 1
    assert prompt_tokens(a_prompt("a" * 3_500), DENSE) == int(1.3 * 1_006) + 1


@given(st.lists(TEXTS, min_size=1, max_size=5), TEXTS)
def test_prompt_tokens_are_whole_and_never_fewer_for_more_text(
    texts: list[str], system: str
) -> None:
    shorter = prompt_tokens(a_prompt(*texts[:-1]), MODEL)
    longer = prompt_tokens(a_prompt(*texts), MODEL)
    assert type(longer) is int
    assert shorter + TOKENS_PER_MESSAGE <= longer
    assert longer <= prompt_tokens(a_prompt(*texts, system=system), MODEL)
    assert longer <= prompt_tokens(a_prompt(*texts), DENSE)


def worst_nano_usd(input_tokens: int, max_output_tokens: int, *, cached: bool = False) -> int:
    worst = worst_case_nano_usd(
        PRICES,
        MODEL,
        input_tokens=input_tokens,
        max_output_tokens=max_output_tokens,
        cached=cached,
    )
    assert worst is not None
    return worst


def test_worst_case_is_all_input_and_all_output_it_may_use() -> None:
    assert worst_nano_usd(1_000, 500) == 1_000 * 1_000 + 500 * 5_000
    assert worst_nano_usd(1_000, 500, cached=True) == 1_000 * 1_250 + 500 * 5_000


TOKENS = st.integers(0, 10**6)


@given(TOKENS, TOKENS, st.data())
def test_worst_case_covers_every_call_within_its_bounds(
    input_tokens: int, max_output_tokens: int, data: st.DataObject
) -> None:
    used = data.draw(st.integers(0, input_tokens))
    read = data.draw(st.integers(0, used))
    written = data.draw(st.integers(0, used - read))
    output = data.draw(st.integers(0, max_output_tokens))
    for cached in (False, True):
        usage = Usage(used, read, written if cached else 0, output_tokens=output)
        cost = PRICES.cost(MODEL.id, usage)
        assert cost is not None
        worst = worst_nano_usd(input_tokens, max_output_tokens, cached=cached)
        assert cost.total_nano_usd <= worst


def test_worst_case_is_plain_input_where_writing_to_the_cache_is_cheaper() -> None:
    book = PriceBook("1", {"m": (Rates(4_000, 1_000, 1_000, 2_000, 2_000),)})
    worst = worst_case_nano_usd(
        book, a_model("m"), input_tokens=10, max_output_tokens=1, cached=True
    )
    assert worst == 10 * 4 + 1 * 1


@pytest.mark.parametrize("cached", [False, True])
def test_worst_case_of_a_model_without_a_price_is_unknown(cached: bool) -> None:
    model = a_model("no-such-model")
    worst = worst_case_nano_usd(PRICES, model, input_tokens=1, max_output_tokens=1, cached=cached)
    assert worst is None
