"""JSON schemas as checks: examined when they are read, so that none can fail for itself when an answer comes.

References are resolved within the schema alone; nothing is ever fetched.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import jsonschema
from referencing.exceptions import Unresolvable
from referencing.jsonschema import EMPTY_REGISTRY, specification_with

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

_LONGEST_SHOWN: Final = 200
_REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")
_PROBES: Final[tuple[Any, ...]] = (None, True, 0, "", [], {})
"""A value of every type that JSON has."""


def validator_of(schema: Mapping[str, Any]) -> Validator:
    """What holds values to the schema, which `examine` has found no fault with."""
    kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    return kind(schema, registry=EMPTY_REGISTRY)


def examine(schema: dict[str, Any]) -> dict[str, Any]:
    """Look for whatever would make the schema fail when it is used; returns it.

    Raises:
        ValueError: it is no schema, or refers to what is not there or to itself.
    """
    validator = validator_of(schema)
    try:
        type(validator).check_schema(schema)
        _References(str(type(validator).META_SCHEMA["$schema"])).examine(schema)
        for probe in _PROBES:
            validator.is_valid(probe)
    except jsonschema.SchemaError as error:
        message = f"is no JSON schema: {error.message[:_LONGEST_SHOWN]}"
    except Unresolvable as error:
        message = f"refers to {error.ref[:_LONGEST_SHOWN]!r}, which is no schema in this one"
    except RecursionError:
        message = "refers to itself without end, or is nested too deeply"
    else:
        return schema
    raise ValueError(message)


class _References:
    """Follows every reference of a schema, in all its parts and whatever they lead to."""

    def __init__(self, meta_schema: str) -> None:
        self._specification = specification_with(meta_schema)
        self._seen: set[int] = set()

    def examine(self, schema: dict[str, Any]) -> None:
        root = self._specification.create_resource(schema)
        self._part(root, EMPTY_REGISTRY.resolver_with_root(root))

    def _part(self, part: Any, resolver: Any) -> None:
        if id(part.contents) in self._seen:
            return
        self._seen.add(id(part.contents))
        for keyword in _REFERENCES:
            found = _referred(part.contents, keyword, resolver)
            if found is not None:
                _ends(found, {id(part.contents)})
                self._part(self._specification.create_resource(found.contents), found.resolver)
        for inner in part.subresources():
            self._part(inner, resolver.in_subresource(inner))


def _ends(found: Any, passed: set[int]) -> None:
    """See that references which lead straight from one to the next come to an end."""
    while found is not None:
        if id(found.contents) in passed:
            raise RecursionError
        passed.add(id(found.contents))
        found = _referred(found.contents, "$ref", found.resolver)


def _referred(content: Any, keyword: str, resolver: Any) -> Any:
    """What the content's reference leads to, with the resolver to go on with; None where it has none."""
    reference = content.get(keyword) if isinstance(content, Mapping) else None
    if not isinstance(reference, str):
        return None
    try:
        found = resolver.lookup(reference)
    except (Unresolvable, LookupError, TypeError, ValueError):
        raise Unresolvable(ref=reference) from None
    if not isinstance(found.contents, Mapping | bool):
        raise Unresolvable(ref=reference)
    return found
