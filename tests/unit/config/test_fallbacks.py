"""Models that take over while a tier's own is not available: what may be named, and what becomes of it."""

from __future__ import annotations

import pytest

from tests.unit.config.reading import config, examined


def efficient(fallbacks: str, more: str = "") -> str:
    return f'[[tiers]]\nname = "efficient"\nfallbacks = {fallbacks}\n{more}'


def faults(toml: str) -> list[str]:
    return [str(fault) for fault in examined(toml).faults]


def test_fallbacks_stand_in_the_table_in_their_order() -> None:
    table = config(efficient('["claude-haiku-5-5", "claude-sonnet-4-6"]')).routing_table()
    tier = table.tiers[0]
    assert [model.id for model in tier.fallbacks] == ["claude-haiku-5-5", "claude-sonnet-4-6"]
    assert tier.alternate is not None
    assert tier.alternate.name == "efficient"
    assert tier.alternate.model.id == "claude-haiku-5-5"


def test_without_a_word_no_tier_has_fallbacks_and_the_next_tier_takes_over() -> None:
    table = config("").routing_table()
    assert all(tier.fallbacks == () for tier in table.tiers)
    assert table.fallback_to_next_tier


def test_the_next_tier_can_be_kept_out() -> None:
    assert not config("routing.fallback_to_next_tier = false").routing_table().fallback_to_next_tier


def test_what_takes_over_is_part_of_the_tables_version() -> None:
    versions = {
        config(toml).routing_table().version
        for toml in (
            "",
            "routing.fallback_to_next_tier = false",
            efficient('["claude-haiku-5-5"]'),
            efficient('["claude-sonnet-4-6"]'),
        )
    }
    assert len(versions) == 4


@pytest.mark.parametrize(
    ("toml", "fault"),
    [
        (efficient('["claude-haiku-5-6"]'), "did you mean 'claude-haiku-5-5'"),
        (efficient('["claude-haiku-4-5"]'), "names 'claude-haiku-4-5-20251001' twice"),
        (
            efficient('["claude-haiku-5-5", "claude-haiku-5-5"]'),
            "names 'claude-haiku-5-5' twice",
        ),
        (efficient('["claude-opus-5-5"]'), "which 'claude-opus-5-5', which always thinks rejects"),
        (
            '[[tiers]]\nname = "frontier"\nfallbacks = ["claude-haiku-4-5-20251001"]',
            "which holds less than 'claude-sonnet-4-6'",
        ),
        (
            '[[tiers]]\nname = "reasoning"\nfallbacks = ["claude-sonnet-4-6"]\neffort = "xhigh"',
            "has effort 'xhigh'; 'claude-sonnet-4-6' accepts",
        ),
        (
            efficient(
                '["new"]',
                '[[models]]\nid = "new"\nprovider = "anthropic"\ncontext_tokens = 300_000\n'
                "max_output_tokens = 64_000",
            ),
            "model 'new' of tier 'efficient' has no price",
        ),
    ],
)
def test_a_fallback_that_could_not_take_over_is_a_fault(toml: str, fault: str) -> None:
    [found] = faults(toml)
    assert found.startswith("tiers[0].fallbacks:")
    assert fault in found
