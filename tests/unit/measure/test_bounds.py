"""The one-sided bound holds its level, also where a normal approximation does not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, binom

from tierwise_server.measure.bounds import certified_prefix, mean_bound, needed_tasks
from tierwise_server.measure.outcomes import FloatArray, UnusableSample

TRIALS = 2_000


def counts(harm: int, none: int, gain: int) -> FloatArray:
    return np.repeat([1.0, 0.0, -1.0], [harm, none, gain])


@pytest.mark.parametrize("n", [1, 10, 30, 114, 500])
def test_bound_without_any_loss_is_the_exact_one(n: int) -> None:
    # A rate that shows nothing in n tasks with a chance of 10%.
    assert mean_bound(np.zeros(n), 0.9) == pytest.approx(1 - 0.1 ** (1 / n))


@pytest.mark.parametrize(("harm", "n"), [(1, 20), (3, 50), (10, 100)])
def test_bound_of_losses_without_gains_is_that_of_clopper_and_pearson(harm: int, n: int) -> None:
    exact = float(beta.ppf(0.95, harm + 1, n - harm))
    assert mean_bound(counts(harm, n - harm, 0), 0.95) == pytest.approx(exact)


def test_bound_falls_when_gains_make_up_for_losses() -> None:
    assert mean_bound(counts(3, 97, 0), 0.9) > mean_bound(counts(3, 94, 3), 0.9) > 0.0
    assert mean_bound(counts(0, 60, 40), 0.9) < -0.25


def test_bound_of_a_narrower_loss_scales() -> None:
    assert mean_bound(np.zeros(20), 0.9, worst=0.5) == pytest.approx((1 - 0.1 ** (1 / 20)) / 2)
    assert mean_bound(np.full(5, 1.0), 0.9) == 1.0


@given(st.lists(st.integers(-100, 100).map(lambda x: x / 100), min_size=2, max_size=30))
@settings(max_examples=50)
def test_bound_is_no_less_than_the_mean_and_no_more_than_the_worst(values: list[float]) -> None:
    losses = np.array(values)
    assert float(losses.mean()) - 1e-9 <= mean_bound(losses, 0.9) <= 1.0
    assert mean_bound(losses, 0.8) <= mean_bound(losses, 0.95) + 1e-9


def test_bound_refuses_nothing_and_more_than_the_worst() -> None:
    with pytest.raises(UnusableSample, match="needs values"):
        mean_bound(np.zeros(0), 0.9)
    with pytest.raises(UnusableSample, match=r"at most 0\.5"):
        mean_bound(np.ones(3), 0.9, worst=0.5)
    with pytest.raises(UnusableSample, match="needs values"):
        needed_tasks(np.zeros(0), 0.02, 0.9)


@pytest.mark.parametrize("n", [20, 50, 100])
@pytest.mark.parametrize(
    ("harm", "gain"), [(0.02, 0.0), (0.05, 0.0), (0.05, 0.03), (0.1, 0.08), (0.3, 0.3)]
)
def test_bound_is_broken_no_more_often_than_it_says(n: int, harm: float, gain: float) -> None:
    rng = np.random.default_rng(n)
    drawn = rng.multinomial(n, [harm, 1 - harm - gain, gain], TRIALS)
    seen, times = np.unique(drawn, axis=0, return_counts=True)
    held = [mean_bound(counts(*map(int, row)), 0.9) >= harm - gain for row in seen]
    # Three standard errors of the simulation above the promised 10%.
    assert 1 - float(times @ held) / TRIALS <= 0.10 + 3 * (0.09 / TRIALS) ** 0.5


def test_bound_holds_for_graded_losses_with_rare_disasters() -> None:
    rng = np.random.default_rng(1)
    truth = 0.05 * 0.9 + 0.95 * 0.02
    broken = 0
    for _ in range(300):
        losses = np.where(rng.random(25) < 0.05, 0.9, rng.choice([-0.1, 0.0, 0.16], 25))
        broken += mean_bound(losses, 0.9) < truth
    assert broken / 300 <= 0.10 + 3 * (0.09 / 300) ** 0.5


def test_a_normal_bound_would_break_the_promise_where_ours_does_not() -> None:
    # One whole loss and one whole gain pretended, as Bonett and Price (2012) do; 100 tasks, a true loss of 4.5%.
    n, truth, z = 100, 0.045, 1.2816
    normal_breaks, ours_breaks = 0.0, 0.0
    for harmed in range(20):
        chance = float(binom.pmf(harmed, n, truth))
        p, q = (harmed + 1) / (n + 2), 1 / (n + 2)
        normal_breaks += chance * (p - q + z * ((p + q - (p - q) ** 2) / (n + 2)) ** 0.5 < truth)
        ours_breaks += chance * (mean_bound(counts(harmed, n - harmed, 0), 0.9) < truth)
    assert normal_breaks > 0.16
    assert ours_breaks <= 0.10


def test_needed_tasks_of_a_lossless_sample_is_exact() -> None:
    # 0.9 ** (1 / n) passes 0.98 at 114.
    assert needed_tasks(np.zeros(30), 0.02, 0.9) == 114
    assert needed_tasks(np.zeros(30), 0.05, 0.9) == 45


def test_needed_tasks_is_unknown_where_the_loss_is_too_large() -> None:
    assert needed_tasks(counts(3, 97, 0), 0.02, 0.9) is None
    assert needed_tasks(counts(2, 98, 0), 0.02, 0.9) is None


def test_needed_tasks_certify_when_they_come() -> None:
    needed = needed_tasks(counts(1, 99, 0), 0.02, 0.9)
    assert needed is not None
    hundreds = -(-needed // 100)
    assert mean_bound(counts(hundreds, 99 * hundreds, 0), 0.9) <= 0.0205
    assert mean_bound(counts(1, 99, 0), 0.9) > 0.02


def test_certified_prefix_stops_at_the_first_failure() -> None:
    assert certified_prefix([0.01, 0.02, 0.03, 0.0], 0.02) == 2
    assert certified_prefix([], 0.02) == 0


def test_certified_prefix_does_not_compute_what_comes_after_a_failure() -> None:
    computed = []

    def bounds() -> object:
        for bound in (0.0, 0.5, 0.0):
            computed.append(bound)
            yield bound

    assert certified_prefix(bounds(), 0.1) == 1  # type: ignore[arg-type]  # a generator of floats
    assert computed == [0.0, 0.5]
