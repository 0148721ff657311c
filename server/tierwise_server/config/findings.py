"""What a look at a configuration finds, and how a place in it is named."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from tierwise_server.errors import Fault

Loc = tuple[str | int, ...]
"""A place in the file: table and key names, and positions in lists."""

_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SHOWN_CHARACTERS: Final = 60


@dataclass(frozen=True, slots=True)
class ConfigWarning:
    """Something that works but is probably not wanted: where it stands, and what is doubtful about it."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault, or with `grave` off a warning, before its place is put into words."""

    loc: Loc
    message: str
    grave: bool = True


def path_of(loc: Loc) -> str:
    """Name a place as TOML people do: `routing.rows[2].cascade[1]`."""
    path = ""
    for part in loc:
        if isinstance(part, int):
            path += f"[{part}]"
            continue
        name = part if _BARE_KEY.fullmatch(part) else f'"{shown(part)}"'
        path += f".{name}" if path else name
    return path


def shown(value: object) -> str:
    """Show a value on one short line, so that nothing in a file can garble a terminal or a log."""
    text = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", str(value))
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """Suggest the closest known word, as the end of a sentence; empty when none is close."""
    close = difflib.get_close_matches(str(word)[:200], list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def known_names(word: object, known: Iterable[str]) -> str:
    """Suggest the closest known word, or else tell all of them, as the end of a sentence."""
    names = list(known)
    return did_you_mean(word, names) or f"; there is {', '.join(names) or 'none'}"


@dataclass(frozen=True)
class Places:
    """Where the values of one configuration come from.

    Attributes:
        lines: the line of a place in the file, from 1, where it is known.
        variables: the environment variable that set a place.
        kept: for lists that lost faulty items, the original positions of the remaining ones.
    """

    lines: Mapping[Loc, int] = field(default_factory=dict)
    variables: Mapping[Loc, str] = field(default_factory=dict)
    kept: Mapping[Loc, tuple[int, ...]] = field(default_factory=dict)

    def original(self, loc: Loc) -> Loc:
        """Translate a place in the cleaned configuration into the place in the file."""
        found: Loc = ()
        for index, part in enumerate(loc):
            kept = self.kept.get(loc[:index])
            found += (kept[part] if kept is not None and isinstance(part, int) else part,)
        return found

    def line(self, loc: Loc) -> int | None:
        """The line of a place, or of the nearest place around it."""
        for end in range(len(loc), 0, -1):
            if loc[:end] in self.lines:
                return self.lines[loc[:end]]
        return None

    def order(self, finding: Finding) -> tuple[float, list[tuple[int, str]], str]:
        """Sort findings by their line; what has none, such as an environment variable, comes last."""
        variable = self.variables.get(finding.loc)
        if variable is not None:
            return math.inf, [(-1, variable)], finding.message
        line = self.line(finding.loc)
        place = [(part, "") if isinstance(part, int) else (-1, part) for part in finding.loc]
        return math.inf if line is None else line, place, finding.message

    def words(self, finding: Finding) -> tuple[str, str]:
        """Put a finding into path and message: the variable's name or the path, with the line behind the message."""
        if finding.loc in self.variables:
            return shown(self.variables[finding.loc]), finding.message
        line = self.line(finding.loc)
        where = "" if line is None else f" (line {line})"
        return path_of(finding.loc), finding.message + where

    def faults(self, findings: Iterable[Finding]) -> tuple[Fault, ...]:
        """The grave findings, in file order, each once."""
        grave = sorted({f for f in findings if f.grave}, key=self.order)
        return tuple(Fault(*self.words(finding)) for finding in grave)

    def warnings(self, findings: Iterable[Finding]) -> tuple[ConfigWarning, ...]:
        """The other findings, in file order, each once."""
        mild = sorted({f for f in findings if not f.grave}, key=self.order)
        return tuple(ConfigWarning(*self.words(finding)) for finding in mild)
