from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.config.reading import config
from tierwise_server.config import PROFILES

AS_ONE_ROW = """
[[routing.rows]]
task_types = ["a", "b"]
cascade = ["efficient", "frontier"]
threshold = 8
[[tiers]]
name = "efficient"
headroom_s = 3
effort = "default"
"""
AS_TWO_ROWS = """
[[tiers]]
effort   = "default"
headroom_s = 3.0        # the same number
name     = 'efficient'

[[routing.rows]]
threshold = 8.0
cascade = [
    "efficient",
    "frontier",
]
task_types = ["b"]

[[routing.rows]]
method = "self_report"
task_types = ["a"]
cascade = ["efficient", "frontier"]
"""


def version(toml: str) -> str:
    return config(toml).routing_table().version


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_has_one_version(profile: str) -> None:
    versions = {version(f'profile = "{profile}"') for _ in range(3)}
    assert len(versions) == 1
    assert re.fullmatch(r"[0-9a-f]{12}", versions.pop())


def test_profiles_have_different_versions() -> None:
    assert len({version(f'profile = "{profile}"') for profile in PROFILES}) == len(PROFILES)


def test_the_version_does_not_depend_on_order_or_spacing() -> None:
    assert version(AS_ONE_ROW) == version(AS_TWO_ROWS)


def test_the_version_of_what_the_profile_says_anyway_is_the_profiles() -> None:
    said_again = """
        [routing]
        default = "frontier"
        [[routing.rows]]
        task_types = ["answer_faq"]
        tier = "efficient"
        [[tiers]]
        name = "frontier"
        model = "claude-sonnet-4-6"
    """
    assert version(said_again) == version("")


def test_the_version_does_not_depend_on_what_does_not_route() -> None:
    elsewhere = """
        [server]
        listen = "127.0.0.1:1"
        [prices.models.claude-opus-4-8]
        input = 6
        output = 30
    """
    assert version(elsewhere) == version("")


@pytest.mark.parametrize(
    "change",
    [
        "[routing]\ndefault = 'reasoning'",
        "[routing]\ndefault = 'refuse'",
        "[routing]\nassumed_output_tokens = 501",
        "[routing.escalation]\nthreshold = 9",
        "[routing.escalation]\ncascade = ['efficient', 'reasoning']",
        "[[routing.rows]]\ntask_types = ['new']\ntier = 'frontier'",
        "[[routing.rows]]\ntask_types = ['answer_faq']\ntier = 'frontier'",
        "[[tiers]]\nname = 'efficient'\nheadroom_s = 2.5",
        "[[tiers]]\nname = 'frontier'\nthinking = 'adaptive'",
        "[[models]]\nid = 'claude-sonnet-4-6'\ncontext_tokens = 200000",
    ],
)
def test_the_version_changes_with_everything_that_decides(change: str) -> None:
    assert version(change) != version("")


@given(st.permutations(["a", "b", "c", "d"]), st.permutations(["x", "y", "z"]))
def test_the_version_is_the_same_however_rows_are_ordered(
    first: list[str], second: list[str]
) -> None:
    def row(names: list[str], tier: str) -> str:
        return f"[[routing.rows]]\ntask_types = {names}\ntier = '{tier}'\n"

    rows = [row(first, "frontier"), row(second, "reasoning")]
    expected = version(row(sorted(first), "frontier") + row(sorted(second), "reasoning"))
    assert version("".join(rows)) == version("".join(reversed(rows))) == expected
