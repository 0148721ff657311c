"""The API's counts become the core's usage, and a count that is no count becomes no bill."""

from __future__ import annotations

import pytest

from tests.unit.providers.anthropic import message_streams as streams
from tierwise_server.core.model import FinishReason, Usage
from tierwise_server.providers.anthropic.stream import (
    Broken,
    MessageStreamParser,
    StreamEnd,
    StreamFault,
)
from tierwise_server.providers.base import Completed


def end_of(body: bytes) -> StreamEnd:
    parser = MessageStreamParser()
    parser.feed(body)
    return parser.close()


def usage_of(start: object, end: object) -> Usage | None:
    completed = end_of(streams.answer(["x"], start_usage=start, end_usage=end))
    assert isinstance(completed, Completed)
    return completed.usage


def test_input_includes_what_the_cache_served_and_took() -> None:
    start = {
        "input_tokens": 10,
        "cache_read_input_tokens": 200,
        "cache_creation_input_tokens": 3000,
        "cache_creation": {"ephemeral_5m_input_tokens": 1000, "ephemeral_1h_input_tokens": 2000},
        "output_tokens": 1,
        "service_tier": "standard",
    }
    assert usage_of(start, {"output_tokens": 7, "server_tool_use": None}) == Usage(
        input_tokens=3210,
        cache_read_tokens=200,
        cache_write_tokens=1000,
        cache_write_1h_tokens=2000,
        output_tokens=7,
    )


def test_later_counts_replace_earlier_ones_and_nulls_change_nothing() -> None:
    start = {"input_tokens": 10, "cache_read_input_tokens": None, "output_tokens": 1}
    end = {"input_tokens": 12, "cache_read_input_tokens": None, "output_tokens": 7}
    assert usage_of(start, end) == Usage(input_tokens=12, output_tokens=7)


def test_the_output_count_at_the_start_is_no_floor() -> None:
    assert usage_of({"input_tokens": 5, "output_tokens": 4}, {"output_tokens": 0}) == Usage(
        input_tokens=5, output_tokens=0
    )


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (None, None),
        (None, {"output_tokens": 7}),
        ({"input_tokens": 5, "output_tokens": 1}, None),
        ({"input_tokens": 5, "output_tokens": 1}, {"output_tokens": None}),
        ({"input_tokens": 5, "output_tokens": 1}, {"input_tokens": 4, "output_tokens": 7}),
    ],
)
def test_a_usage_that_is_missing_or_goes_down_is_no_bill(start: object, end: object) -> None:
    assert usage_of(start, end) is None


def test_output_that_goes_down_is_no_bill_and_the_largest_count_is_kept() -> None:
    parser = MessageStreamParser()
    parser.feed(
        streams.message_start({"input_tokens": 5, "output_tokens": 1})
        + streams.message_delta(None, {"output_tokens": 9})
        + streams.message_delta(usage={"output_tokens": 8})
        + streams.MESSAGE_STOP
    )
    assert parser.close() == Completed(FinishReason.STOP, "end_turn", None)
    assert parser.usage == Usage(input_tokens=5, output_tokens=9)


@pytest.mark.parametrize("count", [-1, 1.5, 7.0, True, "7", [7], 1_000_000_001, 10**40])
@pytest.mark.parametrize("field", ["input_tokens", "output_tokens", "cache_read_input_tokens"])
def test_a_count_that_is_no_count_is_a_fault(field: str, count: object) -> None:
    body = streams.answer(["x"], start_usage={field: count})
    assert end_of(body) == Broken(StreamFault.USAGE)
    ends = streams.answer(["x"], end_usage={"output_tokens": 1, field: count})
    assert end_of(ends) == Broken(StreamFault.USAGE)


@pytest.mark.parametrize("usage", [[], "many", 7])
def test_a_usage_that_is_no_object_is_a_fault(usage: object) -> None:
    assert end_of(streams.answer([], start_usage=usage)) == Broken(StreamFault.USAGE)
    assert end_of(streams.answer([], end_usage=usage)) == Broken(StreamFault.USAGE)


def test_a_part_never_exceeds_its_whole() -> None:
    start = {
        "input_tokens": 1,
        "cache_creation_input_tokens": 10,
        "cache_creation": {"ephemeral_1h_input_tokens": 99},
        "output_tokens": 1,
    }
    end = {"output_tokens": 5, "output_tokens_details": {"thinking_tokens": 50}}
    assert usage_of(start, end) == Usage(
        input_tokens=11, cache_write_1h_tokens=10, output_tokens=5, reasoning_tokens=5
    )
