"""How people's own words are drawn: as they are, in whatever alphabet, and no wider than there is room."""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Final

import matplotlib as mpl
from matplotlib import font_manager

_FONTS: Final = (
    "DejaVu Sans",
    "Noto Sans",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans SC",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "Droid Sans Fallback",
    "PingFang SC",
    "Hiragino Sans",
    "Microsoft YaHei",
    "Yu Gothic",
    "Malgun Gothic",
    "Arial Unicode MS",
)
"""Tried letter by letter, as far as they are installed; the first ships with matplotlib."""

_BREAKS: Final = (" ", "_-./:")
"""After which letters a line is broken, the better ones first."""


@contextmanager
def lettering() -> Iterator[None]:
    """Draw within this: no word is taken for a formula, and letters come from any font that has them.

    SVG pictures keep words as words, so that a browser draws what no font here can. Nothing is said of letters that
    no font has: the page names everything in its own text.
    """
    with warnings.catch_warnings(), mpl.rc_context():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        mpl.rcParams["text.parse_math"] = False
        mpl.rcParams["font.family"] = [*_installed(), "sans-serif"]
        mpl.rcParams["svg.fonttype"] = "none"
        mpl.rcParams["svg.hashsalt"] = "tierwise"
        yield


@cache
def _installed() -> tuple[str, ...]:
    """The fonts to try that are there; matplotlib complains of each that is not."""
    there = {font.name for font in font_manager.fontManager.ttflist}
    return tuple(name for name in _FONTS if name in there)


def wrapped(text: str, columns: int, lines: int = 3) -> str:
    """The text in lines of at most so many columns, broken between words where it can be; what is left over is cut.

    East Asian letters take two columns, and combining marks none.
    """
    found: list[str] = []
    rest = text
    while rest and len(found) < lines:
        line = _line(rest, columns)
        found.append(line.rstrip())
        rest = rest[len(line) :].lstrip()
    if rest:
        kept = found[-1]
        while _columns(kept) >= columns:
            kept = kept[:-1]
        found[-1] = kept + "…"
    return "\n".join(found)


def _line(text: str, columns: int) -> str:
    """The first line of the text: up to the last break that fits, or cut in a word where there is none."""
    end = 0
    while end < len(text) and _columns(text[: end + 1]) <= columns:
        end += 1
    if end == len(text):
        return text
    for marks in _BREAKS:
        broken = max(text.rfind(mark, 0, end) for mark in marks) + 1
        if broken > columns // 3:
            return text[:broken]
    return text[: max(1, end)]


def _columns(text: str) -> int:
    return sum(_width(letter) for letter in text)


def _width(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1
