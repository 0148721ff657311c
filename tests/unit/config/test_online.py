from __future__ import annotations

import dataclasses

import pytest

from tests.unit.config.reading import config
from tierwise_server.config import ConfigWarning, check_online
from tierwise_server.core.model_facts import Lifecycle, ModelFacts
from tierwise_server.errors import Fault

HAIKU = ModelFacts(
    id="claude-haiku-4-5-20251001",
    context_tokens=200_000,
    max_output_tokens=64_000,
    takes_structured_output=True,
    efforts=frozenset(),
    thinking_types=frozenset({"enabled", "disabled"}),
)
SONNET = ModelFacts(
    id="claude-sonnet-4-6",
    context_tokens=1_000_000,
    max_output_tokens=128_000,
    takes_structured_output=True,
    efforts=frozenset({"low", "medium", "high", "max"}),
    thinking_types=frozenset({"adaptive", "enabled", "disabled"}),
)
OPUS = ModelFacts(
    id="claude-opus-4-8",
    context_tokens=1_000_000,
    max_output_tokens=128_000,
    takes_structured_output=True,
    efforts=frozenset({"low", "medium", "high", "xhigh", "max"}),
    thinking_types=frozenset({"adaptive", "disabled"}),
)
NEXT_YEAR_S = 1_798_761_600


def told(*facts: ModelFacts, toml: str = "") -> list[tuple[type, str]]:
    return [(type(found), str(found)) for found in check_online(config(toml), facts)]


def test_a_profile_that_agrees_with_the_provider_has_nothing_to_tell() -> None:
    assert told(HAIKU, SONNET, OPUS) == []


def test_a_provider_that_says_little_is_not_contradicted() -> None:
    assert told(*(ModelFacts(id=facts.id) for facts in (HAIKU, SONNET, OPUS))) == []


def test_a_model_that_is_not_listed_is_a_fault() -> None:
    ((kind, words),) = told(HAIKU, SONNET)
    assert kind is Fault
    assert "model 'claude-opus-4-8' of tier 'reasoning' is not in the provider's list" in words


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"lifecycle": Lifecycle.RETIRED}, Fault, "is retired: it answers no more"),
        ({"lifecycle": Lifecycle.DEPRECATED}, ConfigWarning, "is deprecated"),
        (
            {"lifecycle": Lifecycle.DEPRECATED, "retires_at_s": NEXT_YEAR_S},
            ConfigWarning,
            "is deprecated and retires on 2027-01-01",
        ),
        ({"retires_at_s": NEXT_YEAR_S}, ConfigWarning, "is active and retires on 2027-01-01"),
        (
            {"context_tokens": 500_000},
            Fault,
            "has context_tokens 1000000; its provider says 500000",
        ),
        ({"context_tokens": 2_000_000}, ConfigWarning, "its provider says 2000000"),
        ({"max_output_tokens": 64_000}, Fault, "has max_output_tokens 128000; its provider says"),
        ({"takes_structured_output": False}, Fault, "takes no structured output"),
        ({"efforts": frozenset({"low"})}, Fault, "does not accept effort 'high'"),
        ({"thinking_types": frozenset({"enabled"})}, Fault, "does not accept thinking 'adaptive'"),
    ],
)
def test_a_difference_is_a_fault_where_calls_would_fail_and_a_warning_elsewhere(
    change: dict[str, object], kind: type, words: str
) -> None:
    opus = dataclasses.replace(OPUS, **change)  # type: ignore[arg-type]  # one field of its type
    ((found, message),) = told(HAIKU, SONNET, opus)
    assert found is kind
    assert words in message


def test_a_retired_model_is_not_told_about_twice() -> None:
    opus = dataclasses.replace(OPUS, lifecycle=Lifecycle.RETIRED, context_tokens=1)
    assert len(told(HAIKU, SONNET, opus)) == 1


def test_switching_thinking_off_needs_the_word_only_where_silence_means_thinking() -> None:
    silent = dataclasses.replace(SONNET, thinking_types=frozenset({"adaptive"}))
    assert told(HAIKU, silent, OPUS) == []
    quiet = 'profile = "claude-5.5"\n[routing]\ntiers = ["efficient", "frontier", "reasoning"]'
    facts = [
        ModelFacts(id=name, thinking_types=frozenset({"adaptive"}))
        for name in ("claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5")
    ]
    ((kind, words),) = told(*facts, toml=quiet)
    assert kind is Fault
    assert "'claude-haiku-5-5' does not accept thinking 'none' ('disabled')" in words


def test_only_the_asked_providers_tiers_are_compared() -> None:
    assert check_online(config(), [], provider="another") == []


def test_a_difference_is_placed_where_the_file_sets_it() -> None:
    toml = '[[tiers]]\nname = "reasoning"\neffort = "max"'
    opus = dataclasses.replace(OPUS, efforts=frozenset({"low"}))
    ((_, words),) = told(HAIKU, SONNET, opus, toml=toml)
    assert words.startswith("tiers[0].effort: tier 'reasoning':")
