from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from tests.unit.config.reading import examined, warnings
from tierwise_server.config import ConfigWarning

WARNINGS = {
    "deprecated thinking": (
        "[[tiers]]\nname = 'frontier'\nthinking = 'budget'\nthinking_budget_tokens = 2048",
        "tiers[0].thinking: tier 'frontier' has thinking 'budget', which is deprecated on",
    ),
    "dominated tier": (
        "[[tiers]]\nname = 'frontier'\nmodel = 'claude-haiku-5-5'",
        "tier 'efficient' is dominated: 'frontier' is stronger and costs less at every prompt length",
    ),
    "plaintext upstream": (
        "[upstream.anthropic]\nbase_url = 'http://models.example'",
        "upstream.anthropic.base_url: sends the key and every prompt in plaintext; use https",
    ),
    "price of a model that is none": (
        "[prices.models.claude-opus-4-9]\ninput = 1\noutput = 2",
        "prices.models.claude-opus-4-9: prices a model that no tier can name; did you mean",
    ),
    "connections too short": (
        "[server]\nmax_connection_age_grace_s = 60",
        "server.max_connection_age_grace_s: is 60, less than max_request_s 600: long requests are cut",
    ),
}


@pytest.mark.parametrize(("toml", "words"), WARNINGS.values(), ids=WARNINGS.keys())
def test_a_doubtful_configuration_is_warned_about(toml: str, words: str) -> None:
    (warning,) = warnings(toml)
    assert words in warning


def test_old_prices_are_warned_about_after_180_days() -> None:
    day = dt.date(2026, 11, 23)
    assert warnings("", today=day + dt.timedelta(days=180)) == []
    (warning,) = warnings("", today=day + dt.timedelta(days=181))
    assert warning.startswith("prices: price book 'anthropic-2026-11-23' is 181 days old")


def test_a_cheaper_model_is_no_dominating_one_at_lengths_where_it_is_dearer() -> None:
    toml = """
        [[tiers]]
        name = "frontier"
        model = "claude-haiku-5-5"
        [prices.models.claude-haiku-4-5-20251001]
        input = "0.3"
        output = "1.5"
    """
    assert warnings(toml) == []


def test_a_tier_is_not_dominated_by_one_of_the_same_model() -> None:
    toml = "[[tiers]]\nname = 'frontier'\nmodel = 'claude-opus-4-8'"
    assert warnings(toml) == []


def test_an_unencrypted_upstream_on_this_machine_is_no_reason_to_warn() -> None:
    for host in ("127.0.0.1", "localhost", "[::1]"):
        assert warnings(f"[upstream.anthropic]\nbase_url = 'http://{host}:8080'") == []


def test_a_key_file_that_everybody_can_read_is_warned_about(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("a-key", encoding="utf-8")
    toml = f"[upstream.anthropic]\napi_key_file = '{key}'"
    key.chmod(0o600)
    assert warnings(toml) == []
    key.chmod(0o644)
    (warning,) = warnings(toml)
    assert warning.startswith("upstream.anthropic.api_key_file: can be read by every user")


def test_a_faulty_configuration_is_warned_about_as_well() -> None:
    toml = """
        [upstream.anthropic]
        base_url = "http://models.example"
        api_key_file = "a\\u0000b"
        [prices]
        book = "none"
    """
    found = examined(toml)
    assert [fault.path for fault in found.faults] == [
        "upstream.anthropic.api_key_file",
        "prices.book",
    ]
    assert [warning.path for warning in found.warnings] == ["upstream.anthropic.base_url"]


def test_a_tier_without_a_price_is_not_compared() -> None:
    toml = """
        [[models]]
        id = "local"
        provider = "anthropic"
        context_tokens = 8000
        max_output_tokens = 4000
        [[tiers]]
        name = "efficient"
        model = "local"
        max_output_tokens = 2000
    """
    found = examined(toml)
    assert len(found.faults) == 1
    assert found.warnings == ()


def test_a_warning_without_a_place_is_only_its_message() -> None:
    assert str(ConfigWarning("", "words")) == "words"
