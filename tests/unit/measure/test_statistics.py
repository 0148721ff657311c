"""Intervals against known values, and their coverage by simulation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import binom

from tierwise_server.measure.metrics import auroc
from tierwise_server.measure.outcomes import FloatArray, IntArray, UnusableSample
from tierwise_server.measure.statistics import (
    Interval,
    auroc_interval,
    bootstrap,
    climbing_cost_interval,
    mean_interval,
    quality_interval,
    quantile_interval,
    weighted_interval,
    wilson,
)

TRIALS = 400


def covers(interval: Interval, truth: float) -> bool:
    return interval.low <= truth <= interval.high


def test_wilson_gives_the_published_limits() -> None:
    # Newcombe (1998), table I: 81 of 263 and 0 of 20.
    assert wilson(81, 263).low == pytest.approx(0.2553, abs=5e-5)
    assert wilson(81, 263).high == pytest.approx(0.3662, abs=5e-5)
    assert wilson(0, 20).low == 0.0
    assert wilson(0, 20).high == pytest.approx(0.1611, abs=5e-5)
    assert wilson(20, 20).high == 1.0


def test_wilson_covers_as_often_as_it_says() -> None:
    n = 40
    intervals = [wilson(k, n) for k in range(n + 1)]
    shares = np.linspace(0.05, 0.95, 91)
    coverage = [
        sum(binom.pmf(k, n, p) for k, interval in enumerate(intervals) if covers(interval, p))
        for p in shares
    ]
    assert np.mean(coverage) == pytest.approx(0.95, abs=0.01)
    assert min(coverage) > 0.90


def test_wilson_refuses_what_is_not_a_share() -> None:
    with pytest.raises(UnusableSample, match="3 of 2"):
        wilson(3, 2)
    with pytest.raises(UnusableSample, match="0 of 0"):
        wilson(0, 0)


def test_quality_interval_of_right_or_wrong_is_wilson() -> None:
    assert quality_interval(np.array([1.0, 1.0, 0.0, 1.0])) == wilson(3, 4)


def test_quality_interval_keeps_its_width_when_all_scores_agree() -> None:
    interval = quality_interval(np.full(10, 0.8))
    assert interval.value == pytest.approx(0.8)
    assert interval.low < 0.65
    assert interval.high > 0.81


def test_quality_interval_covers_graded_scores() -> None:
    rng = np.random.default_rng(2)
    scores, chances = np.array([0.0, 0.5, 0.8, 1.0]), [0.05, 0.1, 0.25, 0.6]
    truth = float(scores @ chances)
    drawn = [rng.choice(scores, 20, p=chances) for _ in range(150)]
    held = np.mean([covers(quality_interval(sample), truth) for sample in drawn])
    assert held >= 0.95 - 3 * (0.05 * 0.95 / 150) ** 0.5


def test_mean_interval_covers_a_skewed_cost() -> None:
    rng = np.random.default_rng(3)
    held = np.mean(
        [covers(mean_interval(rng.exponential(1.0, 40), seed=s), 1.0) for s in range(TRIALS)]
    )
    # BCa on 40 exponential values is known to fall a little short of 95%.
    assert 0.90 <= held <= 0.98


def test_mean_interval_of_pairs_covers_the_difference() -> None:
    rng = np.random.default_rng(4)
    held = 0
    for seed in range(TRIALS):
        task = rng.normal(0.0, 5.0, 60)
        better, worse = task + 1.0 + rng.normal(0, 1, 60), task + rng.normal(0, 1, 60)
        held += covers(mean_interval(better - worse, seed=seed), 1.0)
    assert 0.91 <= held / TRIALS <= 0.98


def test_mean_interval_is_the_same_every_time() -> None:
    values = np.random.default_rng(8).exponential(1.0, 30)
    assert mean_interval(values) == mean_interval(values)
    assert mean_interval(values, seed=1) != mean_interval(values)


def test_mean_interval_of_equal_values_is_a_point() -> None:
    interval = mean_interval(np.full(5, 3.0))
    assert (interval.low, interval.high) == (3.0, 3.0)
    assert mean_interval(np.array([2.0])).value == 2.0


def test_mean_interval_agrees_with_the_general_bootstrap() -> None:
    values = np.random.default_rng(5).gamma(2.0, 1.0, 50)
    general = bootstrap(lambda rows: float(values[rows].mean()), 50)
    assert mean_interval(values).low == pytest.approx(general.low, abs=0.05)
    assert mean_interval(values).high == pytest.approx(general.high, abs=0.05)


@pytest.mark.parametrize("q", [0.5, 0.95])
def test_quantile_interval_covers_whatever_the_distribution(q: float) -> None:
    rng = np.random.default_rng(6)
    held = np.mean(
        [
            covers(quantile_interval(rng.exponential(1.0, 150), q), -np.log(1 - q))
            for _ in range(TRIALS)
        ]
    )
    assert held >= 0.95 - 3 * (0.05 * 0.95 / TRIALS) ** 0.5


def test_quantile_interval_says_when_there_are_too_few() -> None:
    ranks = np.arange(71.0)
    assert quantile_interval(ranks, 0.95).high == np.inf
    assert quantile_interval(np.arange(72.0), 0.95).high == 71.0
    assert quantile_interval(ranks, 0.05).low == -np.inf


def test_stratified_bootstrap_keeps_every_stratum_at_its_size() -> None:
    values = np.repeat([0.0, 10.0], [20, 30])
    strata = np.repeat([0, 1], [20, 30])

    def mean(rows: IntArray) -> float:
        return float(values[rows].mean())

    held = bootstrap(mean, 50, strata=strata, draws=200)
    assert (held.low, held.high) == (6.0, 6.0)
    assert bootstrap(mean, 50, draws=200).low < 5.5


def test_clustered_bootstrap_does_not_take_repeats_for_evidence() -> None:
    once = np.random.default_rng(7).normal(0.0, 1.0, 25)
    tenfold, cluster = np.repeat(once, 10), np.repeat(np.arange(25), 10)

    def mean(rows: IntArray) -> float:
        return float(tenfold[rows].mean())

    clustered = bootstrap(mean, 250, clusters=cluster, draws=1_000)
    single = mean_interval(once)
    assert clustered.n == 25
    assert clustered.high - clustered.low == pytest.approx(single.high - single.low, rel=0.15)


@pytest.mark.parametrize(("n", "share"), [(20, 0.05), (50, 0.02), (50, 0.3), (20, 0.5)])
def test_the_cost_of_a_cascade_covers_also_where_few_tasks_climb(n: int, share: float) -> None:
    """Climbing costs twenty times a draft; a bootstrap of 20 tasks of which 5% climb covers 65%."""
    rng, held = np.random.default_rng(2), 0
    for _ in range(TRIALS):
        draft, strong = rng.gamma(11, 1 / 11, n), 20 * rng.gamma(11, 1 / 11, n)
        climbs = (rng.random(n) < share).astype(np.int64)
        found = climbing_cost_interval([draft, strong], climbs)
        assert found.value == pytest.approx(float((draft + climbs * strong).mean()))
        assert found.low < found.value < found.high
        held += covers(found, 1 + 20 * share)
    assert held / TRIALS >= 0.95 - 3 * (0.05 * 0.95 / TRIALS) ** 0.5


def test_the_cost_of_one_tier_is_bounded_as_any_mean() -> None:
    values = np.random.default_rng(8).exponential(1.0, 30)
    alone = climbing_cost_interval([values], np.zeros(30, dtype=np.int64))
    assert alone == mean_interval(values)


def test_the_cost_of_three_levels_adds_up() -> None:
    levels = [np.full(40, cost) for cost in (1.0, 3.0, 10.0)]
    climbs = np.repeat([0, 1, 2], [30, 6, 4])
    found = climbing_cost_interval(levels, climbs)
    assert found.value == pytest.approx(1 + 0.25 * 3 + 0.1 * 10)
    assert found.low == pytest.approx(
        found.value - 3 * (0.25 - wilson(10, 40).low) - 10 * (0.1 - wilson(4, 40).low)
    )


@pytest.mark.parametrize(
    ("n", "apart", "coarse"), [(40, 1.0, True), (60, 2.0, False), (60, 0.0, True)]
)
def test_the_interval_of_an_auroc_covers_as_often_as_it_says(
    n: int, apart: float, coarse: bool
) -> None:
    rng = np.random.default_rng(11)

    def drawn(size: int) -> tuple[FloatArray, FloatArray]:
        good = (rng.random(size) < 0.7).astype(np.float64)
        signal = rng.normal(apart * good, 1.0)
        return np.clip(np.round(2 * signal + 6), 1, 10) if coarse else signal, good

    truth, held = auroc(*drawn(200_000)), []
    for _ in range(2 * TRIALS):
        signal, good = drawn(n)
        hits = int(good.sum())
        held.append(covers(auroc_interval(auroc(signal, good), hits, n - hits), truth))
    assert np.mean(held) >= 0.95 - 3 * (0.05 * 0.95 / (2 * TRIALS)) ** 0.5


def test_an_auroc_of_a_perfect_sample_has_width() -> None:
    perfect = auroc_interval(1.0, 10, 10)
    assert perfect.high == 1.0
    assert 0.7 < perfect.low < 0.95
    hopeless = auroc_interval(0.0, 10, 10)
    assert hopeless.low == 0.0
    assert hopeless.high == pytest.approx(1 - perfect.low)
    with pytest.raises(UnusableSample, match="both outcomes"):
        auroc_interval(0.5, 3, 0)


def test_weighted_intervals_cover_and_keep_their_width_where_all_is_right() -> None:
    rng = np.random.default_rng(10)
    shares, skills = np.array([0.5, 0.3, 0.2]), np.array([0.97, 0.5, 0.2])
    held = 0
    for _ in range(TRIALS):
        parts = [(rng.random(40) < skill).astype(np.float64) for skill in skills]
        found = weighted_interval([quality_interval(part) for part in parts], 10 * shares)
        held += covers(found, float(shares @ skills))
    assert 0.93 <= held / TRIALS <= 0.99
    alone = quality_interval(np.ones(40))
    both = weighted_interval([alone, alone], np.ones(2))
    assert (both.value, both.high, both.n) == (1.0, 1.0, 80)
    assert 1.0 - both.low == pytest.approx((1.0 - alone.low) / 2**0.5)
    with pytest.raises(UnusableSample, match="a weight"):
        weighted_interval([alone], np.ones(2))


def distinct(rows: IntArray) -> float:
    return float(len(np.unique(rows)))


def test_a_statistic_that_resampling_only_lowers_gets_the_percentile_interval() -> None:
    # Twenty draws of twenty rows practically never hit every row: BCa has no bias to correct by.
    interval = bootstrap(distinct, 20)
    assert interval.value == 20.0
    assert interval.low < interval.high < 20.0


@pytest.mark.parametrize(
    "empty",
    [
        lambda: mean_interval(np.zeros(0)),
        lambda: quality_interval(np.zeros(0)),
        lambda: quantile_interval(np.zeros(0), 0.5),
        lambda: bootstrap(distinct, 0),
    ],
)
def test_intervals_need_values(empty: Callable[[], Interval]) -> None:
    with pytest.raises(UnusableSample):
        empty()


def test_an_interval_shows_its_n() -> None:
    assert str(Interval(0.8125, 0.75, 0.8611, 200)) == "0.812 [0.750, 0.861] n=200"
