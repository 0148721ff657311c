"""The nouns that compute something."""

from __future__ import annotations

from dataclasses import astuple, fields

from hypothesis import given
from hypothesis import strategies as st

from tierwise_server.core.model import Usage

COUNTS = st.tuples(*[st.integers(0, 10**12)] * len(fields(Usage)))


@given(COUNTS, COUNTS)
def test_usages_add_up_count_by_count(first: tuple[int, ...], second: tuple[int, ...]) -> None:
    summed = Usage(*first) + Usage(*second)
    assert astuple(summed) == tuple(a + b for a, b in zip(first, second, strict=True))


@given(COUNTS)
def test_no_usage_adds_nothing(counts: tuple[int, ...]) -> None:
    assert Usage() + Usage(*counts) == Usage(*counts)
