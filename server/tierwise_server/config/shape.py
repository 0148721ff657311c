"""Walks the sections by their types: which keys a table has, and what a key holds."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from typing import Any

from tierwise_server.config.findings import Loc
from tierwise_server.config.sections import Section

if typing.TYPE_CHECKING:
    from pydantic.fields import FieldInfo


def section_at(root: type[Section], loc: Loc) -> type[Section] | None:
    """The section at a place; None where there is a plain value or nothing known."""
    section: type[Section] | None = root
    names_entries = False
    for part in loc:
        if isinstance(part, int):
            continue
        if names_entries:
            names_entries = False
            continue
        field = None if section is None else section.model_fields.get(part)
        if field is None:
            return None
        section = next(sections_in(field.annotation), None)
        names_entries = any(typing.get_origin(a) is dict for a in _alternatives(field.annotation))
    return None if names_entries else section


def field_at(root: type[Section], loc: Loc) -> FieldInfo | None:
    """The key at a place."""
    section = section_at(root, loc[:-1])
    return None if section is None else section.model_fields.get(str(loc[-1]))


def sections_in(annotation: Any) -> Iterator[type[Section]]:
    """Every section that a type mentions."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from sections_in(argument)


def kinds(annotation: Any) -> set[Any]:
    """The plain types that a type allows, such as `{bool, NoneType}`; a tuple of anything is `tuple`."""
    found: set[Any] = set()
    for alternative in _alternatives(annotation):
        origin = typing.get_origin(alternative)
        if origin is typing.Literal:
            found |= {type(value) for value in typing.get_args(alternative)}
        else:
            found.add(origin or alternative)
    return found


def _alternatives(annotation: Any) -> Iterator[Any]:
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        yield from _alternatives(typing.get_args(annotation)[0])
    elif origin in (typing.Union, types.UnionType):
        for argument in typing.get_args(annotation):
            yield from _alternatives(argument)
    else:
        yield annotation
