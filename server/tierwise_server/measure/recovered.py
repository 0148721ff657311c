"""How much of the gap between the weakest and the strongest tier a table recovers: its PGR, with an interval."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit

from tierwise_server.measure.metrics import pgr
from tierwise_server.measure.outcomes import Candidate, FloatArray, Outcomes, play
from tierwise_server.measure.ranking import LEAST_GAP
from tierwise_server.measure.statistics import Interval

Row = tuple[Outcomes, Candidate]
"""A task type's sample, and what serves it."""


def recovered(rows: Sequence[Row], confidence: float = 0.95) -> Interval | None:
    """Bound the PGR of a table over task types that were sampled apart, each counting as often as it was sampled.

    The interval of a ratio of two means of the same tasks, after Fieller (1954): like PGR itself it exists only where
    there is a gap. None without one, or where so few tasks cannot tell it from none.
    """
    weak = [raw.quality[:, 0] for raw, _ in rows]
    strong = [raw.quality[:, -1] for raw, _ in rows]
    reached = [play(raw, row).quality for raw, row in rows]
    gained = [got - low for got, low in zip(reached, weak, strict=True)]
    gaps = [high - low for high, low in zip(strong, weak, strict=True)]
    n = sum(map(len, gaps))
    gap = float(np.concatenate(gaps).mean())
    if abs(gap) < LEAST_GAP or n < 3:
        return None
    value = pgr(*(float(np.concatenate(part).mean()) for part in (reached, weak, strong)))
    if min(map(len, gaps)) < 2:
        # The spread within a type of one task is unknown; that of all tasks together is no smaller on average.
        gained, gaps = [np.concatenate(gained)], [np.concatenate(gaps)]
    found = _fieller(gained, gaps, n, confidence)
    return None if found is None else Interval(value, *found, n, confidence)


def _fieller(
    tops: Sequence[FloatArray], bottoms: Sequence[FloatArray], n: int, confidence: float
) -> tuple[float, float] | None:
    """The limits of mean(top) / mean(bottom); None where the latter may be 0."""
    shares = np.array([len(part) for part in tops]) / n
    spreads = np.array(
        [np.cov(top, bottom) / len(top) for top, bottom in zip(tops, bottoms, strict=True)]
    )
    spread = np.einsum("h,hij->ij", shares**2, spreads)
    top, bottom = (float(np.concatenate(parts).mean()) for parts in (tops, bottoms))
    squared = float(stdtrit(n - len(tops), (1 + confidence) / 2)) ** 2
    a = bottom**2 - squared * float(spread[1, 1])
    b = top * bottom - squared * float(spread[0, 1])
    c = top**2 - squared * float(spread[0, 0])
    if a <= 0:
        return None
    reach = float(np.sqrt(max(0.0, b * b - a * c)))
    value = top / bottom
    return min((b - reach) / a, value), max((b + reach) / a, value)
