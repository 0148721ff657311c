"""Plays the fault wall, prints it row by row, and writes docs/fault-wall.md and build/fault-wall.json.

With --gateway, the upstream part is played through another HTTP gateway instead, whose upstream must be the simulator
at the address that is printed; its rows are written to build/fault-wall-gateway.json.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace

# What broken connections make grpc say would bury the table.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from tests.fault.wall.gateway import PATHS, Gateway, run_gateway
from tests.fault.wall.playing import Row, play_all
from tests.fault.wall.report import (
    PAGE,
    RESULTS,
    page,
    read_results,
    stamp_of_now,
    write_results,
)
from tests.fault.wall.rows import SCENARIOS, WITHOUT
from tests.fault.wall.tally import Witness


def say(text: str) -> None:
    """Print a line now."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def told(row: Row, took_s: float) -> None:
    """Print a row."""
    mark = "FAIL" if row.fails else "ok  " if row.holds else "----"
    said = row.unplayed or row.detail
    say(f"{mark} {row.scenario:<20} {row.passed:>7}/{row.runs:<7} {took_s:7.1f} s  {said}")


def played_before(rows: Sequence[Row]) -> list[Row]:
    """The rows of the runs before, with these in place of theirs."""
    again = {row.scenario: row for row in rows}
    before = {row.scenario: row for row in read_results(RESULTS) if row.scenario in SCENARIOS}
    return list((before | again).values())


def arguments() -> argparse.Namespace:
    """Read the command line."""
    words = argparse.ArgumentParser(prog="python -m tests.fault.wall", description=__doc__)
    words.add_argument("--scale", type=float, default=1.0, help="how much of the whole is played")
    words.add_argument("--only", nargs="+", default=[], help="play these rows alone")
    words.add_argument(
        "--mixed", action="store_true", help="with --only: write the page, of rows of several runs"
    )
    words.add_argument("--gateway", help="the base URL of another gateway")
    words.add_argument("--dialect", choices=PATHS, default="messages", help="what it speaks")
    words.add_argument("--model", default="claude-haiku-4-5", help="the model to ask it for")
    words.add_argument("--key", default="any", help="the key that it takes")
    words.add_argument("--patience", type=float, default=60.0, help="its seconds for an answer")
    words.add_argument("--upstream", default="127.0.0.1:8480", help="where its upstream listens")
    return words.parse_args()


def through(given: argparse.Namespace) -> list[Row]:
    """Play another gateway."""
    host, _, port = given.upstream.rpartition(":")
    gateway = Gateway(given.gateway, given.dialect, given.model, given.key, given.patience)
    rows = run_gateway(gateway, host, int(port), say)
    for row in rows:
        told(row, 0.0)
    write_results(RESULTS.with_name("fault-wall-gateway.json"), rows)
    return rows


def played(given: argparse.Namespace) -> list[Row]:
    """Play the wall, or some rows of it; the page is written of one run, unless it is told to take those before."""
    stamp = stamp_of_now()
    chosen = [SCENARIOS[name] for name in given.only or SCENARIOS]
    rows = [replace(row, stamp=stamp) for row in play_all(chosen, Witness(), given.scale, told)]
    if given.scale < 1:
        write_results(RESULTS.with_name("fault-wall-slice.json"), rows)
        return rows
    whole = rows if not given.only else played_before(rows)
    write_results(RESULTS, whole)
    if given.only and not given.mixed:
        say(f"{PAGE.name} is left as it is: these are some rows (--mixed writes it all the same)")
    elif {row.scenario for row in whole} >= SCENARIOS.keys():
        PAGE.write_text(page(whole, SCENARIOS, WITHOUT), encoding="utf-8")
    else:
        say(f"{PAGE.name} is left as it is: not every row has been played")
    return rows


def main() -> int:
    """Play, and return 0 if every row holds."""
    given = arguments()
    if given.gateway:
        rows = through(given)
    else:
        unknown = set(given.only) - SCENARIOS.keys()
        if unknown:
            say(f"no such row: {', '.join(sorted(unknown))}; there are: {', '.join(SCENARIOS)}")
            return 2
        rows = played(given)
    held = sum(row.holds for row in rows)
    runs, passed = sum(row.runs for row in rows), sum(row.passed for row in rows)
    say(f"{held} of {len(rows)} rows hold; {passed:,} of {runs:,} runs passed")
    return 1 if any(row.fails for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
