"""Puts what pydantic finds into words for people who write TOML."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, get_args, get_origin

from tierwise_server.config.findings import Finding, Loc, did_you_mean, shown
from tierwise_server.config.sections import Section
from tierwise_server.config.shape import field_at, section_at

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_UNION_TAGS: Final = ("tier", "policy")
_DEFAULT: Final[Loc] = ("routing", "default")

_KINDS: Final = {
    "bool_type": "must be true or false",
    "date_type": "must be a date such as 2026-11-23",
    "datetime_type": "must be a date with time and offset, such as 2026-11-23T12:00:00Z",
    "dict_type": "must be a table",
    "finite_number": "must be a finite number",
    "float_type": "must be a number",
    "int_type": "must be a whole number",
    "missing": "is missing",
    "model_type": "must be a table",
    "path_type": "must be a file's path, as a string",
    "string_pattern_mismatch": "holds a character that is not allowed",
    "string_too_short": "is empty",
    "string_type": "must be a string",
    "timezone_aware": "must have an offset, such as Z at its end",
    "tuple_type": "must be a list",
}
_BOUNDS: Final = {
    "greater_than": ("must be greater than {gt}", "gt"),
    "greater_than_equal": ("must be {ge} or more", "ge"),
    "less_than_equal": ("must be {le} or less", "le"),
    "string_too_long": ("is longer than {max_length} characters", "max_length"),
    "too_short": ("needs {min_length} or more", "min_length"),
}


def place_of(error: ErrorDetails) -> Loc:
    """Where an error is, in the file's terms: without the parts that only pydantic knows."""
    loc: Loc = tuple(error["loc"])
    if loc[:2] == _DEFAULT and len(loc) > 2 and loc[2] in _UNION_TAGS:
        loc = _DEFAULT + loc[3:]
    return loc[:-1] if loc and loc[-1] == "[key]" else loc


def finding_of(root: type[Section], error: ErrorDetails) -> Finding:
    """Put an error into words. Values are shown shortened; they have been cleared of keys before."""
    loc, kind = place_of(error), error["type"]
    if kind == "extra_forbidden":
        return Finding(loc, _unknown_key(root, loc))
    if kind == "literal_error":
        return Finding(loc, _not_a_choice(root, loc, error["input"]))
    if kind in _BOUNDS:
        template, name = _BOUNDS[kind]
        bound = error.get("ctx", {}).get(name)
        number = f"{bound:g}" if isinstance(bound, float) else str(bound)
        return Finding(loc, template.format(**{name: number}))
    return Finding(loc, _KINDS.get(kind, error["msg"]))


def _unknown_key(root: type[Section], loc: Loc) -> str:
    section = section_at(root, loc[:-1])
    known = [] if section is None else list(section.model_fields)
    return f"there is no such key{did_you_mean(loc[-1], known)}"


def _not_a_choice(root: type[Section], loc: Loc, value: object) -> str:
    field = field_at(root, loc[:-1] if isinstance(loc[-1], int) else loc)
    choices = [] if field is None else _literals(field.annotation)
    return f"{shown(value)!r} is not one of {', '.join(choices)}{did_you_mean(value, choices)}"


def _literals(annotation: object) -> list[str]:
    if get_origin(annotation) is Literal:
        return [str(value) for value in get_args(annotation)]
    return [word for argument in get_args(annotation) for word in _literals(argument)]
