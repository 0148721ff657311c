"""Rows of a benchmark: a value, the spread over the rounds of one run, a reference and a goal."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

BUILD = Path("build/bench")


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: the median of the rounds, their lowest and highest, and what to compare it with."""

    name: str
    value: float
    low: float
    high: float
    unit: str
    reference: str = ""
    goal: str = ""


def row(
    name: str, rounds: Sequence[float], unit: str, *, reference: str = "", goal: str = ""
) -> Row:
    """Make a row of what each round gave."""
    return Row(name, statistics.median(rounds), min(rounds), max(rounds), unit, reference, goal)


def publish(rows: Sequence[Row], file: str) -> None:
    """Print the rows and write them to `build/bench/FILE`."""
    width = max(len(each.name) for each in rows)
    for each in rows:
        spread = f"[{each.low:.4g} .. {each.high:.4g}]"
        goal = f"  goal {each.goal}" if each.goal else ""
        reference = f"  ({each.reference})" if each.reference else ""
        print(f"{each.name:<{width}}  {each.value:>9.4g} {each.unit:<10} {spread}{goal}{reference}")
    BUILD.mkdir(parents=True, exist_ok=True)
    (BUILD / file).write_text(json.dumps([asdict(each) for each in rows], indent=1) + "\n")
