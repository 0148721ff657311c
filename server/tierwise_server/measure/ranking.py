"""How well a draft's confidence says which tasks gain from the strongest tier, and what that is worth; with intervals.

Every interval is the plain percentile bootstrap over tasks (Efron and Tibshirani 1993, ch. 13). A resample in which a
measure is not defined, such as one without a gap between the tiers, says nothing of that measure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from tierwise_server.measure import metrics
from tierwise_server.measure.outcomes import (
    Candidate,
    FloatArray,
    IntArray,
    Outcomes,
    Played,
    UnusableSample,
    play,
)
from tierwise_server.measure.statistics import Interval

DRAWS: Final = 400
"""Resamples: every one sorts all tasks anew."""

LEAST_GAP: Final = 0.02
"""Tiers that differ by less have no gap of which to recover a share."""

TARGETS: Final = (0.5, 0.8, 0.95)
LEAST_DEFINED: Final = 0.5
"""A measure that fewer of the resamples define is not reported: chance decides whether it exists."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """How well the weakest tier's confidence says which tasks gain from the strongest one; None without a gap.

    Attributes:
        apgr: 0.5 is what a coin does.
        cpt: PGR target to the share of tasks that must go up to reach it.
        aiq: mean quality over the cost range of the cascade, between the two tiers' costs.
        lift: the proposed row's benefit per cost over a random mix's; None where it is not defined.
    """

    weak: str
    strong: str
    apgr: Interval | None
    cpt: dict[str, Interval]
    aiq: Interval | None
    lift: Interval | None


def ranking(raw: Outcomes, proposed: Played | None) -> Ranking:
    """Work it out from the signal as the model gave it; `proposed` is what the proposed row did with the same tasks."""
    weak, strong = raw.quality[:, 0], raw.quality[:, -1]
    names = (raw.tiers[0], raw.tiers[-1])
    if len(raw.tiers) < 2 or abs(float(np.mean(weak - strong))) < LEAST_GAP:
        return Ranking(*names, None, {}, None, None)
    doubt = 1.0 - np.nan_to_num(raw.confidence[:, 0], nan=0.0)

    def along(rows: IntArray) -> tuple[float, ...]:
        curve = metrics.routing_curve(doubt[rows], weak[rows], strong[rows], bins=None)
        return metrics.apgr(curve), *(metrics.cpt(curve, target) for target in TARGETS)

    apgr, *shares = _intervals(along, raw.n, 1 + len(TARGETS))
    cpt = {f"{target:.0%}": share for target, share in zip(TARGETS, shares, strict=True)}
    (aiq,) = _intervals(_aiq(raw), raw.n, 1)
    (lift,) = (None,) if proposed is None else _intervals(_lift(raw, proposed), raw.n, 1)
    return Ranking(*names, apgr, {t: s for t, s in cpt.items() if s is not None}, aiq, lift)


def _intervals(
    statistic: Callable[[IntArray], tuple[float, ...]], n: int, count: int
) -> list[Interval | None]:
    """Bound measures that may be undefined; None where they are, for the sample or for most resamples."""
    rng = np.random.default_rng(0)
    values = _defined(statistic, np.arange(n), count)
    samples = np.array(
        [_defined(statistic, rng.integers(0, n, n), count) for _ in range(DRAWS)], dtype=np.float64
    )
    samples = samples[~np.isnan(samples[:, 0])]
    if np.isnan(values[0]) or len(samples) < LEAST_DEFINED * DRAWS:
        return [None] * count
    low, high = np.quantile(samples, [0.025, 0.975], axis=0)
    return [
        Interval(value, min(float(one), value), max(float(other), value), n)
        for value, one, other in zip(values, low, high, strict=True)
    ]


def _defined(
    statistic: Callable[[IntArray], tuple[float, ...]], rows: IntArray, count: int
) -> tuple[float, ...]:
    try:
        return statistic(rows)
    except UnusableSample:
        return (float("nan"),) * count


def _aiq(raw: Outcomes) -> Callable[[IntArray], tuple[float]]:
    levels = np.unique(raw.confidence[:, 0][~np.isnan(raw.confidence[:, 0])])
    rows = [Candidate((raw.tiers[0], raw.tiers[-1]), float(level)) for level in levels]
    played = [play(raw, row) for row in rows]
    ends = (0, len(raw.tiers) - 1)
    cost = np.stack([*(raw.cost_nano_usd[:, c] for c in ends), *(p.cost_nano_usd for p in played)])
    quality = np.stack([*(raw.quality[:, c] for c in ends), *(p.quality for p in played)])

    def statistic(tasks: IntArray) -> tuple[float]:
        costs, qualities = cost[:, tasks].mean(axis=1), quality[:, tasks].mean(axis=1)
        return (metrics.aiq(costs, qualities, float(costs[0]), float(costs[1])),)

    return statistic


def _lift(raw: Outcomes, proposed: Played) -> Callable[[IntArray], tuple[float]]:
    def point(cost: FloatArray, quality: FloatArray) -> metrics.Point:
        return metrics.Point(float(cost.mean()), float(quality.mean()))

    def statistic(tasks: IntArray) -> tuple[float]:
        ends = [
            point(raw.cost_nano_usd[tasks, column], raw.quality[tasks, column])
            for column in (0, -1)
        ]
        method = point(proposed.cost_nano_usd[tasks], proposed.quality[tasks])
        return (metrics.ibc_lift(method, *ends),)

    return statistic
