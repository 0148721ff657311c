"""The fault wall in small: every scenario once or a few times, no row of the catalogue forgotten, and its page true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.fault.relays import PATIENCE_S, relaying
from tests.fault.wall.catalogue import Scenario
from tests.fault.wall.gateway import PATHS, Gateway, faults, play_gateway
from tests.fault.wall.playing import Row, Stamp, play
from tests.fault.wall.report import PAGE, page, read_results, stamp_of_now, write_results
from tests.fault.wall.rows import FAULTS, SCENARIOS, WITHOUT
from tests.fault.wall.tally import Tally, Witness
from tierwise_server.simulator import Simulator

SLICE = 0.005
BREAKING = {"error event", "broken off: cut", "broken off: end", "broken off: reset", "stall"}


def test_no_row_of_the_catalogue_is_forgotten() -> None:
    assert list(FAULTS) == [f"F{number}" for number in range(1, 74)]
    assert {*SCENARIOS, *WITHOUT} >= FAULTS.keys()
    assert not SCENARIOS.keys() & WITHOUT.keys()
    assert WITHOUT.keys() <= FAULTS.keys()
    assert all(WITHOUT.values())


def test_the_page_has_every_row_and_no_other() -> None:
    told = PAGE.read_text(encoding="utf-8")
    rows = [line.split(" | ")[0].removeprefix("| ") for line in told.splitlines() if " | " in line]
    assert sorted(row for row in rows if row != "row") == sorted([*SCENARIOS, *WITHOUT])


def test_the_page_tells_of_what_failed() -> None:
    rows = [Row("F1", 20, 19, "FAILED run 3: a | b"), Row("F2", 20, 20, "")]
    told = page(rows, SCENARIOS, WITHOUT)
    assert "**1 of 2 rows hold; 39 of 40 runs passed.**" in told
    assert "FAILED run 3: a \\| b" in told


def test_a_row_without_a_run_does_not_hold_and_must_say_why() -> None:
    silent, missing = Row("F1", 0, 0, ""), Row("F2", 0, 0, "", unplayed="no Go here")
    assert (silent.holds, silent.fails) == (False, True)
    assert (missing.holds, missing.fails) == (False, False)
    told = page([silent, missing, Row("F3", 2, 2, "")], SCENARIOS, WITHOUT)
    assert "**1 of 3 rows hold, 1 not played; 2 of 2 runs passed.**" in told
    assert "| 0 | 0 | NOT PLAYED: no Go here |" in told


async def nothing(_: Tally) -> None:
    """Play no run."""


async def missing(_: Tally) -> None:
    """Find out that it cannot be played."""
    pytest.skip("no Go here")


def test_a_scenario_that_plays_nothing_fails_and_one_that_cannot_be_played_says_why() -> None:
    assert play(Scenario("F1", "", nothing), Witness(), 1.0).fails
    assert play(Scenario("F1", "", missing), Witness(), 1.0).unplayed == "no Go here"


def test_a_row_of_another_run_than_the_pages_own_says_so(tmp_path: Path) -> None:
    earlier = Stamp("abc", "2026-11-23 09:00 UTC")
    own = Stamp("def with changes", "2026-11-24 09:00 UTC")
    rows = [Row("F1", 2, 2, "told", stamp=earlier), Row("F2", 2, 2, "", stamp=own)]
    write_results(tmp_path / "rows.json", rows)
    assert read_results(tmp_path / "rows.json") == rows
    lines = page(rows, SCENARIOS, WITHOUT).splitlines()
    assert any(f"Played at {own}." in line for line in lines)
    assert [line for line in lines if "of another run" in line] == [
        line for line in lines if line.endswith(f"| told; of another run: {earlier} |")
    ]


def test_a_run_is_stamped_with_its_commit_and_its_time() -> None:
    stamp = stamp_of_now()
    assert re.fullmatch(r"([0-9a-f]{12}( with changes)?|unknown.*)", stamp.commit)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", stamp.played_at)


@pytest.mark.fault
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_slice_of_the_wall_holds(name: str) -> None:
    row = play(SCENARIOS[name], Witness(), SLICE)
    if row.unplayed:
        pytest.skip(row.unplayed)
    assert row.holds, row.detail
    assert row.runs > 0


def test_a_run_that_fails_is_counted_and_told() -> None:
    tally = Tally(Witness())
    with tally.run("this one"):
        assert tally.runs == 0, "as expected"
    with tally.run("the other"):
        pass
    assert (tally.runs, tally.passed) == (2, 1)
    assert tally.failures[0].startswith("this one: AssertionError as expected")


async def played(dialect: str, *, honest: bool) -> dict[str, Row]:
    async with (
        Simulator() as simulator,
        relaying(simulator, dialect, honest=honest) as url,
    ):
        gateway = Gateway(url, dialect, patience_s=20 * PATIENCE_S)
        return {row.scenario: row for row in await play_gateway(gateway, simulator)}


@pytest.mark.fault
@pytest.mark.parametrize("dialect", PATHS)
async def test_a_gateway_that_tells_what_happened_passes(dialect: str) -> None:
    rows = await played(dialect, honest=True)
    assert rows.keys() == {"a whole answer", *(row for row, _ in faults())}
    assert not {name: row.detail for name, row in rows.items() if not row.holds}


@pytest.mark.fault
@pytest.mark.parametrize("dialect", PATHS)
async def test_a_gateway_that_passes_half_answers_off_as_whole_is_found_out(dialect: str) -> None:
    rows = await played(dialect, honest=False)
    assert rows["a whole answer"].holds
    assert rows["status 529"].passed == 0
    for name in BREAKING:
        assert rows[name].passed < rows[name].runs
        assert "claims to be whole" in rows[name].detail
