"""How often each tier's answer was preferred to the strongest tier's, by the judge who saw both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tierwise_server.measure.collect import Measurement
from tierwise_server.measure.grading import said
from tierwise_server.measure.judging import pairs
from tierwise_server.measure.statistics import Interval, quality_interval


@dataclass(frozen=True, slots=True)
class Wins:
    """One tier's answers beside the strongest tier's.

    Attributes:
        rate: wins and half the ties, over all pairs: 0.5 is as good as the strongest.
        won, tied, lost: pairs by what the judge said; only one that both orders of showing agree on is won or lost.
        alike: ties that nobody had to judge, as both said the same.
    """

    tier: str
    rate: Interval
    won: int
    tied: int
    lost: int
    alike: int


def wins(measurement: Measurement) -> tuple[Wins, ...]:
    """Every tier but the strongest, on the tasks that a judge decides; empty where it judged no pair in both orders."""
    settings, state = measurement.settings, measurement.state
    judged = [
        (pair.tier, pair.result)
        for pair in pairs(measurement.folder.tasks, settings.tiers, state)
        if pair.result is not None
    ]
    if not judged:
        return ()
    *below, strongest = settings.tiers
    open_ = [
        said(state, task, settings.tiers) for task in measurement.folder.tasks if not task.checks
    ]
    alike = {
        tier: sum(bool(a.get(tier, "").strip()) and a[tier] == a.get(strongest) for a in open_)
        for tier in below
    }
    results = {tier: [result for one, result in judged if one == tier] for tier in below}
    return tuple(
        _wins(tier, results[tier], alike[tier]) for tier in below if results[tier] or alike[tier]
    )


def _wins(tier: str, results: list[float], alike: int) -> Wins:
    won, lost = results.count(1.0), results.count(0.0)
    every = np.array([*results, *[0.5] * alike])
    return Wins(tier, quality_interval(every), won, len(every) - won - lost, lost, alike)
