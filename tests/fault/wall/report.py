"""Writes what came of the wall: a page for people, a file for programs."""

from __future__ import annotations

import datetime
import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from tests.fault.wall.catalogue import FAULTS, Scenario
from tests.fault.wall.playing import Row, Stamp
from tests.house.tree import ROOT

_PATH: Final = "docs/fault-wall.md"
PAGE: Final = ROOT / _PATH
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


def stamp_of_now() -> Stamp:
    """The commit that is checked out, marked where files differ from it, and the time."""
    commit = _git("rev-parse", "--short=12", "HEAD")
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", f":!{_PATH}")
    now = datetime.datetime.now(datetime.UTC)
    return Stamp(f"{commit} with changes" if changed else commit, f"{now:%Y-%m-%d %H:%M} UTC")


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def write_results(path: Path, rows: Sequence[Row]) -> None:
    """Write rows as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    told = [{**asdict(row), **asdict(row.stamp)} for row in rows]
    for row in told:
        del row["stamp"]
    path.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_results(path: Path) -> list[Row]:
    """Read rows that were written; none where there is no file."""
    if not path.exists():
        return []
    rows = []
    for told in json.loads(path.read_text(encoding="utf-8")):
        stamp = {name: told.pop(name) for name in ("commit", "played_at") if name in told}
        rows.append(Row(**told, stamp=Stamp(**stamp)))
    return rows


def page(rows: Sequence[Row], scenarios: Mapping[str, Scenario], without: Mapping[str, str]) -> str:
    """The page, as Markdown. The latest of its runs is its own; rows of others say so."""
    runs, passed = sum(row.runs for row in rows), sum(row.passed for row in rows)
    held, unplayed = sum(row.holds for row in rows), sum(bool(row.unplayed) for row in rows)
    own = max((row.stamp for row in rows), key=lambda stamp: stamp.played_at)
    count = f"{held} of {len(rows)} rows hold" + (f", {unplayed} not played" if unplayed else "")
    parts = [
        _HEAD,
        f"**{count}; {passed:,} of {runs:,} runs passed.** Played at {own}.\n",
        _FEW,
        "| row | fault | what must hold | runs | passed | measured |\n",
        "|---|---|---|---|---|---|\n",
    ]
    parts += [_line(row, scenarios[row.scenario], own) for row in sorted(rows, key=_place)]
    if without:
        parts += ["\n## Rows without a scenario\n\n", "| row | fault | why |\n|---|---|---|\n"]
        parts += [f"| {name} | {FAULTS[name]} | {why} |\n" for name, why in without.items()]
    return "".join(parts)


def _place(row: Row) -> int:
    """By the catalogue; what has a name of its own comes after it."""
    return list(FAULTS).index(row.scenario) if row.scenario in FAULTS else len(FAULTS)


def _line(row: Row, scenario: Scenario, own: Stamp) -> str:
    fault = FAULTS.get(row.scenario, "")
    said = f"NOT PLAYED: {row.unplayed}" if row.unplayed else row.detail
    if row.stamp != own:
        said = "; ".join(filter(None, [said, f"of another run: {row.stamp}"]))
    cells = (row.scenario, fault, scenario.required, f"{row.runs:,}", f"{row.passed:,}", said)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"
