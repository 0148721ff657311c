from __future__ import annotations

import numpy as np
import pytest

from tests.unit.measure.samples import drawn_pair, outcomes
from tierwise_server.measure.certification import (
    MOST_THRESHOLDS,
    Tolerance,
    certify,
    chains,
    tasks_needed,
    thresholds,
)
from tierwise_server.measure.outcomes import Candidate, Outcomes, UnusableSample

NAN = float("nan")
ALONE = Candidate(("frontier",))


def harmless(n: int, harmed: int = 0) -> Outcomes:
    """A frontier tier that is as good as the strongest but for some tasks; no confidence was asked."""
    return outcomes([[0.0, 1.0]] * harmed + [[1.0, 1.0]] * (n - harmed))


def test_thresholds_are_the_confidences_seen_highest_first() -> None:
    sample = outcomes([[1.0, 1.0]] * 4, confidence=[[0.7, NAN], [0.9, NAN], [0.7, NAN], [NAN, NAN]])
    assert thresholds(sample, "frontier") == (0.9, 0.7)
    assert thresholds(sample, "reasoning") == ()


def test_thresholds_of_a_continuous_signal_are_quantiles_that_accept_what_they_were_cut_at() -> (
    None
):
    said = np.stack([np.random.default_rng(0).random(500), np.full(500, NAN)], axis=1)
    sample = outcomes(np.ones((500, 2)), confidence=said)
    cuts = thresholds(sample, "frontier")
    assert len(cuts) == MOST_THRESHOLDS
    assert cuts[-1] <= said[:, 0].min()
    assert np.mean(said[:, 0] >= cuts[0]) >= 1 / 500


def test_chains_go_from_cautious_to_cheap() -> None:
    said = [[0.8, 0.5, NAN], [0.6, 0.5, NAN]]
    first, second = chains(outcomes([[1.0, 1.0, 1.0]] * 2, confidence=said))
    up_all = ("efficient", "reasoning")
    assert first == (Candidate(up_all, 0.8), Candidate(up_all, 0.6), Candidate(("efficient",)))
    assert second == (
        Candidate(("frontier", "reasoning"), 0.5),
        Candidate(("frontier",)),
        Candidate(("efficient", "frontier"), 0.8),
        Candidate(("efficient", "frontier"), 0.6),
    )


def test_a_lossless_tier_is_certified_from_the_exact_number_of_tasks_on() -> None:
    certified = {n: certify(harmless(n), Tolerance(0.02, 0.9))[0].certified for n in (113, 114)}
    assert certified == {113: False, 114: True}


def test_a_chain_stops_at_its_first_failure() -> None:
    # The draft is sure (0.9) and wrong on 30 tasks, unsure and right on 170: trusting it less helps nothing.
    quality = [[0.0, 1.0]] * 30 + [[1.0, 1.0]] * 170
    said = [[0.9, NAN]] * 30 + [[0.5, NAN]] * 170
    verdicts = certify(outcomes(quality, confidence=said), Tolerance(0.05))
    assert [v.certified for v in verdicts] == [False, False, False]
    assert verdicts[0].bound is not None
    assert verdicts[0].bound > 0.05
    assert [v.bound for v in verdicts[1:]] == [None, None]
    assert verdicts[-1].loss == pytest.approx(0.15)


def test_a_good_confidence_certifies_the_cut_but_not_the_draft_alone() -> None:
    sample = drawn_pair(np.random.default_rng(1), 300, weak=0.6, strong=0.9, telling=True)
    cautious, _, alone = certify(sample, Tolerance(0.02))
    assert cautious.candidate == Candidate(("frontier", "reasoning"), 0.9)
    assert cautious.certified
    assert not alone.certified


def test_chains_share_the_error() -> None:
    sample = outcomes(np.ones((114, 3)))
    # Two tiers below the strongest: each is tested at 95%, which 114 tasks do not reach at 2 points.
    assert not any(v.certified for v in certify(sample, Tolerance(0.02, 0.9)))
    assert certify(sample, Tolerance(0.03, 0.9))[0].certified


def test_the_tasks_that_a_proof_needs_are_estimated() -> None:
    worthwhile = frozenset({ALONE})
    assert tasks_needed(harmless(30), Tolerance(0.02, 0.9), worthwhile) == 114
    assert tasks_needed(harmless(30, harmed=5), Tolerance(0.02), worthwhile) is None
    assert tasks_needed(harmless(30), Tolerance(0.02), frozenset()) is None


@pytest.mark.parametrize("loss", [0.02, 0.03, 0.05])
def test_the_promise_holds_where_it_is_hardest_to_keep(loss: float) -> None:
    """Every cheaper row truly loses a little more than the tolerance; to certify any breaks the promise."""
    rng = np.random.default_rng(int(1000 * loss))
    trials, broken = 600, 0
    for _ in range(trials):
        harmed = rng.random((150, 2)) < loss * 1.02
        quality = np.concatenate([np.where(harmed, 0.0, 1.0), np.ones((150, 1))], axis=1)
        # A confidence that is always the same: there is nothing to cut at, so every row is as bad.
        said = np.tile([0.9, 0.9, NAN], (150, 1))
        broken += any(
            v.certified for v in certify(outcomes(quality, confidence=said), Tolerance(loss))
        )
    assert broken / trials <= 0.12


@pytest.mark.parametrize(
    ("loss", "confidence"), [(0.02, 0.5), (0.02, 1.0), (-0.01, 0.9), (1.0, 0.9)]
)
def test_a_tolerance_must_promise_something(loss: float, confidence: float) -> None:
    with pytest.raises(UnusableSample, match="not a promise"):
        Tolerance(loss, confidence)
