"""Deterministic checks decide as a person would who had the same rule."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from tierwise_server.measure.checks import Check, passes_all

READER: TypeAdapter[Check] = TypeAdapter(Check)


def check(**content: Any) -> Check:
    return READER.validate_python(content)


@pytest.mark.parametrize(
    ("rule", "answer", "passes"),
    [
        ({"type": "exact", "value": "spam"}, " spam\n", True),
        ({"type": "exact", "value": "spam"}, "Spam", False),
        ({"type": "exact", "value": "spam", "ignore_case": True}, "SPAM", True),
        ({"type": "exact", "value": "spam"}, "spam, I think", False),
        ({"type": "regex", "pattern": r"\b42\b"}, "it is 42.", True),
        ({"type": "regex", "pattern": r"^\d+$"}, "it is 42", False),
        ({"type": "regex", "pattern": "(?i)yes"}, "YES", True),
        ({"type": "numeric", "value": 1234.5}, "The total is $1,234.50", True),
        ({"type": "numeric", "value": 42}, "First 7, then 42", True),
        ({"type": "numeric", "value": 42}, "42 of 100", False),
        ({"type": "numeric", "value": 0.3, "tolerance": 0.1}, "0.2", True),
        ({"type": "numeric", "value": 0.3, "tolerance": 0.1}, "0.19", False),
        ({"type": "numeric", "value": 200, "relative": 0.05}, "209", True),
        ({"type": "numeric", "value": 200, "relative": 0.05}, "211", False),
        ({"type": "numeric", "value": -3}, "-3", True),
        ({"type": "numeric", "value": 1e-9, "relative": 0.01}, "1.001e-9", True),
        ({"type": "numeric", "value": 3}, "three", False),
        ({"type": "numeric", "value": 3}, "", False),
    ],
)
def test_a_check_decides(rule: dict[str, Any], answer: str, passes: bool) -> None:
    assert check(**rule).passes(answer) is passes


SHAPE = {
    "type": "object",
    "properties": {"name": {"type": "string"}},
    "required": ["name"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("answer", "passes"),
    [
        ('{"name": "Ada"}', True),
        ('```json\n{"name": "Ada"}\n```', True),
        ('{"name": 3}', False),
        ('{"name": "Ada", "more": 1}', False),
        ('Here it is: {"name": "Ada"}', False),
        ("", False),
        ("[" * 100_000, False),
    ],
)
def test_json_is_held_to_its_schema(answer: str, passes: bool) -> None:
    assert check(type="json_schema", schema=SHAPE).passes(answer) is passes


def test_every_check_must_pass() -> None:
    rules = [check(type="regex", pattern="a"), check(type="regex", pattern="b")]
    assert passes_all(rules, "ab")
    assert not passes_all(rules, "a")
