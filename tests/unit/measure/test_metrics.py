"""Each metric against a case worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tierwise_server.measure.metrics import (
    Point,
    aiq,
    apgr,
    arena_score,
    auroc,
    convex_hull,
    cpt,
    ece,
    ece_floor,
    enough,
    ibc_lift,
    oracle,
    pgr,
    random_mix,
    reliability,
    routing_curve,
)
from tierwise_server.measure.outcomes import UnusableSample

WEAK = np.array([0.0, 0.0, 1.0, 1.0])
STRONG = np.ones(4)
# Sending one, two, three, four of the tasks up reaches 0.75, 1, 1, 1 from 0.5.
RIGHT_ORDER = np.array([4.0, 3.0, 2.0, 1.0])


def test_pgr_is_the_share_of_the_gap() -> None:
    assert pgr(0.75, weak=0.6, strong=0.8) == pytest.approx(0.75)
    assert pgr(0.5, weak=0.6, strong=0.8) == pytest.approx(-0.5)


def test_pgr_needs_a_gap() -> None:
    with pytest.raises(UnusableSample, match="no gap"):
        pgr(0.5, weak=0.6, strong=0.6)


def test_routing_curve_sends_the_highest_scores_up() -> None:
    curve = routing_curve(RIGHT_ORDER, WEAK, STRONG, bins=4)
    assert curve.strong_share.tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert curve.quality.tolist() == [0.5, 0.75, 1.0, 1.0, 1.0]


def test_apgr_is_the_area_under_pgr() -> None:
    # PGR is 0, 0.5, 1, 1, 1 at quarters: trapezoids of 0.25 * (0.25 + 0.75 + 1 + 1).
    assert apgr(routing_curve(RIGHT_ORDER, WEAK, STRONG, bins=4)) == pytest.approx(0.75)
    assert apgr(routing_curve(-RIGHT_ORDER, WEAK, STRONG, bins=4)) == pytest.approx(0.25)


def test_apgr_of_a_score_that_knows_nothing_is_a_half() -> None:
    assert apgr(routing_curve(np.zeros(4), WEAK, STRONG)) == pytest.approx(0.5)


def test_apgr_moves_equal_scores_together() -> None:
    # The half that the weak tier gets wrong goes up as one: PGR is 0, 1, 1 at 0, 0.5, 1.
    curve = routing_curve(np.array([1.0, 1.0, 0.0, 0.0]), WEAK, STRONG, bins=2)
    assert curve.strong_share.tolist() == [0.0, 0.5, 1.0]
    assert apgr(curve) == pytest.approx(0.75)


@pytest.mark.parametrize(("target", "share"), [(0.5, 0.25), (0.8, 0.4), (0.95, 0.475)])
def test_cpt_is_the_share_of_strong_calls_that_reaches_the_target(
    target: float, share: float
) -> None:
    assert cpt(routing_curve(RIGHT_ORDER, WEAK, STRONG, bins=4), target) == pytest.approx(share)


def test_cpt_is_all_calls_where_the_target_is_never_reached() -> None:
    assert cpt(routing_curve(RIGHT_ORDER, WEAK, STRONG, bins=4), 1.5) == 1.0


def test_cpt_is_no_call_where_nothing_need_be_gained() -> None:
    assert cpt(routing_curve(RIGHT_ORDER, WEAK, STRONG, bins=4), 0.0) == 0.0


def test_hull_drops_what_a_mix_of_others_beats() -> None:
    cost, quality = convex_hull(
        np.array([1.0, 2.0, 1.5, 3.0, 1.0]), np.array([0.2, 0.6, 0.3, 0.5, 0.1])
    )
    assert cost.tolist() == [1.0, 2.0]
    assert quality.tolist() == [0.2, 0.6]


def test_aiq_is_the_mean_height_of_the_hull() -> None:
    # From (1, 0.2) up to (2, 0.6), then flat: areas 0.4 and 0.6 over a range of 2.
    cost, quality = np.array([1.0, 2.0, 3.0]), np.array([0.2, 0.6, 0.5])
    assert aiq(cost, quality, 1.0, 3.0) == pytest.approx(0.5)
    assert aiq(cost, quality, 2.0, 10.0) == pytest.approx(0.6)


def test_aiq_refuses_a_range_below_what_can_be_bought() -> None:
    with pytest.raises(UnusableSample, match="must begin"):
        aiq(np.array([1.0, 2.0]), np.array([0.2, 0.6]), 0.5, 2.0)


def test_ibc_lift_compares_slopes() -> None:
    # 0.2 for 10 is 0.02 a unit; 0.1 for 2 is 0.05: half as much again, and once more.
    assert ibc_lift(Point(3.0, 0.6), Point(1.0, 0.5), Point(11.0, 0.7)) == pytest.approx(1.5)


def test_ibc_lift_of_a_random_mix_is_nothing() -> None:
    weak, strong = Point(1.0, 0.5), Point(11.0, 0.7)
    mixed = Point(6.0, random_mix(weak, strong, 6.0))
    assert mixed.quality == pytest.approx(0.6)
    assert ibc_lift(mixed, weak, strong) == pytest.approx(0.0)


def test_ibc_lift_needs_tiers_that_differ() -> None:
    with pytest.raises(UnusableSample, match="must differ"):
        ibc_lift(Point(2.0, 0.6), Point(1.0, 0.5), Point(3.0, 0.5))


def test_arena_score_is_a_harmonic_mean_weighted_to_accuracy() -> None:
    # At the geometric middle of the cost range cheapness is 0.5, and so is any mean of 0.5 and 0.5.
    middle = (0.0044 * 200.0) ** 0.5
    assert arena_score(0.5, middle) == pytest.approx(0.5)
    # RouterArena's claude-3-haiku: accuracy 0.523 at 0.176 USD a thousand.
    assert arena_score(0.523, 0.176) == pytest.approx(0.533, abs=5e-4)
    assert arena_score(0.9, 500.0) == 0.0
    assert arena_score(0.9, 0.001) == pytest.approx(1.1 * 0.9 / 1.09)


def test_oracle_takes_the_cheapest_of_the_best() -> None:
    quality = np.array([[1.0, 1.0], [0.0, 1.0], [0.0, 0.0]])
    best, cost = oracle(quality, np.array([[1.0, 5.0]] * 3))
    assert best.tolist() == [1.0, 1.0, 0.0]
    assert cost.tolist() == [1.0, 5.0, 1.0]


def test_a_tier_is_enough_where_the_strongest_is_no_better() -> None:
    quality = np.array([[1.0, 1.0], [0.0, 1.0], [0.0, 0.0], [1.0, 0.0]])
    assert enough(quality).tolist() == [0.75, 1.0]


def test_auroc_is_the_chance_to_rank_a_pair_rightly() -> None:
    # Of the four pairs, 0.35 against 0.4 is wrong.
    score, label = np.array([0.1, 0.4, 0.35, 0.8]), np.array([0.0, 0.0, 1.0, 1.0])
    assert auroc(score, label) == pytest.approx(0.75)
    assert auroc(np.ones(4), label) == pytest.approx(0.5)
    assert auroc(-score, label) == pytest.approx(0.25)


def test_auroc_needs_both_outcomes() -> None:
    with pytest.raises(UnusableSample, match="both outcomes"):
        auroc(np.array([0.1, 0.2]), np.array([1.0, 1.0]))


def test_ece_weighs_the_gaps_of_the_bins() -> None:
    # Bin 0.9-1: says 0.95, half right; bin 0.5-0.6: says 0.55, half right.
    confidence, right = np.array([0.95, 0.95, 0.55, 0.55]), np.array([1.0, 0.0, 1.0, 0.0])
    assert ece(confidence, right) == pytest.approx((2 * 0.45 + 2 * 0.05) / 4)


def test_the_last_bin_includes_certainty() -> None:
    diagram = reliability(np.array([0.92, 1.0, 0.0]), np.array([1.0, 0.0, 0.0]))
    assert diagram.count.tolist() == [1, 2]
    assert diagram.confidence.tolist() == pytest.approx([0.0, 0.96])
    assert diagram.outcome.tolist() == pytest.approx([0.0, 0.5])


def test_ece_floor_is_what_luck_alone_shows() -> None:
    assert ece_floor(np.array([0.0, 1.0, 1.0])) == 0.0
    # One task asked ten times: always or never right, so half is always half off.
    assert ece_floor(np.full(10, 0.5), np.zeros(10, dtype=np.int64)) == pytest.approx(0.5)
    # The mean gap of 100 fair coins is sqrt(2 / (pi * 400)).
    assert ece_floor(np.full(100, 0.5), draws=2_000) == pytest.approx(0.0399, abs=0.002)
