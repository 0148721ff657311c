"""The field's measures of routing and of confidence, each defined once with the source of its formula.

Qualities are in [0, 1] where no other scale is named; costs are in any one unit, per task.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from tierwise_server.measure.outcomes import FloatArray, IntArray, UnusableSample

QUANTILE_BINS = 10
"""Thresholds of a routing curve, as in RouteLLM's evaluation."""

CALIBRATION_BINS = 10
"""Equal-width bins of ECE, as in Naeini, Cooper and Hauskrecht (2015)."""

NO_GAP = "weak and strong have the same quality: there is no gap to recover"
BoolArray = npt.NDArray[np.bool_]

ARENA_BETA, ARENA_CHEAPEST_USD, ARENA_DEAREST_USD = 0.1, 0.0044, 200.0
"""RouterArena's weight of cost, and its range of USD per thousand tasks."""


def pgr(quality: float, weak: float, strong: float) -> float:
    """Performance gap recovered: 0 at the weak tier's quality, 1 at the strong one's (RouteLLM, arXiv:2406.18665, §2).

    Raises:
        UnusableSample: the tiers do not differ, so there is no gap to recover.
    """
    if weak == strong:
        raise UnusableSample(NO_GAP)
    return (quality - weak) / (strong - weak)


@dataclass(frozen=True, eq=False)
class RoutingCurve:
    """Quality against the share of tasks sent to the strong tier, ascending in that share, ends included."""

    strong_share: FloatArray
    quality: FloatArray
    weak: float
    strong: float


def routing_curve(
    score: FloatArray, weak: FloatArray, strong: FloatArray, bins: int | None = QUANTILE_BINS
) -> RoutingCurve:
    """Send the tasks of highest `score` to the strong tier, at the thresholds that cut the scores into equal bins.

    RouteLLM, routellm/evals/benchmarks.py: thresholds are the score's quantiles, tasks at or above go to the strong
    tier, and the last threshold sends none. Equal thresholds, which a table's few scores give, count once. A signal of
    few values, such as 1 to 10, may lose its highest one so: without bins every value is a threshold.

    Args:
        score: how much each task is thought to gain from the strong tier; only its order matters.
        weak: the weak tier's quality per task, in any scale.
        strong: the strong tier's, in the same.
        bins: how many equal bins; None cuts at every score there is.
    """
    if bins is None:
        chosen = [score >= threshold for threshold in np.unique(score)]
        return _curve([*chosen, np.zeros(len(score), dtype=np.bool_)], weak, strong)
    thresholds = np.unique(np.quantile(score, np.linspace(0.0, 1.0, bins + 1)))
    chosen = [score >= threshold for threshold in thresholds]
    chosen.append(np.zeros(len(score), dtype=np.bool_))
    # RouteLLM's last threshold is exclusive: it stands for "no task", which is appended above.
    if len(thresholds) > 1:
        del chosen[-2]
    return _curve(chosen, weak, strong)


def _curve(chosen: list[BoolArray], weak: FloatArray, strong: FloatArray) -> RoutingCurve:
    up = np.stack(chosen)
    points = np.stack([up.mean(axis=1), np.where(up, strong, weak).mean(axis=1)])
    # By share; by quality among equal shares.
    share, quality = points[:, np.lexsort(points[::-1])]
    return RoutingCurve(share, quality, float(np.mean(weak)), float(np.mean(strong)))


def apgr(curve: RoutingCurve) -> float:
    """Average PGR over the share of strong calls: 0.5 for random routing, can exceed 1 (RouteLLM, evals/evaluate.py).

    Raises:
        UnusableSample: the tiers do not differ.
    """
    area = float(np.trapezoid(curve.quality, curve.strong_share))
    return pgr(area, curve.weak, curve.strong)


def cpt(curve: RoutingCurve, target: float) -> float:
    """Call-performance threshold: the smallest share of strong calls at which PGR reaches `target` (0.5, 0.8, 0.95).

    RouteLLM, arXiv:2406.18665, §2; between measured points the curve is straight. 1 when it never gets there.
    """
    if curve.weak == curve.strong:
        raise UnusableSample(NO_GAP)
    gained = (curve.quality - curve.weak) / (curve.strong - curve.weak)
    reached = np.flatnonzero(gained >= target)
    if len(reached) == 0:
        return 1.0
    if reached[0] == 0:
        return float(curve.strong_share[0])
    steps = slice(reached[0] - 1, reached[0] + 1)
    return float(np.interp(target, gained[steps], curve.strong_share[steps]))


def convex_hull(cost: FloatArray, quality: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Keep the points that no mix of the others beats: the non-decreasing upper hull of quality over cost.

    RouterBench, arXiv:2403.12031, §3. Ascending in cost; starts at the cheapest point's best quality.
    """
    hull: list[tuple[float, float]] = []
    for x, y in sorted(
        zip(cost.tolist(), quality.tolist(), strict=True), key=lambda p: (p[0], -p[1])
    ):
        if hull and y <= hull[-1][1]:
            continue
        while len(hull) >= 2 and _below_line(hull[-1], hull[-2], (x, y)):
            hull.pop()
        hull.append((x, y))
    costs, qualities = np.array(hull).T
    return costs, qualities


def _below_line(
    middle: tuple[float, float], left: tuple[float, float], right: tuple[float, float]
) -> bool:
    rise = (right[1] - left[1]) * (middle[0] - left[0])
    return (middle[1] - left[1]) * (right[0] - left[0]) <= rise


def aiq(cost: FloatArray, quality: FloatArray, low: float, high: float) -> float:
    """Average improvement in quality: the mean height of the hull between the costs `low` and `high`.

    RouterBench, arXiv:2403.12031, §3, equation 4: the hull's area over the cost range. Beyond its dearest point the
    hull is flat; below its cheapest there is nothing to buy, so `low` may not lie there.

    Raises:
        UnusableSample: the range is empty or begins below the cheapest point.
    """
    costs, qualities = convex_hull(cost, quality)
    if not costs[0] <= low < high:
        raise UnusableSample(f"the range [{low}, {high}] must begin at {costs[0]} or above")
    inner = costs[(costs > low) & (costs < high)]
    xs = np.concatenate([[low], inner, [high]])
    return float(np.trapezoid(np.interp(xs, costs, qualities), xs)) / (high - low)


@dataclass(frozen=True, slots=True)
class Point:
    """A way to serve all tasks: its mean cost and its mean quality."""

    cost: float
    quality: float


def ibc_lift(method: Point, weak: Point, strong: Point) -> float:
    """Incremental benefit per cost, over that of mixing the two tiers at random: 0.5 is half as much again.

    AutoMix, arXiv:2310.12963, §4: (slope from weak to method - slope from weak to strong) / the latter.

    Raises:
        UnusableSample: a slope is not defined, or the strong tier brings nothing for its price.
    """
    if method.cost == weak.cost or strong.cost == weak.cost or strong.quality == weak.quality:
        raise UnusableSample("the points must differ in cost, and the tiers in quality")
    base = (strong.quality - weak.quality) / (strong.cost - weak.cost)
    slope = (method.quality - weak.quality) / (method.cost - weak.cost)
    return (slope - base) / base


def random_mix(weak: Point, strong: Point, cost: float) -> float:
    """Say what quality a coin that sends tasks to either tier buys for this mean cost; flat outside the two."""
    points = sorted([(weak.cost, weak.quality), (strong.cost, strong.quality)])
    return float(np.interp(cost, [x for x, _ in points], [y for _, y in points]))


def arena_score(accuracy: float, usd_per_thousand: float) -> float:
    """RouterArena's weighted harmonic mean of accuracy and log-scaled cheapness (arXiv:2510.00202; beta = 0.1).

    Costs outside the benchmark's range count as its nearest end.
    """
    dearest, cheapest = np.log2(ARENA_DEAREST_USD), np.log2(ARENA_CHEAPEST_USD)
    usd = min(max(usd_per_thousand, ARENA_CHEAPEST_USD), ARENA_DEAREST_USD)
    cheapness = float((dearest - np.log2(usd)) / (dearest - cheapest))
    below = ARENA_BETA * accuracy + cheapness
    return (1 + ARENA_BETA) * accuracy * cheapness / below if below > 0 else 0.0


def oracle(quality: FloatArray, cost: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Per task the best quality of any tier, and what the cheapest tier that reaches it costs; both (tasks, tiers)."""
    best = quality.max(axis=1)
    dear = np.where(quality >= best[:, None], cost, np.inf)
    return best, dear.min(axis=1)


def enough(quality: FloatArray) -> FloatArray:
    """For each tier, the share of tasks on which its quality is no less than the strongest tier's (last column)."""
    return np.asarray(np.mean(quality >= quality[:, -1:], axis=0), dtype=np.float64)


def auroc(score: FloatArray, positive: FloatArray) -> float:
    """Area under the ROC curve: the chance that a positive outranks a negative, ties counting half.

    The Mann-Whitney form (Hanley and McNeil 1982). For "does escalating help?", pass the doubt as the score and
    whether the strong tier gained as the label.

    Raises:
        UnusableSample: one of the classes is empty.
    """
    hits = positive > 0.5
    n_hits, n_misses = int(hits.sum()), int((~hits).sum())
    if n_hits == 0 or n_misses == 0:
        raise UnusableSample("AUROC needs both outcomes")
    ranks = rankdata(score)
    above = float(ranks[hits].sum()) - n_hits * (n_hits + 1) / 2
    return above / (n_hits * n_misses)


@dataclass(frozen=True, eq=False)
class Reliability:
    """A reliability diagram: per non-empty bin its count, mean confidence and mean outcome."""

    count: IntArray
    confidence: FloatArray
    outcome: FloatArray


def bin_of(confidence: FloatArray, bins: int = CALIBRATION_BINS) -> IntArray:
    """Number the equal-width bin of each confidence, from 0; the last includes 1."""
    return np.minimum((confidence * bins).astype(np.int64), bins - 1)


def reliability(
    confidence: FloatArray, outcome: FloatArray, bins: int = CALIBRATION_BINS
) -> Reliability:
    """Sort answers into equal-width bins of confidence (the last includes 1); outcomes are in [0, 1]."""
    place = bin_of(confidence, bins)
    used, index = np.unique(place, return_inverse=True)
    count = np.bincount(index, minlength=len(used)).astype(np.int64)
    return Reliability(
        count,
        np.bincount(index, confidence, len(used)) / count,
        np.bincount(index, outcome, len(used)) / count,
    )


def ece(confidence: FloatArray, outcome: FloatArray, bins: int = CALIBRATION_BINS) -> float:
    """Expected calibration error: the bins' gaps between confidence and outcome, weighted by their share of answers.

    Naeini, Cooper and Hauskrecht (2015); Guo and others, arXiv:1706.04599, equation 3. Small samples raise it even
    when calibration is perfect: compare with `ece_floor`.
    """
    diagram = reliability(confidence, outcome, bins)
    gaps = np.abs(diagram.confidence - diagram.outcome)
    return float(np.sum(diagram.count * gaps) / len(confidence))


def ece_floor(
    confidence: FloatArray,
    clusters: IntArray | None = None,
    *,
    bins: int = CALIBRATION_BINS,
    draws: int = 200,
    seed: int = 0,
) -> float:
    """The ECE that perfectly calibrated confidences would show on average, with no more tasks than these.

    Outcomes are drawn from the confidences themselves; answers of one cluster (repeats of one task) share their draw,
    as repeats of one model nearly do. After Bröcker and Smith (2007), "Increasing the reliability of reliability
    diagrams", whose consistency resampling this is.
    """
    rng = np.random.default_rng(seed)
    names, member = np.unique(
        np.arange(len(confidence)) if clusters is None else clusters, return_inverse=True
    )
    shown = [
        ece(confidence, (rng.random(len(names))[member] < confidence).astype(np.float64), bins)
        for _ in range(draws)
    ]
    return float(np.mean(shown))
