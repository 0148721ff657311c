"""From decoded TOML to a section, with every fault at once.

What cannot be read is taken out and the rest is read again, so that one mistake does not hide the next.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from pydantic import ValidationError

from tierwise_server.config.findings import Finding, Loc, Places
from tierwise_server.config.sections import Section
from tierwise_server.config.translate import finding_of

_GONE: Final = object()

_Section = TypeVar("_Section", bound=Section)


@dataclass(frozen=True)
class Parsed(Generic[_Section]):
    """What could be read.

    Attributes:
        section: the rest, without what is faulty; None when a key that must be there is missing at the top.
        findings: what is faulty.
        removed: the places taken out, as they were in the input.
        kept: for lists that lost entries, the original positions of the others.
    """

    section: _Section | None
    findings: tuple[Finding, ...]
    removed: frozenset[Loc]
    kept: dict[Loc, tuple[int, ...]]


def parse(kind: type[_Section], raw: dict[str, Any]) -> Parsed[_Section]:
    """Read a section. `raw` is left as it is."""
    left = copy.deepcopy(raw)
    findings: list[Finding] = []
    removed: set[Loc] = set()
    while True:
        kept: dict[Loc, tuple[int, ...]] = {}
        try:
            section = kind.model_validate(_without_gaps(left, (), kept))
        except ValidationError as error:
            places = Places(kept=kept)
            for detail in error.errors(include_url=False):
                found = finding_of(kind, detail)
                loc = places.original(found.loc)
                findings.append(Finding(loc, found.message))
                removed.add(_take_out(left, loc[:-1] if detail["type"] == "missing" else loc))
            if () in removed:
                return Parsed(None, _first_causes(findings), frozenset(removed), kept)
        else:
            return Parsed(section, _first_causes(findings), frozenset(removed), kept)


def _first_causes(findings: list[Finding]) -> tuple[Finding, ...]:
    """Leave out what only follows from another finding: a key that is missing since it was taken out, and the like."""
    return tuple(
        found
        for index, found in enumerate(findings)
        if not any(found.loc == other.loc for other in findings[:index])
        and not any(found.loc == other.loc[: len(found.loc)] != other.loc for other in findings)
    )


def _take_out(raw: dict[str, Any], loc: Loc) -> Loc:
    """Take out the smallest thing around a place that can be missing: a key, or an entry of a list of tables."""
    while loc:
        holder = _holder(raw, loc)
        last = loc[-1]
        if isinstance(holder, dict) and last in holder:
            del holder[last]
            return loc
        if isinstance(holder, list) and isinstance(last, int) and _holds_tables(holder):
            holder[last] = _GONE
            return loc
        loc = loc[:-1]
    return loc


def _holder(raw: Any, loc: Loc) -> Any:
    holder = raw
    for part in loc[:-1]:
        try:
            holder = holder[part]
        except (LookupError, TypeError):
            return None
    return holder


def _holds_tables(items: list[Any]) -> bool:
    return any(isinstance(item, dict) or item is _GONE for item in items)


def _without_gaps(value: Any, loc: Loc, kept: dict[Loc, tuple[int, ...]]) -> Any:
    if isinstance(value, dict):
        return {key: _without_gaps(item, (*loc, key), kept) for key, item in value.items()}
    if not isinstance(value, list):
        return value
    left = tuple(index for index, item in enumerate(value) if item is not _GONE)
    if len(left) < len(value):
        kept[loc] = left
    return [_without_gaps(value[index], (*loc, place), kept) for place, index in enumerate(left)]
