"""Plays the wall, scenario by scenario."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.fault.wall.catalogue import Scenario
from tests.fault.wall.tally import Tally, Witness
from tierwise_server.telemetry import configure_logging


@dataclass(frozen=True, slots=True)
class Stamp:
    """Of which run a row is: the commit that was played, and when, in UTC."""

    commit: str = "unknown"
    played_at: str = "unknown"

    def __str__(self) -> str:
        return f"commit {self.commit}, {self.played_at}"


@dataclass(frozen=True, slots=True)
class Row:
    """What became of a scenario.

    Attributes:
        detail: what was measured, or the first failure.
        unplayed: why it was not played, such as a program that is missing; empty where it was.
        stamp: of which run it is.
    """

    scenario: str
    runs: int
    passed: int
    detail: str
    unplayed: str = ""
    stamp: Stamp = Stamp()

    @property
    def holds(self) -> bool:
        """Whether every run passed, of one at least."""
        return self.passed == self.runs > 0

    @property
    def fails(self) -> bool:
        """Whether it was to hold and does not; one without a run has to say why."""
        return not self.holds and not self.unplayed


@contextmanager
def listening(witness: Witness) -> Iterator[None]:
    """Have the servers of this process log at their loudest to a witness."""
    logging = configure_logging("debug", stream=witness.log)
    try:
        yield
    finally:
        logging.close()


def play(scenario: Scenario, witness: Witness, scale: float) -> Row:
    """Play one scenario in an event loop of its own."""
    tally = Tally(witness, scale, seed=zlib.crc32(scenario.name.encode()))
    with listening(witness):
        try:
            with tally.run("the scenario itself"):
                asyncio.run(_played(scenario, tally))
        except pytest.skip.Exception as skipped:
            return Row(scenario.name, 0, 0, "", unplayed=str(skipped))
        witness.search_log()
    # The run around all runs counts only where it failed.
    if not tally.failures or not tally.failures[-1].startswith("the scenario itself"):
        tally.runs, tally.passed = tally.runs - 1, tally.passed - 1
    detail = tally.detail
    if tally.failures:
        detail = "; ".join([f"FAILED {tally.failures[0]}", *filter(None, [detail])])
    return Row(scenario.name, tally.runs, tally.passed, detail)


async def _played(scenario: Scenario, tally: Tally) -> None:
    # A coroutine function may be any awaitable's maker; asyncio.run wants a coroutine.
    await scenario.play(tally)


def play_all(
    scenarios: Iterable[Scenario],
    witness: Witness,
    scale: float,
    told: Callable[[Row, float], None],
) -> list[Row]:
    """Play scenarios one after the other; `told` hears of each, with its seconds."""
    rows = []
    for scenario in scenarios:
        began = time.monotonic()
        rows.append(play(scenario, witness, scale))
        told(rows[-1], time.monotonic() - began)
    return rows
