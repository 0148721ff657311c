from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.unit.config.reading import config, examined
from tierwise_server.config import PROFILES, load, shipped
from tierwise_server.core.model import Model, ThinkingForm, Tier
from tierwise_server.core.prices import Rates
from tierwise_server.core.table import Policy

PUBLISHED = {
    "efficient": {
        "classify_intent",
        "extract_entities",
        "generate_summary",
        "answer_faq",
        "analyse_sentiment",
    },
    "frontier": {
        "generate_response",
        "interpret_ambiguous_request",
        "write_technical_explanation",
        "review_code_logic",
    },
    "reasoning": {"debug_complex_error", "plan_architecture", "evaluate_tradeoffs"},
}

# Pico-USD per token: input, output, cache read, cache write for 5 minutes, cache write for 1 hour.
PUBLISHED_PRICES = {
    "claude-haiku-4-5-20251001": [(1_000_000, 5_000_000, 100_000, 1_250_000, 2_000_000)],
    "claude-sonnet-4-6": [(3_000_000, 15_000_000, 300_000, 3_750_000, 6_000_000)],
    "claude-opus-4-8": [(5_000_000, 25_000_000, 500_000, 6_250_000, 10_000_000)],
    "claude-haiku-5-5": [
        (100_000, 500_000, 10_000, 125_000, 200_000),
        (500_000, 2_500_000, 50_000, 625_000, 1_000_000),
    ],
    "claude-sonnet-5-5": [(2_000_000, 10_000_000, 200_000, 2_500_000, 4_000_000)],
    "claude-opus-5-5": [(4_000_000, 20_000_000, 400_000, 5_000_000, 8_000_000)],
    "claude-fable-5-1": [(10_000_000, 50_000_000, 1_000_000, 12_500_000, 20_000_000)],
}

HAIKU_4_5 = Model(
    id="claude-haiku-4-5-20251001",
    provider="anthropic",
    context_tokens=200_000,
    max_output_tokens=64_000,
    takes_sampling=True,
    takes_structured_output=True,
    takes_effort=False,
    thinking_forms=frozenset({ThinkingForm.NONE, ThinkingForm.BUDGET}),
    thinks_by_default=False,
    always_thinks=False,
    token_scale=1.0,
)
SONNET_4_6 = Model(
    id="claude-sonnet-4-6",
    provider="anthropic",
    context_tokens=1_000_000,
    max_output_tokens=128_000,
    takes_sampling=True,
    takes_structured_output=True,
    takes_effort=True,
    thinking_forms=frozenset({ThinkingForm.NONE, ThinkingForm.BUDGET, ThinkingForm.ADAPTIVE}),
    thinks_by_default=False,
    always_thinks=False,
    token_scale=1.0,
)
OPUS_4_8 = Model(
    id="claude-opus-4-8",
    provider="anthropic",
    context_tokens=1_000_000,
    max_output_tokens=128_000,
    takes_sampling=False,
    takes_structured_output=True,
    takes_effort=True,
    thinking_forms=frozenset({ThinkingForm.NONE, ThinkingForm.ADAPTIVE}),
    thinks_by_default=False,
    always_thinks=False,
    token_scale=1.3,
)


def test_the_default_is_the_published_table_on_the_4_line() -> None:
    table = load(None, {}).routing_table()
    assert table.tiers == (
        Tier("efficient", HAIKU_4_5, 4096, headroom_s=2.0),
        Tier("frontier", SONNET_4_6, 8192, headroom_s=5.0),
        Tier(
            "reasoning",
            OPUS_4_8,
            32_000,
            thinking=ThinkingForm.ADAPTIVE,
            effort="high",
            headroom_s=15.0,
        ),
    )
    assert table.default == Policy(("frontier",))
    assert table.escalation == Policy(("efficient", "frontier"), 0.8, "self_report")
    assert table.assumed_output_tokens == 500


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_routes_the_published_task_types(profile: str) -> None:
    table = config(f'profile = "{profile}"').routing_table()
    rows = {
        tier: {name for name, policy in table.rows.items() if policy == Policy((tier,))}
        for tier in PUBLISHED
    }
    assert rows == PUBLISHED
    assert len(table.rows) == 12
    assert table.default == Policy(("frontier",))
    assert table.escalation == Policy(("efficient", "frontier"), 0.8, "self_report")


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_has_neither_faults_nor_warnings(profile: str) -> None:
    found = examined(f'profile = "{profile}"')
    assert found.faults == ()
    assert found.warnings == ()


def test_the_newer_profile_thinks_only_where_it_must_or_should() -> None:
    tiers = config('profile = "claude-5.5"').routing_table().tiers
    assert [(t.model.id, t.thinking, t.effort, t.headroom_s) for t in tiers] == [
        ("claude-haiku-5-5", ThinkingForm.NONE, "", 2.0),
        ("claude-sonnet-5-5", ThinkingForm.ADAPTIVE, "medium", 5.0),
        ("claude-opus-5-5", ThinkingForm.ADAPTIVE, "high", 15.0),
    ]
    assert [t.model.thinks_by_default for t in tiers] == [True, True, True]
    assert [t.model.always_thinks for t in tiers] == [False, True, True]


def test_models_of_the_newer_tokenizer_have_their_token_scale() -> None:
    scales = {name: model.token_scale or 1.0 for name, model in shipped.known_models().items()}
    assert scales == {
        "claude-haiku-4-5-20251001": 1.0,
        "claude-sonnet-4-6": 1.0,
        "claude-opus-4-8": 1.3,
        "claude-haiku-5-5": 1.3,
        "claude-sonnet-5-5": 1.3,
        "claude-opus-5-5": 1.3,
        "claude-fable-5-1": 1.3,
    }


def test_only_older_models_take_sampling_options() -> None:
    taking = {name for name, model in shipped.known_models().items() if model.takes_sampling}
    assert taking == {"claude-haiku-4-5-20251001", "claude-sonnet-4-6"}


def test_every_shipped_model_has_its_published_price() -> None:
    book = load(None, {}).price_book()
    prices = {
        name: [(r.input, r.output, r.cache_read, r.cache_write, r.cache_write_1h) for r in bands]
        for name, bands in book.models.items()
    }
    assert prices == PUBLISHED_PRICES
    assert book.version == "anthropic-2026-11-23"


def test_every_shipped_model_is_priced_and_every_price_has_its_model() -> None:
    assert set(load(None, {}).price_book().models) == set(shipped.known_models())


def test_the_banded_model_changes_its_price_past_100k_tokens() -> None:
    book = load(None, {}).price_book()
    short, long = book.models["claude-haiku-5-5"]
    assert short.up_to_input_tokens == 100_000
    assert long.up_to_input_tokens is None
    assert book.rates("claude-haiku-5-5", 100_000) == short
    assert book.rates("claude-haiku-5-5", 100_001) == long


def test_a_shipped_price_is_an_exact_number_of_pico_usd() -> None:
    for bands in load(None, {}).price_book().models.values():
        for rates in bands:
            assert isinstance(rates, Rates)
            assert type(rates.input) is int
            assert type(rates.cache_read) is int


def test_no_model_is_described_by_two_profiles() -> None:
    described = Counter(m.id for name in PROFILES for m in shipped.profile(name).models)
    assert set(described.values()) == {1}


def test_every_shipped_data_file_is_named_in_code() -> None:
    data = Path(str(shipped.data_file()))
    assert {p.stem for p in (data / "profiles").glob("*.toml")} == set(PROFILES)
    assert {p.stem for p in (data / "prices").glob("*.toml")} == set(shipped.PRICE_BOOKS)


def test_a_price_book_is_named_after_its_day_and_says_where_it_comes_from() -> None:
    for name in shipped.PRICE_BOOKS:
        dated = shipped.price_book(name)
        assert dated.book.version == name
        assert name.endswith(dated.date.isoformat())
        assert "platform.claude.com" in dated.source
