"""Intervals: how far a measured number may be from the truth, given how little was measured.

Every function is deterministic: what is random is seeded. `confidence` is two-sided coverage, 0.95 unless told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from scipy.optimize import brentq
from scipy.special import bdtr

from tierwise_server.measure.bounds import mean_bound
from tierwise_server.measure.outcomes import FloatArray, IntArray, UnusableSample

DRAWS = 2_000
"""Bootstrap resamples; Efron and Tibshirani (1993, ch. 14.3) ask for 1,000 or more for 95% intervals."""

BATCH_CELLS = 1_000_000
"""Memory of a vectorised bootstrap: 8 MB of indices."""

JACKKNIFE_BLOCKS = 200
"""BCa's acceleration leaves out at most this many blocks in turn; beyond, more blocks change its third digit."""

Statistic = Callable[[IntArray], float]
"""Computes a number from the rows that these indices select; an index may repeat."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A number, the interval it may lie in, and how many tasks (or clusters of them) stand behind it."""

    value: float
    low: float
    high: float
    n: int
    confidence: float = 0.95

    def __str__(self) -> str:
        """Show the number with its interval and n: `0.812 [0.750, 0.861] n=200`."""
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}] n={self.n}"


def wilson(successes: float, n: int, confidence: float = 0.95) -> Interval:
    """Bound a share, by Wilson's score interval (1927); within [0, 1] and sensible at 0 and n.

    Raises:
        UnusableSample: n is 0, or the successes are not between 0 and n.
    """
    if n <= 0 or not 0 <= successes <= n:
        raise UnusableSample(f"{successes} of {n} is not a share")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    # At the ends the exact limits are 0 and 1; rounding would miss them by an ulp.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return Interval(share, low, high, n, confidence)


def quality_interval(quality: FloatArray, confidence: float = 0.95) -> Interval:
    """Bound a mean quality in [0, 1]: Wilson's interval for right-or-wrong, bounds of a mean (bounds.py) for graded.

    Unlike a bootstrap, neither collapses to a point when every score of a small sample is the same.

    Raises:
        UnusableSample: there is no value.
    """
    n = len(quality)
    if n == 0:
        raise UnusableSample("no quality to average")
    mean = float(np.mean(quality))
    if np.all((quality == 0.0) | (quality == 1.0)):
        return wilson(float(np.sum(quality)), n, confidence)
    one_sided = (1 + confidence) / 2
    high = mean_bound(quality, one_sided, worst=1.0)
    low = 1.0 - mean_bound(1.0 - quality, one_sided, worst=1.0)
    return Interval(mean, min(low, mean), max(high, mean), n, confidence)


def mean_interval(values: FloatArray, confidence: float = 0.95, *, seed: int = 0) -> Interval:
    """Bound the mean of a cost, a latency or a paired difference, by the BCa bootstrap.

    For pairs, pass the differences. Coverage falls short below about 20 values; a sample of equal values gives an
    interval of no width.
    """
    n = len(values)
    if n == 0:
        raise UnusableSample("no values to average")
    rng = np.random.default_rng(seed)
    value = float(np.mean(values))
    samples = _all_resampled_means(rng, values)
    left_out = (np.sum(values) - values) / (n - 1) if n > 1 else values
    return _bca(value, samples, left_out, n, confidence)


def _all_resampled_means(rng: np.random.Generator, values: FloatArray) -> FloatArray:
    return np.concatenate([_resampled_means(rng, values, draws) for draws in _batches(len(values))])


def _resampled_means(rng: np.random.Generator, values: FloatArray, draws: int) -> FloatArray:
    rows = rng.integers(0, len(values), (draws, len(values)))
    return np.asarray(values[rows].mean(axis=1))


def _batches(n: int) -> list[int]:
    """Split the draws so that no batch indexes more than about BATCH_CELLS cells at once."""
    size = max(1, min(DRAWS, BATCH_CELLS // n))
    return [min(size, DRAWS - start) for start in range(0, DRAWS, size)]


def climbing_cost_interval(
    levels: Sequence[FloatArray], climbs: IntArray, confidence: float = 0.95
) -> Interval:
    """Bound the mean cost of tasks of which some climb: a small share of them may carry most of it.

    A bootstrap of few tasks sees too little of such a share, and nothing of it where none has climbed. So the share's
    own interval (Wilson) is taken at the price of climbing, which is known of every task, and added to the spread of
    the costs themselves as Zou and Donner (2008) add limits; levels of a cascade rise together, so they add up plainly.

    Args:
        levels: per task what each level of the cascade costs, or would have cost.
        climbs: how many levels above the first each task went.
        confidence: two-sided.

    Raises:
        UnusableSample: there is no task.
    """
    first = mean_interval(levels[0], confidence)
    if len(levels) == 1:
        return first
    value, shares, spread = first.value, np.zeros(2), _reach(first) ** 2
    for level, costs in enumerate(levels[1:], start=1):
        up = climbs >= level
        share = wilson(int(up.sum()), len(up), confidence)
        seen = mean_interval(costs[up] if up.sum() > 1 else costs, confidence)
        price = float(costs[up].mean()) if up.any() else seen.value
        value += share.value * price
        shares += _reach(share) * price
        spread += (share.value * _reach(seen)) ** 2
    below, above = np.sqrt(spread + shares**2)
    return Interval(value, max(0.0, value - below), value + above, first.n, confidence)


def _reach(interval: Interval) -> FloatArray:
    return np.array([interval.value - interval.low, interval.high - interval.value])


def weighted_interval(parts: Sequence[Interval], weights: FloatArray) -> Interval:
    """Bound the weighted mean of parts that were sampled apart, by the parts' own intervals.

    The distances to the limits add up as standard errors do (Zou and Donner 2008), each side for itself. So it has
    width where a bootstrap of equal values has none.

    Raises:
        UnusableSample: no part, or the weights do not fit.
    """
    if len(parts) != len(weights) or not parts:
        raise UnusableSample("every part needs a weight")
    shares = weights / weights.sum()
    value, low, high = (
        np.array([getattr(part, name) for part in parts]) for name in ("value", "low", "high")
    )
    mean = float(shares @ value)
    return Interval(
        mean,
        mean - float(np.sqrt(np.sum((shares * (value - low)) ** 2))),
        mean + float(np.sqrt(np.sum((shares * (high - value)) ** 2))),
        sum(part.n for part in parts),
        parts[0].confidence,
    )


def auroc_interval(value: float, hits: int, misses: int, confidence: float = 0.95) -> Interval:
    """Bound an area under the ROC curve of so many positives and negatives.

    Newcombe (2006, Statistics in Medicine 25, 559-573), method 5: limits at which the value would lie just so many
    standard errors away, by the variance of Hanley and McNeil (1982) with both classes' mean size. It has width where
    the sample ranks perfectly, and is a little wide where signals are tied.

    Raises:
        UnusableSample: a class is empty.
    """
    if min(hits, misses) < 1:
        raise UnusableSample("AUROC needs both outcomes")
    z, size = NormalDist().inv_cdf((1 + confidence) / 2), (hits + misses) / 2 - 1

    def away(area: float) -> float:
        spread = 1 + size * (1 - area) / (2 - area) + size * area / (1 + area)
        error = float(np.sqrt(area * (1 - area) * spread / (hits * misses)))
        return abs(value - area) - z * error

    edge = 1e-9
    low = 0.0 if value <= edge else float(brentq(away, 0.0, min(value, 1 - edge)))
    high = 1.0 if value >= 1 - edge else float(brentq(away, max(value, edge), 1.0))
    return Interval(value, min(low, value), max(high, value), hits + misses, confidence)


def quantile_interval(values: FloatArray, q: float, confidence: float = 0.95) -> Interval:
    """Bound a quantile (0.5 for p50, 0.95 for p95) by order statistics, without assuming a distribution.

    The binomial argument of Conover, Practical Nonparametric Statistics (1999, section 3.2). A side that n values
    cannot bound is infinite: p95 has an upper bound at 95% from n = 72 on.

    Raises:
        UnusableSample: there is no value.
    """
    n = len(values)
    if n == 0:
        raise UnusableSample("no values to take a quantile of")
    ordered = np.sort(values)
    tail = (1 - confidence) / 2
    # below[k] is the chance that at most k values lie below the true quantile.
    below = bdtr(np.arange(n), n, q)
    first = int(np.searchsorted(below, tail, side="right"))
    last = int(np.searchsorted(below, 1 - tail))
    low = float(ordered[first - 1]) if first > 0 else -np.inf
    high = float(ordered[last]) if last < n else np.inf
    return Interval(float(np.quantile(values, q)), low, high, n, confidence)


def bootstrap(
    statistic: Statistic,
    n: int,
    confidence: float = 0.95,
    *,
    strata: IntArray | None = None,
    clusters: IntArray | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Interval:
    """Bound any statistic of n rows by resampling them.

    Without strata and clusters it is the BCa interval of Efron (1987). With `strata` (a label per row, such as the
    task type) rows are redrawn within their stratum; with `clusters` (such as the task of repeated answers) whole
    clusters are redrawn; both use the plain percentile interval. Arrays that the statistic indexes alike stay paired.

    Raises:
        UnusableSample: n is 0.
    """
    if n == 0:
        raise UnusableSample("no rows to resample")
    rng = np.random.default_rng(seed)
    every = np.arange(n)
    value = statistic(every)
    samples = np.array(
        [statistic(_resample(rng, n, strata, clusters)) for _ in range(draws)], dtype=np.float64
    )
    if strata is None and clusters is None:
        return _bca(value, samples, _jackknife(statistic, n), n, confidence)
    low, high = np.quantile(samples, [(1 - confidence) / 2, (1 + confidence) / 2])
    size = n if clusters is None else len(np.unique(clusters))
    return Interval(value, float(low), float(high), size, confidence)


def _resample(
    rng: np.random.Generator, n: int, strata: IntArray | None, clusters: IntArray | None
) -> IntArray:
    if clusters is not None:
        names = np.unique(clusters)
        members = [np.flatnonzero(clusters == name) for name in rng.choice(names, len(names))]
        return np.concatenate(members)
    if strata is not None:
        parts = [np.flatnonzero(strata == name) for name in np.unique(strata)]
        return np.concatenate([rng.choice(part, len(part)) for part in parts])
    return rng.integers(0, n, n)


def _jackknife(statistic: Statistic, n: int) -> FloatArray:
    every = np.arange(n)
    blocks = np.array_split(every, min(n, JACKKNIFE_BLOCKS)) if n > 1 else []
    return np.array([statistic(np.delete(every, block)) for block in blocks], dtype=np.float64)


def _bca(
    value: float, samples: FloatArray, left_out: FloatArray, n: int, confidence: float
) -> Interval:
    """Correct the percentile interval for bias and skew (Efron and Tibshirani 1993, eq. 14.9 to 14.15)."""
    normal = NormalDist()
    tail = (1 - confidence) / 2
    below = float(np.mean(samples < value) + np.mean(samples == value) / 2)
    if not 0.0 < below < 1.0:
        low, high = np.quantile(samples, [tail, 1 - tail])
        return Interval(value, float(low), float(high), n, confidence)
    bias = normal.inv_cdf(below)
    skew = left_out.mean() - left_out if len(left_out) else np.zeros(1)
    spread = float(np.sum(skew**2))
    acceleration = float(np.sum(skew**3)) / (6 * spread**1.5) if spread > 0 else 0.0

    def corrected(z: float) -> float:
        return normal.cdf(bias + (bias + z) / (1 - acceleration * (bias + z)))

    ends = [corrected(normal.inv_cdf(tail)), corrected(normal.inv_cdf(1 - tail))]
    low, high = np.quantile(samples, ends)
    return Interval(value, float(low), float(high), n, confidence)
