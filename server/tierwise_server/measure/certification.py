"""Which rows are proven to lose no more than a stated tolerance against the strongest tier, and what proof would take.

Per draft tier the candidate rows form a chain, from the most cautious to the cheapest, in an order fixed without
looking at any quality. A chain is tested in that order and stops at its first failure; chains share the error between
them equally. So the chance that any certified row of a task type loses more than the tolerance is at most
1 - confidence, and the cheapest of them may be picked freely.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tierwise_server.measure.bounds import certified_prefix, mean_bound, needed_tasks
from tierwise_server.measure.outcomes import Candidate, Outcomes, UnusableSample, losses

MOST_THRESHOLDS = 20
"""Thresholds tried per cascade; a 1-10 answer has ten, a continuous signal is cut at its quantiles."""

DECIMALS = 6
"""Thresholds are rounded down to this many decimals, so that a written table says exactly what was tested."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How much mean quality may be given up against the strongest tier, and how sure one must be that it is no more.

    Both in [0, 1]: 0.02 is two points of a hundred. `confidence` is one-sided.
    """

    loss: float = 0.02
    confidence: float = 0.90

    def __post_init__(self) -> None:
        """Refuse a tolerance that promises nothing.

        Raises:
            UnusableSample: the confidence is not inside (0.5, 1) or the loss not inside [0, 1).
        """
        if not (0.5 < self.confidence < 1.0 and 0.0 <= self.loss < 1.0):
            raise UnusableSample(f"{self} is not a promise")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the sample says about one candidate row.

    Attributes:
        loss: the mean quality given up on the sample.
        bound: what the true loss stays below at the chain's share of the confidence; None when the chain stopped
            before it.
        certified: whether the promise holds for it.
    """

    candidate: Candidate
    n: int
    loss: float
    bound: float | None
    certified: bool


def chains(outcomes: Outcomes) -> tuple[tuple[Candidate, ...], ...]:
    """List the candidate rows, one chain per tier below the strongest, each from cautious to cheap.

    A tier's chain drafts with it for the strongest tier at falling thresholds, then lets it answer alone, then drafts
    with each weaker tier for it. The order depends on tiers and confidences only.
    """
    *below, strongest = outcomes.tiers
    found = []
    for place, tier in enumerate(below):
        chain = [*_cascades(outcomes, tier, strongest), Candidate((tier,))]
        for weaker in below[:place]:
            chain += _cascades(outcomes, weaker, tier)
        found.append(tuple(chain))
    return tuple(found)


def thresholds(outcomes: Outcomes, draft: str) -> tuple[float, ...]:
    """The confidences worth cutting a draft tier's answers at, highest first; none when no check was readable."""
    confidence = outcomes.confidence[:, outcomes.index(draft)]
    known = confidence[~np.isnan(confidence)]
    if len(known) == 0:
        return ()
    levels = np.unique(known)
    if len(levels) > MOST_THRESHOLDS:
        shares = np.linspace(0.0, 1.0, MOST_THRESHOLDS)
        levels = np.unique(np.quantile(known, shares, method="higher"))
    down = np.floor(levels * 10**DECIMALS) / 10**DECIMALS
    return tuple(float(level) for level in np.unique(down)[::-1])


def certify(outcomes: Outcomes, tolerance: Tolerance) -> tuple[Verdict, ...]:
    """Test every candidate row against the strongest tier, which itself is not listed: it loses nothing.

    Independent tasks are assumed; answer each task once per tier, or repeats will look like more evidence than they
    are.
    """
    listed = chains(outcomes)
    level = _level(tolerance, len(listed))
    return tuple(
        verdict for chain in listed for verdict in _test(outcomes, chain, tolerance.loss, level)
    )


def tasks_needed(
    outcomes: Outcomes, tolerance: Tolerance, worthwhile: frozenset[Candidate]
) -> int | None:
    """Estimate how many tasks in all would certify some worthwhile row, if losses kept the shares seen so far.

    None when no worthwhile row looks to be within the tolerance, however many tasks there were.
    """
    listed = chains(outcomes)
    level = _level(tolerance, len(listed))
    counts = [
        count
        for chain in listed
        for count in _needed(outcomes, chain, tolerance, level, worthwhile)
    ]
    return min(counts, default=None)


def _needed(
    outcomes: Outcomes,
    chain: tuple[Candidate, ...],
    tolerance: Tolerance,
    level: float,
    worthwhile: frozenset[Candidate],
) -> Iterator[int]:
    """Yield what the chain's first worthwhile row needs: as many tasks as the hungriest row up to it."""
    most = 0
    for candidate in chain:
        needed = needed_tasks(losses(outcomes, candidate), tolerance.loss, level)
        if needed is None:
            return
        most = max(most, needed)
        if candidate in worthwhile:
            yield most
            return


def _level(tolerance: Tolerance, chain_count: int) -> float:
    return 1 - (1 - tolerance.confidence) / max(1, chain_count)


def _cascades(outcomes: Outcomes, draft: str, final: str) -> list[Candidate]:
    return [Candidate((draft, final), threshold) for threshold in thresholds(outcomes, draft)]


def _test(
    outcomes: Outcomes, chain: tuple[Candidate, ...], tolerance: float, level: float
) -> Iterator[Verdict]:
    lost = [losses(outcomes, candidate) for candidate in chain]
    bounds: list[float] = []

    def bounding() -> Iterator[float]:
        for values in lost:
            bounds.append(mean_bound(values, level))
            yield bounds[-1]

    passed = certified_prefix(bounding(), tolerance)
    for place, (candidate, values) in enumerate(zip(chain, lost, strict=True)):
        bound = bounds[place] if place < len(bounds) else None
        yield Verdict(candidate, outcomes.n, float(np.mean(values)), bound, place < passed)
