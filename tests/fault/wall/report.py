"""Writes what came of the wall: a page for people, a file for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.fault.wall.catalogue import FAULTS, Scenario
from tests.fault.wall.playing import Row
from tests.house.tree import ROOT

PAGE: Final = ROOT / "docs" / "fault-wall.md"
RESULTS: Final = ROOT / "build" / "fault-wall.json"

_HEAD: Final = """# The fault wall

What tierwise does under each fault of its catalogue, played against the real server over real sockets, with the
[simulator](guides/simulator.md) behind it. This page is written by `make fault-wall` from what the run measured; nobody
edits it. What the behaviour is for a caller is told in [the guide on reliability](guides/reliability.md).

A run is one fault in one server, begun anew unless the row says otherwise. A server of the wall has one place for
everything, so whatever leaks stands in the way of the next call. A run passes when the status, its reason, the bill and
the number of calls to the provider are as the row requires, and when the next good call is answered afterwards.

"""

_FEW: Final = """
No failure in n runs says that the rate of failures is below 3/n, with 95% confidence: 0.15 for 20 runs, 0.00003 for
100,000. Times are of one machine of two cores, with server, caller and simulator on it.

"""


def write(
    rows: Sequence[Row], scenarios: Mapping[str, Scenario], without: Mapping[str, str]
) -> None:
    """Write both."""
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    write_results(RESULTS, rows)
    PAGE.write_text(page(rows, scenarios, without), encoding="utf-8")


def write_results(path: Path, rows: Sequence[Row]) -> None:
    """Write rows as JSON."""
    told = [
        {"scenario": r.scenario, "runs": r.runs, "passed": r.passed, "detail": r.detail}
        for r in rows
    ]
    path.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_results(path: Path) -> list[Row]:
    """Read rows that were written; none where there is no file."""
    if not path.exists():
        return []
    told = json.loads(path.read_text(encoding="utf-8"))
    return [Row(**row) for row in told]


def page(rows: Sequence[Row], scenarios: Mapping[str, Scenario], without: Mapping[str, str]) -> str:
    """The page, as Markdown."""
    runs, passed = sum(row.runs for row in rows), sum(row.passed for row in rows)
    held = sum(row.holds for row in rows)
    parts = [
        _HEAD,
        f"**{held} of {len(rows)} rows hold; {passed:,} of {runs:,} runs passed.**\n",
        _FEW,
        "| row | fault | what must hold | runs | passed | measured |\n",
        "|---|---|---|---|---|---|\n",
    ]
    parts += [_line(row, scenarios[row.scenario]) for row in sorted(rows, key=_place)]
    if without:
        parts += ["\n## Rows without a scenario\n\n", "| row | fault | why |\n|---|---|---|\n"]
        parts += [f"| {name} | {FAULTS[name]} | {why} |\n" for name, why in without.items()]
    return "".join(parts)


def _place(row: Row) -> int:
    """By the catalogue; what has a name of its own comes after it."""
    return list(FAULTS).index(row.scenario) if row.scenario in FAULTS else len(FAULTS)


def _line(row: Row, scenario: Scenario) -> str:
    fault = FAULTS.get(row.scenario, "")
    cells = (row.scenario, fault, scenario.required, f"{row.runs:,}", f"{row.passed:,}", row.detail)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"
