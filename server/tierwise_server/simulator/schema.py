"""Structured output: which JSON schemas the API takes, and an instance of one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from tierwise_server.simulator.api_errors import invalid
from tierwise_server.simulator.prose import pick, words

Schema: TypeAlias = Mapping[str, Any]

CONFIDENCE: Final = "confidence"
"""A schema with this property marks a request as a confidence check."""

_UNSUPPORTED: Final = {
    "integer": ("exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum", "multipleOf"),
    "number": ("exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum", "multipleOf"),
    "string": ("maxLength", "minLength"),
    "array": ("maxItems", "uniqueItems"),
}
"""Keywords that structured outputs reject
(https://platform.claude.com/docs/en/build-with-claude/structured-outputs)."""

_DEEPEST: Final = 16
_STRING_WORDS: Final = 6


def asks_for_confidence(schema: Schema) -> bool:
    """Whether the schema's object has a `confidence` property."""
    properties = schema.get("properties")
    return isinstance(properties, Mapping) and CONFIDENCE in properties


def check_schema(schema: Schema) -> None:
    """Raise the API's 400 if it would not take this schema."""
    for part in _parts(schema):
        kind = part.get("type")
        if kind == "object" and part.get("additionalProperties") is not False:
            raise invalid(
                "output_config.format.schema: For 'object' type, 'additionalProperties' must be"
                " explicitly set to false"
            )
        rejected = [key for key in _UNSUPPORTED.get(str(kind), ()) if key in part]
        if rejected:
            raise invalid(
                f"output_config.format.schema: For '{kind}' type, properties"
                f" {', '.join(rejected)} are not supported"
            )


def _parts(schema: Any) -> Iterator[Schema]:
    """The schema and every schema inside it."""
    stack = [schema]
    while stack:
        part = stack.pop()
        if isinstance(part, Mapping):
            yield part
            stack.extend(_children(part))


def _children(part: Schema) -> Iterator[Any]:
    for key in ("properties", "$defs", "definitions"):
        named = part.get(key)
        if isinstance(named, Mapping):
            yield from named.values()
    for key in ("anyOf", "allOf", "oneOf"):
        listed = part.get(key)
        if isinstance(listed, Sequence) and not isinstance(listed, str):
            yield from listed
    yield part.get("items")


class InstanceWriter:
    """Writes an instance of a schema: every property present, choices made by the key alone."""

    def __init__(self, root: Schema, seed: int, key: str) -> None:
        self._root = root
        self._seed = seed
        self._key = key

    def instance(self) -> Any:
        """A JSON value that the schema accepts."""
        return self._value(self._root, "$", 0)

    def _value(self, schema: Schema, path: str, depth: int) -> Any:
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            choices = list(schema["enum"])
            return choices[pick(len(choices), self._seed, self._key, path)] if choices else None
        for key in ("anyOf", "oneOf", "allOf"):
            if schema.get(key):
                return self._value(schema[key][0], path, depth + 1)
        if depth > _DEEPEST:
            return None
        return self._typed(schema, path, depth)

    def _typed(self, schema: Schema, path: str, depth: int) -> Any:
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = kind[0] if kind else None
        match kind:
            case "object":
                properties: Schema = schema.get("properties") or {}
                return {
                    name: self._value(part, f"{path}.{name}", depth + 1)
                    for name, part in properties.items()
                }
            case "array":
                items = schema.get("items")
                return [self._value(items, f"{path}[]", depth + 1)] if items else []
            case "integer":
                return pick(100, self._seed, self._key, path)
            case "number":
                return pick(1000, self._seed, self._key, path) / 10
            case "boolean":
                return pick(2, self._seed, self._key, path) == 1
            case "string":
                return words(self._seed, f"{self._key}{path}", "", _STRING_WORDS)
            case _:
                return None

    def _resolved(self, schema: Schema) -> Schema:
        for _ in range(_DEEPEST):
            reference = schema.get("$ref")
            if not isinstance(reference, str):
                break
            target: Any = self._root
            for name in reference.removeprefix("#/").split("/"):
                target = target.get(name, {}) if isinstance(target, Mapping) else {}
            schema = target if isinstance(target, Mapping) else {}
        return schema
