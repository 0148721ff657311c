"""Short ways to measured outcomes, with defaults that a test need not read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tierwise_server.measure.outcomes import FloatArray, Outcomes

TIERS = ("efficient", "frontier", "reasoning")


def outcomes(
    quality: Sequence[Sequence[float]] | FloatArray,
    *,
    confidence: Sequence[Sequence[float]] | FloatArray | None = None,
    cost: Sequence[float] = (1.0, 3.0, 10.0),
    check: float = 0.5,
    tiers: tuple[str, ...] | None = None,
    task_type: str = "answer_faq",
) -> Outcomes:
    """Outcomes whose costs are the same for every task; the strongest tier is never checked."""
    qualities = np.asarray(quality, dtype=np.float64)
    n, width = qualities.shape
    checks = np.full((n, width), check)
    checks[:, -1] = 0.0
    unknown = np.full((n, width), np.nan)
    return Outcomes(
        task_type=task_type,
        tiers=tiers or TIERS[-width:],
        quality=qualities,
        cost_nano_usd=np.tile(np.asarray(cost[-width:], dtype=np.float64), (n, 1)),
        confidence=unknown if confidence is None else np.asarray(confidence, dtype=np.float64),
        check_cost_nano_usd=checks,
    )


def drawn_pair(
    rng: np.random.Generator,
    n: int,
    *,
    weak: float,
    strong: float,
    telling: bool,
    task_type: str = "answer_faq",
) -> Outcomes:
    """A cheap and a strong tier that are right this often; a telling confidence is 0.9 when right and 0.3 when wrong.

    A strong tier is right wherever the cheap one is, so that escalating never hurts.
    """
    luck = rng.random(n)
    quality = np.stack([luck < weak, luck < strong], axis=1).astype(np.float64)
    said = np.where(quality[:, 0] > 0, 0.9, 0.3) if telling else rng.choice([0.7, 0.8, 0.9], n)
    confidence = np.stack([said, np.full(n, np.nan)], axis=1)
    return outcomes(quality, confidence=confidence, task_type=task_type)
