"""The PGR of a table and its interval."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.measure.samples import drawn_pair, outcomes
from tierwise_server.measure.outcomes import Candidate
from tierwise_server.measure.recovered import recovered

WEAK, STRONG = Candidate(("frontier",)), Candidate(("reasoning",))
CASCADE = Candidate(("frontier", "reasoning"), 0.75)


def test_the_tiers_themselves_recover_nothing_and_all() -> None:
    raw = outcomes([[0, 1], [0, 1], [0, 1], [1, 1], [0, 1]])
    nothing, everything = recovered([(raw, WEAK)]), recovered([(raw, STRONG)])
    assert nothing is not None
    assert everything is not None
    assert (nothing.value, nothing.low, nothing.high) == (0, 0, 0)
    assert (everything.value, everything.n) == (1, 5)
    assert everything.low == pytest.approx(1)
    assert everything.high == pytest.approx(1)


def test_fiellers_limits_are_those_worked_out_by_hand() -> None:
    """Gains (1, 0, 0, 0), gaps (1, 1, 1, 0): a ratio of 1/3; t = 3.18245 with 3 degrees of freedom, but 80% here.

    Means 1/4 and 3/4; variances of means 1/16, 1/16, covariance 1/48; t(0.9, 3) = 1.637744, squared 2.682206.
    0.394862 R^2 - 2 * 0.131621 R - 0.105138 = 0.
    """
    raw = outcomes(
        [[0, 1], [0, 1], [0, 1], [0, 0]], confidence=[[0.1, np.nan], *[[0.9, np.nan]] * 3]
    )
    found = recovered([(raw, CASCADE)], confidence=0.8)
    assert found is not None
    assert found.value == pytest.approx(1 / 3)
    assert found.low == pytest.approx(-0.280974, abs=1e-5)
    assert found.high == pytest.approx(0.947643, abs=1e-5)


def test_without_a_gap_there_is_nothing_to_recover() -> None:
    alike = outcomes([[1, 1], [0, 1], [1, 0], [0, 0]])
    assert recovered([(alike, CASCADE)]) is None
    doubtful = outcomes([[1, 0], [0, 1], [0, 1], [0, 0]])
    assert recovered([(doubtful, STRONG)]) is None


def test_types_of_one_task_are_taken_together() -> None:
    rows = [(outcomes([[0, 1]], task_type=str(n)), STRONG if n % 2 else WEAK) for n in range(20)]
    found = recovered(rows)
    assert found is not None
    assert found.value == 0.5
    assert 0.2 < found.low < 0.5 < found.high < 0.8


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """Two task types; a third of the tasks goes up at random, which recovers a third of any gap."""
    rng, held = np.random.default_rng(5), []
    for _ in range(600):
        rows = [
            (drawn_pair(rng, n, weak=weak, strong=0.9, telling=False, task_type=str(n)), CASCADE)
            for n, weak in ((40, 0.5), (25, 0.3))
        ]
        found = recovered(rows)
        assert found is not None
        held.append(found.low <= 1 / 3 <= found.high)
    # Three standard errors below 95%.
    assert np.mean(held) > 0.923, np.mean(held)
