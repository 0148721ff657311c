"""Learn per task type from few labels by leaning on all task types, and leave the fallback only on evidence.

Each option's gain over a fallback is measured on the same tasks (paired), per task type. With five labels a type, the
best-looking option is mostly luck; empirical Bayes (Efron and Morris 1975; Morris 1983) pulls every gain towards the
option's mean over all types, by as much as the noise deserves. The guard then asks that a gain be likely, not just its
mean positive, with Bonferroni's correction for having looked at several options.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from tierwise_server.measure.outcomes import FloatArray, IntArray, UnusableSample

POOLED_VARIANCE_TASKS = 15
"""A type's variance of gains counts as if it had seen this many tasks of the pooled kind: five labels may show none."""

PRETENDED_TASKS = 2
"""One whole gain and one whole loss are added to the pool, after Bonett and Price (2012): no disagreement in a few
tasks does not prove that there is none."""

COMMON_SPREAD = 0.5
"""How far an option's spread of gains over types is pulled to that of all options: either alone is noisy."""

LEAST_SPREAD = 0.2
"""No option's spread is believed to be less than this part of the common one."""

FLOOR_VARIANCE = 1e-4
"""Spreads are at least one point of quality (0.01 squared): types that agree by luck may still differ."""


@dataclass(frozen=True, eq=False)
class Gains:
    """What each option is thought to gain over the fallback, per task type: arrays of shape (types, options).

    Attributes:
        mean: the shrunk gain; 0 for the fallback.
        sd: how uncertain it is, one standard deviation; 0 for the fallback.
        weight: how much of the type's own evidence went in, in [0, 1].
        fallback: the option that gains are counted from.
    """

    mean: FloatArray
    sd: FloatArray
    weight: FloatArray
    fallback: int


def shrunk_gains(samples: Sequence[FloatArray], fallback: int | None = None) -> Gains:
    """Estimate every option's gain over the fallback in every task type; a lone type has nothing to lean on.

    Args:
        samples: per task type the quality (or utility) of every option on the same tasks, shape (tasks, options).
        fallback: the option to count from; None takes the best of the types' mean.

    Raises:
        UnusableSample: no type, or a type without tasks or with other options.
    """
    if not samples or any(s.ndim != 2 or len(s) == 0 for s in samples):
        raise UnusableSample("gains need task types, each with tasks")
    if len({s.shape[1] for s in samples}) != 1:
        raise UnusableSample("every task type needs the same options")
    if fallback is None:
        fallback = int(np.argmax(np.mean([s.mean(axis=0) for s in samples], axis=0)))
    gains = [s - s[:, [fallback]] for s in samples]
    observed = np.stack([g.mean(axis=0) for g in gains])
    noise = _noise(gains)
    centre = observed.mean(axis=0)
    if len(samples) == 1:
        weight, variance = np.ones_like(noise), noise
    else:
        spread = _spread(observed - centre, noise, fallback)
        weight = spread / (spread + noise)
        off_centre = (spread + noise.mean(axis=0)) / len(samples)
        variance = weight * noise + (1 - weight) ** 2 * off_centre
    mean = centre + weight * (observed - centre)
    variance = variance.copy()
    variance[:, fallback] = 0.0
    return Gains(mean, np.sqrt(variance), weight, fallback)


def choose(gains: Gains, guard: float | None = None) -> IntArray:
    """Pick an option per task type: the one of highest mean gain, the fallback where none is positive.

    With a `guard` (0.95, say) an option must gain with that probability at least, all options of a type considered
    together. The guard costs mean quality on larger samples; it is for small ones, and for changes that must not hurt.
    """
    value = gains.mean.copy()
    if guard is not None:
        options = max(1, value.shape[1] - 1)
        value -= NormalDist().inv_cdf(1 - (1 - guard) / options) * gains.sd
    value[:, gains.fallback] = 0.0
    best = np.argmax(value, axis=1)
    return np.where(value[np.arange(len(value)), best] > 0.0, best, gains.fallback).astype(np.int64)


def _noise(gains: Sequence[FloatArray]) -> FloatArray:
    """The variance of each type's mean gain; a type's own variance is mixed with the pooled one."""
    sizes = np.array([len(g) for g in gains], dtype=np.float64)[:, None]
    squares = np.stack([np.sum((g - g.mean(axis=0)) ** 2, axis=0) for g in gains])
    freedom = np.maximum(sizes - 1, 0.0)
    # Every type counts alike, as in the centre: one large type must not speak for all.
    own = squares / np.maximum(freedom, 1.0)
    pooled = own.mean(axis=0) + PRETENDED_TASKS / (sizes.sum() + PRETENDED_TASKS)
    mixed = (squares + POOLED_VARIANCE_TASKS * pooled) / (freedom + POOLED_VARIANCE_TASKS)
    return np.asarray(mixed / sizes)


def _spread(away: FloatArray, noise: FloatArray, fallback: int) -> FloatArray:
    """How much true gains differ between types, per option: the excess of what is seen over the noise."""
    excess = np.sum(away**2, axis=0) / (len(away) - 1) - noise.mean(axis=0)
    others = np.arange(len(excess)) != fallback
    common = max(float(excess[others].mean()) if np.any(others) else 0.0, FLOOR_VARIANCE)
    mixed = COMMON_SPREAD * common + (1 - COMMON_SPREAD) * excess
    return np.asarray(np.maximum(mixed, LEAST_SPREAD * common))
