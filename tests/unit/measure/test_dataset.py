"""A file of tasks is read as far as it can be, and sampled by task type."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierwise_server.core.model import Role
from tierwise_server.measure.dataset import SampleTask, dataset_hash, parse_lines, stratified

GOOD = b'{"id":"a","task_type":"t","prompt":"p"}'


def tasks(**counts: int) -> list[SampleTask]:
    return [
        SampleTask(id=f"{kind}{number}", task_type=kind, prompt="p")
        for kind, count in counts.items()
        for number in range(count)
    ]


def faults(*lines: bytes) -> list[str]:
    return [str(fault) for fault in parse_lines(lines).faults]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"{", "line 2: is not JSON"),
        (b"\xff", "line 2: is not UTF-8"),
        (b"[]", "line 2: must be a JSON object"),
        (b'{"id":"b","task_type":"t"}', "line 2: needs either prompt or messages"),
        (b'{"id":"b","task_type":"t","prompt":"p","pormpt":"p"}', "line 2: pormpt: "),
        (b'{"id":"a","task_type":"t","prompt":"p"}', "line 2: id 'a' was used on line 1"),
        (b'{"id":"b","task_type":"t","prompt":7}', "line 2: prompt: "),
        (b'{"id":"b","task_type":"t","prompt":NaN}', "line 2: is not JSON"),
        (
            b'{"id":"b","task_type":"t","messages":[{"role":"assistant","content":"x"}]}',
            "line 2: messages must end with the user's turn",
        ),
        (
            b'{"id":"b","task_type":"t","prompt":"p","checks":[{"type":"regex","pattern":"("}]}',
            "line 2: checks.0.regex.pattern: is no regular expression",
        ),
        (
            b'{"id":"b","task_type":"t","prompt":"p","checks":[{"type":"json_schema","schema":{"type":"nope"}}]}',
            "is no JSON schema",
        ),
    ],
)
def test_a_bad_line_is_named_and_the_rest_is_kept(line: bytes, said: str) -> None:
    found = parse_lines([GOOD, line, b"", b'{"id":"z","task_type":"t","prompt":"p"}'])
    assert [task.id for task in found.tasks] == ["a", "z"]
    assert any(said in str(fault) for fault in found.faults)
    assert all(fault.path == "line 2" for fault in found.faults)


def test_a_bad_line_shows_nothing_of_what_it_holds() -> None:
    (said,) = faults(b'{"id":"a","task_type":"t","prompt":["my secret"]}')
    assert "secret" not in said


@given(st.lists(st.binary(max_size=60)))
def test_no_line_breaks_the_reader(lines: list[bytes]) -> None:
    parse_lines(lines)


def test_a_conversation_becomes_the_task_that_is_served() -> None:
    line = {
        "id": "a",
        "task_type": "t",
        "system": "Be brief.",
        "messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Yes?"},
            {"role": "user", "content": "Why?"},
        ],
        "reference": "never sent",
        "max_output_tokens": 50,
    }
    (task,) = parse_lines([json.dumps(line).encode()]).tasks
    asked = task.task()
    assert asked.prompt.system == "Be brief."
    assert [(m.role, m.texts) for m in asked.prompt.messages] == [
        (Role.USER, ("Hi",)),
        (Role.ASSISTANT, ("Yes?",)),
        (Role.USER, ("Why?",)),
    ]
    assert asked.generation.max_output_tokens == 50
    assert "never sent" not in repr(asked)


def test_a_line_written_and_read_again_is_the_same_task() -> None:
    content = {
        "id": "a",
        "task_type": "t",
        "prompt": "p",
        "checks": [
            {"type": "exact", "value": "x", "ignore_case": True},
            {"type": "json_schema", "schema": {"type": "object"}},
            {"type": "numeric", "value": 3, "tolerance": 0.5},
        ],
    }
    (task,) = parse_lines([json.dumps(content).encode()]).tasks
    assert parse_lines([task.line().encode()]).tasks == (task,)


def test_the_hash_is_of_the_content_whatever_its_order() -> None:
    some = tasks(a=3, b=2)
    assert dataset_hash(some) == dataset_hash(some[::-1])
    assert dataset_hash(some) != dataset_hash(some[1:])


def test_every_type_has_its_share_and_rare_ones_are_not_lost() -> None:
    drawn = stratified(tasks(common=900, some=90, rare=10), 20, seed=1)
    counts = Counter(task.task_type for task in drawn)
    assert counts == {"common": 17, "some": 2, "rare": 1}


@given(
    st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.integers(1, 30), min_size=1),
    st.integers(1, 60),
    st.integers(0, 5),
)
def test_a_sample_has_its_size_no_repeats_and_is_reproducible(
    counts: dict[str, int], size: int, seed: int
) -> None:
    everything = tasks(**counts)
    drawn = stratified(everything, size, seed)
    assert len(drawn) == min(size, len(everything))
    assert len({task.id for task in drawn}) == len(drawn)
    assert drawn == stratified(everything, size, seed)
    if size >= len(counts):
        assert {task.task_type for task in drawn} == set(counts)


@given(
    st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.integers(1, 30), min_size=1),
    st.integers(0, 5),
)
def test_a_larger_sample_holds_the_smaller(counts: dict[str, int], seed: int) -> None:
    everything = tasks(**counts)
    before: set[str] = set()
    for size in range(1, len(everything) + 1):
        drawn = {task.id for task in stratified(everything, size, seed)}
        assert before < drawn
        before = drawn


@given(
    st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.integers(1, 300), min_size=1),
    st.integers(1, 400),
)
def test_no_type_is_far_from_its_share(counts: dict[str, int], size: int) -> None:
    everything = tasks(**counts)
    drawn = Counter(task.task_type for task in stratified(everything, size, 0))
    for kind, count in counts.items():
        share = min(size, len(everything)) * count / len(everything)
        # One place for each type is taken from what is shared out, in proportion.
        assert (share - len(counts)) / 1.5 - 1 < drawn[kind] < share * 1.5 + 1.5


def test_another_seed_draws_other_tasks() -> None:
    everything = tasks(a=100)
    assert stratified(everything, 10, 1) != stratified(everything, 10, 2)
