"""Finds the lines of keys and tables in a TOML text, which the standard parser does not tell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from tierwise_server.config.findings import Loc

_PART: Final = r"""(?:[A-Za-z0-9_-]+|"[^"\\]*"|'[^']*')"""
_DOTTED: Final = rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*"
_TABLE: Final = re.compile(rf"[ \t]*(\[\[?)[ \t]*({_DOTTED})[ \t]*\]\]?[ \t]*(?:#.*)?")
_KEY: Final = re.compile(rf"[ \t]*({_DOTTED})[ \t]*=")
_ONE_PART: Final = re.compile(_PART)
_MULTILINE: Final = ('"""', "'''")


def line_numbers(text: str) -> dict[Loc, int]:
    """Map places to lines, from 1. A place that is not certain is left out, never guessed."""
    table: Loc = ()
    entries: dict[Loc, int] = {}
    found: dict[Loc, int] = {}
    doubtful: set[Loc] = set()
    for number, line in _statements(text):
        header = _TABLE.fullmatch(line)
        key = None if header else _KEY.match(line)
        if header:
            table = _inside(_parts(header[2]), entries)
            if header[1] == "[[":
                entries[table] = entries.get(table, -1) + 1
                table = (*table, entries[table])
            place = table
        elif key:
            place = (*table, *_parts(key[1]))
        else:
            continue
        if place in found:
            doubtful.add(place)
        found.setdefault(place, number)
    return {place: number for place, number in found.items() if place not in doubtful}


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines that can begin a key or a table, skipping the insides of multi-line strings."""
    closing = ""
    for number, line in enumerate(text.split("\n"), 1):
        if closing:
            if closing in line:
                closing = ""
            continue
        yield number, line.rstrip("\r")
        for quotes in _MULTILINE:
            if line.count(quotes) % 2:
                closing = quotes
                break


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _ONE_PART.findall(dotted))


def _inside(parts: tuple[str, ...], entries: dict[Loc, int]) -> Loc:
    """Place a table inside the last entry of every list of tables on its way."""
    place: Loc = ()
    for index, part in enumerate(parts):
        place = (*place, part)
        if index < len(parts) - 1 and place in entries:
            place = (*place, entries[place])
    return place
