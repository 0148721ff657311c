"""Deterministic checks decide as a person would who had the same rule."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from tierwise_server.measure.checks import Check, passes_all

DRAFT_7 = "http://json-schema.org/draft-07/schema#"
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
        ({"type": "numeric", "value": -5}, "It is \u22125 degrees", True),
        ({"type": "numeric", "value": 5}, "It is \u22125 degrees", False),
        ({"type": "numeric", "value": -5}, "\u20135", True),
        ({"type": "numeric", "value": 5}, "Between 3-5", True),
        ({"type": "numeric", "value": 5}, "Between 3\u20135", True),
        ({"type": "numeric", "value": -5}, "Between 3-5", False),
        ({"type": "numeric", "value": -5}, "From 3 to -5", True),
        ({"type": "numeric", "value": -5}, "(-5)", True),
        ({"type": "numeric", "value": -5}, "x=-5", True),
        ({"type": "numeric", "value": -1234.5}, "a loss of \u2212$1,234.50", True),
        ({"type": "numeric", "value": -1234.5}, "a loss of $-1,234.50", True),
        ({"type": "numeric", "value": 5}, "$3-$5", True),
        ({"type": "numeric", "value": 7}, "2024-05-07", True),
        ({"type": "numeric", "value": 3e-7}, "3e\u22127", True),
        ({"type": "numeric", "value": 3}, "1e99999999", False),
        ({"type": "numeric", "value": 3}, "1e99999999999999999999999", False),
        ({"type": "numeric", "value": 3}, "\u0663", False),
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


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"$ref": "#/$defs/missing"}, "refers to '#/$defs/missing', which is no schema in"),
        ({"properties": {"a": {"items": {"$ref": "#nowhere"}}}}, "refers to '#nowhere'"),
        ({"$ref": "http://127.0.0.1:9/schema.json"}, "refers to 'http://127.0.0.1:9/schema.json'"),
        ({"$ref": "other.json"}, "refers to 'other.json'"),
        ({"$ref": "#/x", "x": {"$ref": "#/y"}}, "refers to '#/y'"),
        ({"type": "object", "$ref": "#/type"}, "refers to '#/type'"),
        ({"enum": [1], "$ref": "#/enum/x"}, "refers to '#/enum/x'"),
        ({"$ref": "#"}, "refers to itself"),
        ({"properties": {"a": {"$ref": "#/properties/a"}}}, "refers to itself"),
        ({"allOf": [{"$ref": "#"}]}, "refers to itself"),
        ({"properties": {"a": {"pattern": "("}}}, "is no JSON schema"),
        ({"patternProperties": {"(": {}}}, "is no JSON schema"),
        ({"$schema": DRAFT_7, "$ref": DRAFT_7}, f"refers to '{DRAFT_7}'"),
        ({"type": "nope"}, "is no JSON schema"),
    ],
)
def test_a_schema_that_would_fail_by_itself_is_refused(schema: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        check(type="json_schema", schema=schema)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("schema", "answer", "passes"),
    [
        ({"$ref": "#/$defs/n", "$defs": {"n": {"type": "integer"}}}, "3", True),
        ({"$ref": "#/$defs/n", "$defs": {"n": {"type": "integer"}}}, "3.5", False),
        ({"properties": {"next": {"$ref": "#"}}, "required": ["v"]}, '{"v":1,"next":{}}', False),
        ({"properties": {"next": {"$ref": "#"}}}, '{"next":{"next":{}}}', True),
        ({"$id": "http://me/", "$ref": "n", "$defs": {"n": {"$id": "n"}}}, "1", True),
        ({"$schema": DRAFT_7, "$ref": "#/definitions/n", "definitions": {"n": {}}}, "1", True),
        ({"properties": {"$ref": {"type": "string"}}}, '{"$ref": "x"}', True),
        ({"enum": [{"$ref": "#/nowhere"}]}, '{"$ref": "#/nowhere"}', True),
    ],
)
def test_references_that_lead_somewhere_hold(
    schema: dict[str, Any], answer: str, passes: bool
) -> None:
    assert check(type="json_schema", schema=schema).passes(answer) is passes


def test_an_answer_that_a_check_cannot_be_applied_to_fails_it() -> None:
    turning = {"allOf": [{"$ref": "#/properties/a"}]}
    rule = check(type="json_schema", schema={"properties": {"a": turning}})
    with pytest.raises(RecursionError):
        rule.passes('{"a": 1}')
    assert not passes_all([rule], '{"a": 1}')
    assert passes_all([rule], "{}")
