from __future__ import annotations

from typing import Any

import pytest

from tierwise_server.simulator.api_errors import ApiError
from tierwise_server.simulator.schema import InstanceWriter, asks_for_confidence, check_schema

TICKET: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["kind", "tags", "urgent"],
    "properties": {
        "kind": {"enum": ["refund", "invoice"]},
        "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}},
        "urgent": {"type": "boolean"},
        "score": {"type": "number"},
        "count": {"type": "integer"},
        "note": {"type": ["string", "null"]},
        "either": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "fixed": {"const": 7},
        "nothing": {"type": "null"},
        "empty": {"type": "array"},
    },
    "$defs": {"tag": {"type": "string"}},
}


def nested(part: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": {"a": part}}


def test_an_instance_holds_every_property_with_its_type() -> None:
    value = InstanceWriter(TICKET, 1, "key").instance()
    assert set(value) == set(TICKET["properties"])
    assert value["kind"] in ("refund", "invoice")
    assert all(isinstance(tag, str) for tag in value["tags"])
    assert [type(value[name]) for name in ("urgent", "score", "count", "note", "either")] == [
        bool,
        float,
        int,
        str,
        str,
    ]
    assert (value["fixed"], value["nothing"], value["empty"]) == (7, None, [])


def test_the_same_key_gives_the_same_instance() -> None:
    one, two = (InstanceWriter(TICKET, 1, "key").instance() for _ in range(2))
    assert one == two
    others = [InstanceWriter(TICKET, 1, f"key {n}").instance() for n in range(8)]
    assert any(other != one for other in others)


def test_a_schema_that_refers_to_itself_has_an_end() -> None:
    loop = {"$ref": "#"}
    tree = {"type": "object", "additionalProperties": False, "properties": {"child": loop}}
    assert "child" in InstanceWriter(tree, 0, "k").instance()
    assert InstanceWriter(loop, 0, "k").instance() is None


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "object"}, "'additionalProperties' must be explicitly set to false"),
        (nested({"type": "object"}), "'additionalProperties' must be explicitly set to false"),
        (nested({"type": "integer", "minimum": 1, "maximum": 10}), "maximum, minimum are not"),
        (nested({"type": "string", "maxLength": 3}), "maxLength are not supported"),
        (nested({"anyOf": [{"type": "number", "multipleOf": 2}]}), "multipleOf are not supported"),
        (nested({"type": "array", "items": {"type": "string", "minLength": 1}}), "minLength"),
    ],
)
def test_keywords_that_the_api_rejects_are_rejected(schema: dict[str, Any], message: str) -> None:
    with pytest.raises(ApiError) as caught:
        check_schema(schema)
    assert message in caught.value.message


def test_a_plain_schema_is_accepted() -> None:
    check_schema(TICKET)


@pytest.mark.parametrize("schema", [TICKET, {}, {"properties": 3}])
def test_only_a_confidence_property_marks_a_check(schema: dict[str, Any]) -> None:
    assert not asks_for_confidence(schema)
    assert asks_for_confidence(nested({}) | {"properties": {"confidence": {}}})
