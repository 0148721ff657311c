"""The fault wall in small: every scenario once or a few times, no row of the catalogue forgotten, and its page true."""

from __future__ import annotations

import pytest

from tests.fault.relays import PATIENCE_S, relaying
from tests.fault.wall.gateway import PATHS, Gateway, faults, play_gateway
from tests.fault.wall.playing import Row, play
from tests.fault.wall.report import PAGE, page
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


@pytest.mark.fault
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_slice_of_the_wall_holds(name: str) -> None:
    row = play(SCENARIOS[name], Witness(), SLICE)
    if row.detail.startswith("not played"):
        pytest.skip(row.detail)
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
