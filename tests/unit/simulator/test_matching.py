from __future__ import annotations

from typing import Any

import pytest

from tierwise_server.simulator.matching import Matcher, Subject
from tierwise_server.simulator.script import Kind, Script

SUBJECT = Subject(
    kind="answer",
    models=("claude-haiku-4-5-20251001", "claude-haiku-4-5"),
    stream=True,
    task_text="Sort this ticket [T-17], please",
    draft_text="It is a refund.",
    system_text="You sort tickets.",
)


def matcher(*rules: dict[str, Any]) -> Matcher:
    return Matcher(Script.from_mapping({"rules": list(rules)}).rules)


def names(found: Matcher, subject: Subject, times: int) -> list[str | None]:
    matches = [found.match(subject) for _ in range(times)]
    return [match[0] if match else None for match in matches]


@pytest.mark.parametrize(
    ("conditions", "fits"),
    [
        ({}, True),
        ({"model": "claude-haiku-*"}, True),
        ({"model": "claude-haiku-4-5"}, True),
        ({"model": "claude-opus-*"}, False),
        ({"model": "haiku"}, False),
        ({"kind": "answer"}, True),
        ({"kind": "check"}, False),
        ({"kind": "models"}, False),
        ({"stream": True}, True),
        ({"stream": False}, False),
        ({"contains": "[T-17]"}, True),
        ({"contains": ["Sort", "please"]}, True),
        ({"contains": ["Sort", "thanks"]}, False),
        ({"matches": r"\[T-\d+\]"}, True),
        ({"matches": r"^\[T-\d+\]"}, False),
        ({"system_contains": "tickets"}, True),
        ({"system_contains": "poems"}, False),
        ({"draft_contains": "refund"}, True),
        ({"draft_contains": "invoice"}, False),
        ({"model": "claude-haiku-*", "contains": "thanks"}, False),
    ],
)
def test_a_rule_applies_when_every_condition_fits(
    conditions: dict[str, Any], *, fits: bool
) -> None:
    assert (matcher(conditions).match(SUBJECT) is not None) is fits


def test_the_first_rule_that_applies_decides() -> None:
    found = matcher({"name": "poems", "contains": "poem"}, {"name": "all"}, {"name": "never"})
    assert names(found, SUBJECT, 2) == ["all", "all"]


def test_a_rule_without_a_name_is_called_by_its_place() -> None:
    assert names(matcher({"contains": "poem"}, {}), SUBJECT, 1) == ["rules.1"]


def test_times_counts_the_requests_a_rule_applies_to() -> None:
    found = matcher({"name": "first", "times": 2}, {"name": "later"})
    assert names(found, SUBJECT, 3) == ["first", "first", "later"]


def test_nth_applies_to_one_request_unless_times_says_more() -> None:
    assert names(matcher({"name": "x", "nth": 2}), SUBJECT, 4) == [None, "x", None, None]
    found = matcher({"name": "x", "nth": 2, "times": 2})
    assert names(found, SUBJECT, 4) == [None, "x", "x", None]


def test_only_requests_that_fit_are_counted() -> None:
    found = matcher({"name": "x", "nth": 2, "contains": "ticket"})
    other = Subject(kind="answer", models=SUBJECT.models, task_text="Write a poem")
    assert names(found, SUBJECT, 1) == [None]
    assert names(found, other, 3) == [None, None, None]
    assert names(found, SUBJECT, 1) == ["x"]


def test_reset_counts_anew() -> None:
    found = matcher({"name": "x", "times": 1})
    assert names(found, SUBJECT, 2) == ["x", None]
    found.reset()
    assert names(found, SUBJECT, 1) == ["x"]


def test_a_rule_without_kind_is_for_answers_and_checks_only() -> None:
    found = matcher({"name": "x"})
    kinds: list[Kind] = ["answer", "check", "models", "count_tokens"]
    applied = [found.match(Subject(kind=kind)) is not None for kind in kinds]
    assert applied == [True, True, False, False]
