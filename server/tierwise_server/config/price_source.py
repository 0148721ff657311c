"""Finds the prices that hold: a shipped book or the user's own, with single prices over it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tierwise_server.config import shipped
from tierwise_server.config.findings import Finding, Loc, Places, known_names, path_of, shown
from tierwise_server.config.layers import PriceFile, PriceSettings
from tierwise_server.config.lines import line_numbers
from tierwise_server.config.parse import parse
from tierwise_server.config.pricing import DatedBook, dated_book, with_own_prices
from tierwise_server.config.toml import read_toml
from tierwise_server.core.prices import PriceBook

_PRICES: Loc = ("prices",)


@dataclass(frozen=True, slots=True)
class PricesRead:
    """What became of the prices. Without a book, the findings say why.

    Attributes:
        dated: the book before single prices.
        book: the book that holds.
        findings: what is wrong with them.
    """

    dated: DatedBook | None
    book: PriceBook | None
    findings: tuple[Finding, ...]


def read_prices(settings: PriceSettings, profile_book: str) -> PricesRead:
    """Read the prices: the file's own book, else the shipped one; `profile_book` is the profile's."""
    if settings.file is not None:
        dated, findings = _own_book(settings.file)
        if settings.book is not None:
            message = "stands beside prices.file; keep one of them"
            findings = (*findings, Finding((*_PRICES, "book"), message))
    else:
        dated, findings = _shipped_book(settings.book or profile_book)
    if dated is None:
        return PricesRead(None, None, findings)
    book, own = with_own_prices(dated, settings.models or {})
    own = tuple(replace(finding, loc=_PRICES + finding.loc) for finding in own)
    return PricesRead(dated, book, (*findings, *own))


def _shipped_book(name: str) -> tuple[DatedBook | None, tuple[Finding, ...]]:
    if name in shipped.PRICE_BOOKS:
        return shipped.price_book(name), ()
    message = f"there is no price book {shown(name)!r}{known_names(name, shipped.PRICE_BOOKS)}"
    return None, (Finding((*_PRICES, "book"), message),)


def _own_book(path: Path) -> tuple[DatedBook | None, tuple[Finding, ...]]:
    place = (*_PRICES, "file")
    try:
        text, raw = read_toml(path)
    except ValueError as error:
        return None, (Finding(place, str(error)),)
    parsed = parse(PriceFile, raw)
    dated, findings = (None, ()) if parsed.section is None else dated_book(parsed.section)
    whole = [f for f in findings if not any(gone[: len(f.loc)] == f.loc for gone in parsed.removed)]
    lines = line_numbers(text)
    return dated, tuple(_inside(place, found, lines) for found in (*parsed.findings, *whole))


def _inside(place: Loc, finding: Finding, lines: Mapping[Loc, int]) -> Finding:
    """Tell of a fault inside another file at the place that names the file."""
    line, path = Places(lines).line(finding.loc), path_of(finding.loc)
    where = path if line is None else f"in its line {line}, {path}"
    return Finding(place, f"{where}: {finding.message}")
