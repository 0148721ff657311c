from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.simulator.bodies import HAIKU, OPUS, a_request, assistant, user
from tierwise_server.simulator.tokens import (
    InputBill,
    PromptBlock,
    PromptCache,
    bytes_of_tokens,
    estimate_tokens,
    tokens_of_bytes,
)

MARK: dict[str, Any] = {"cache_control": {"type": "ephemeral"}}


@pytest.mark.parametrize(
    ("text", "percent", "tokens"),
    [
        ("", 100, 0),
        ("a", 100, 1),
        ("abcd", 100, 1),
        ("abcde", 100, 2),
        ("é" * 4, 100, 2),
        ("a" * 40, 130, 13),
        ("a" * 41, 130, 14),
    ],
)
def test_tokens_are_utf8_bytes_by_four_rounded_up(text: str, percent: int, tokens: int) -> None:
    assert estimate_tokens(text, percent) == tokens


@given(st.integers(0, 10**6), st.sampled_from([100, 130]))
def test_the_bytes_that_fit_in_a_budget_are_as_many_as_can(tokens: int, percent: int) -> None:
    most = bytes_of_tokens(tokens, percent)
    assert tokens_of_bytes(most, percent) <= tokens < tokens_of_bytes(most + 1, percent)


def test_a_message_counts_its_text_and_its_frame() -> None:
    request = a_request("12345678", system="1234", messages=[user("12345678"), user("1")])
    assert request.input_tokens == 1 + (2 + 4) + (1 + 4)


def test_newer_models_count_more_tokens_for_the_same_text() -> None:
    assert a_request("x" * 400, model=OPUS).input_tokens == 130 + 4
    assert a_request("x" * 400, model=HAIKU).input_tokens == 100 + 4


def test_images_and_tools_are_counted() -> None:
    content = [{"type": "text", "text": "1234"}, {"type": "image", "source": {}}]
    tool = {"name": "find", "input_schema": {"type": "object"}}
    request = a_request(messages=[{"role": "user", "content": content}], tools=[tool])
    tool_tokens = estimate_tokens('{"input_schema":{"type":"object"},"name":"find"}')
    assert request.input_tokens == tool_tokens + (1 + 4) + 1600


def test_thinking_of_earlier_turns_is_not_counted() -> None:
    blocks = [{"type": "thinking", "thinking": "x" * 400}, {"type": "text", "text": "1234"}]
    turns = [user("1234"), {"role": "assistant", "content": blocks}, user("1234")]
    assert a_request(messages=turns).input_tokens == 3 * (1 + 4)


def block(text: str, tokens: int, ttl: str = "") -> PromptBlock:
    return PromptBlock(text.encode(), tokens, ttl)


def test_a_prompt_without_marks_is_not_cached() -> None:
    cache = PromptCache()
    for _ in range(2):
        assert cache.bill("m", [block("a", 2000)], 1024) == InputBill(input_tokens=2000)


def test_a_marked_prefix_is_written_once_and_read_after_that() -> None:
    cache = PromptCache()
    blocks = [block("a", 2000, "5m"), block("b", 10)]
    assert cache.bill("m", blocks, 1024) == InputBill(10, 0, 2000, 0)
    assert cache.bill("m", blocks, 1024) == InputBill(10, 2000, 0, 0)


def test_a_longer_conversation_reads_the_prefix_and_writes_the_rest() -> None:
    cache = PromptCache()
    cache.bill("m", [block("task", 2000, "5m")], 1024)
    longer = [block("task", 2000), block("answer", 300), block("question", 50, "1h")]
    assert cache.bill("m", longer, 1024) == InputBill(0, 2000, 0, 350)


def test_short_prefixes_and_other_models_share_nothing() -> None:
    cache = PromptCache()
    assert cache.bill("m", [block("a", 1023, "5m")], 1024) == InputBill(1023)
    cache.bill("m", [block("a", 2000, "5m")], 1024)
    assert cache.bill("other", [block("a", 2000, "5m")], 1024).cache_read_tokens == 0


@given(st.lists(st.tuples(st.integers(0, 3000), st.sampled_from(["", "5m", "1h"])), max_size=12))
def test_every_input_token_is_billed_exactly_once(shape: list[tuple[int, str]]) -> None:
    cache = PromptCache()
    blocks = [block(str(tokens), tokens, ttl) for tokens, ttl in shape]
    for size in (len(blocks) // 2, len(blocks), len(blocks)):
        bill = cache.bill("m", blocks[:size], 1024)
        counts = (bill.input_tokens, bill.cache_read_tokens, bill.cache_write_tokens)
        assert sum(counts) == sum(tokens for tokens, _ in shape[:size])
        assert min(counts) >= 0


def test_top_level_cache_control_marks_the_last_block() -> None:
    request = a_request(messages=[user("a"), assistant("b"), user("c")], **MARK)
    assert [block.ttl for block in request.blocks] == ["", "", "5m"]


def test_a_mark_on_a_block_is_not_part_of_what_is_cached() -> None:
    def blocks(**extra: object) -> tuple[bytes, ...]:
        content = [{"type": "text", "text": "a", **extra}]
        request = a_request(messages=[{"role": "user", "content": content}])
        return tuple(part.content for part in request.blocks)

    assert blocks(**MARK) == blocks()
