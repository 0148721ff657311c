from __future__ import annotations

import numpy as np
import pytest

from tests.unit.measure.samples import outcomes
from tierwise_server.measure import metrics
from tierwise_server.measure.outcomes import Candidate, Outcomes, play
from tierwise_server.measure.ranking import ranking
from tierwise_server.measure.signals import calibration_error

NAN = float("nan")
TRIALS = 100


def sure(n: int, weak_right: int) -> Outcomes:
    """The weak tier is right on the first tasks and knows it; the strong one always is."""
    quality = np.ones((n, 2))
    quality[weak_right:, 0] = 0.0
    confidence = np.full((n, 2), NAN)
    confidence[:, 0] = np.where(quality[:, 0] == 1.0, 0.9, 0.2)
    return outcomes(quality, confidence=confidence)


def test_a_sure_signal_needs_exactly_the_tasks_it_doubts() -> None:
    found = ranking(sure(100, 60), None)
    assert found.apgr is not None
    # Two straight pieces: to 1 over the 40% that gain, and flat from there.
    assert found.apgr.value == pytest.approx(0.4 / 2 + 0.6)
    assert found.cpt["50%"].value == pytest.approx(0.2)
    assert found.cpt["80%"].value == pytest.approx(0.32)
    for interval in (found.apgr, *found.cpt.values()):
        assert interval.n == 100
        assert interval.low < interval.value < interval.high


def test_the_lift_of_a_row_that_climbs_only_where_it_pays() -> None:
    sample = sure(100, 60)
    played = play(sample, Candidate(sample.tiers, 0.9))
    found = ranking(sample, played)
    assert found.lift is not None
    # The row gains 0.4 for 0.5 + 0.4 x 10 more than the weak tier's 3; the strong one gains it for 7.
    assert found.lift.value == pytest.approx(7 / 4.5 - 1)
    assert found.lift.low < found.lift.value < found.lift.high
    assert found.aiq is not None
    assert 0.6 < found.aiq.low < found.aiq.value < found.aiq.high < 1.0


def test_without_a_gap_nothing_is_ranked() -> None:
    found = ranking(outcomes(np.ones((50, 2))), None)
    assert (found.apgr, found.cpt, found.aiq, found.lift) == (None, {}, None, None)


def test_the_interval_of_apgr_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)

    def drawn(n: int) -> Outcomes:
        score = rng.integers(1, 11, n) / 10
        confidence = np.full((n, 2), NAN)
        confidence[:, 0] = score
        weak, strong = rng.random(n) < 0.2 + 0.6 * score, rng.random(n) < 0.9
        return outcomes(np.stack([weak, strong], axis=1).astype(float), confidence=confidence)

    many = drawn(200_000)
    curve = metrics.routing_curve(
        1.0 - many.confidence[:, 0], many.quality[:, 0], many.quality[:, 1], bins=None
    )
    truth = metrics.apgr(curve)
    held = 0
    for _ in range(TRIALS):
        interval = ranking(drawn(150), None).apgr
        assert interval is not None
        held += interval.low <= truth <= interval.high
    assert held / TRIALS >= 0.88


@pytest.mark.parametrize(("n", "off"), [(60, 0.0), (30, 0.2), (60, 0.08), (200, 0.2)])
def test_the_interval_of_the_calibration_error_covers_as_often_as_it_says(
    n: int, off: float
) -> None:
    """Answers are that much less often right than is said. A perfect signal's error is 0, which no sample shows."""
    rng = np.random.default_rng(1)
    held, trials = 0, 100
    for _ in range(trials):
        said = rng.choice([0.25, 0.55, 0.75, 0.95], n)
        right = (rng.random(n) < said - off).astype(np.float64)
        interval = calibration_error(said, right)
        assert interval is not None
        assert interval.low <= interval.value <= interval.high
        held += interval.low <= off <= interval.high
    assert held / trials >= 0.95 - 3 * (0.05 * 0.95 / trials) ** 0.5
