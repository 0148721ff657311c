"""Whether real verbal confidences can be made to mean something, and what rows chosen by them are worth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from tests.bench.recorded import MODELS, SelfReports
from tests.bench.routing_table import over_seeds
from tests.bench.rows import Row
from tierwise_server.measure.calibration import Key, Labelled, calibrate
from tierwise_server.measure.metrics import ece, ece_floor
from tierwise_server.measure.outcomes import Candidate, FloatArray, IntArray
from tierwise_server.measure.utility import choose_by_utility, utility

SEEDS = 40
LADDERS = ((0, 2), (1, 2), (0, 1, 2))
"""Which models climb to which: weak to haiku, middling to haiku, and all three."""
FIXED_RULE = 0.8
"""The published rule: 8 of 10 is good enough."""


def title(ladder: tuple[int, ...]) -> str:
    """Name a ladder by its models' first words."""
    return " > ".join(MODELS[tier].rsplit("-", 1)[0].removesuffix("-2024-07") for tier in ladder)


# Calibration.


def calibration_rows(data: SelfReports, seeds: int = SEEDS) -> list[Row]:
    """Calibrate on half of the items and predict the other, both ways round; then ask how far off it is."""
    fitted = [crossed(data, np.random.default_rng(seed)) for seed in range(seeds)]
    scopes = (("all models together", 0), ("per model", 1), ("per model and context", 2))
    rows = []
    for words, depth in scopes:
        errors = [mean_ece(data, predicted, depth) for predicted in fitted]
        floor = np.mean([mean_floor(data, p, depth, seed) for seed, p in enumerate(fitted[:10])])
        raw = mean_ece(data, data.confidence, depth)
        reference = (
            f"raw {raw:.3f}; perfect calibration would show {floor:.3f} on {data.items} items"
        )
        goal = "<= 0.05" if floor <= 0.04 else ""
        name = f"Self-report, calibrated ECE, {words}"
        rows.append(over_seeds(name, errors, "ECE", reference=reference, goal=goal))
    return rows


def crossed(data: SelfReports, rng: np.random.Generator) -> FloatArray:
    """Predict every answer by calibrators that have not seen its item."""
    order = rng.permutation(data.items)
    first, second = order[: data.items // 2], order[data.items // 2 :]
    predicted = np.zeros_like(data.confidence)
    for seen, unseen in ((first, second), (second, first)):
        keys = {
            Key(model, context, "verbal"): (m, c)
            for m, model in enumerate(MODELS)
            for c, context in enumerate(data.contexts)
        }
        runs = data.confidence.shape[3]
        labelled = {
            key: Labelled(
                data.confidence[m, c, seen].ravel(),
                data.correct[m, c, seen].ravel(),
                np.full(len(seen) * runs, 1 / runs),
            )
            for key, (m, c) in keys.items()
        }
        for key, calibrator in calibrate(labelled).items():
            m, c = keys[key]
            if calibrator is None:
                raise ValueError(f"half of the items do not suffice for {key}")
            predicted[m, c, unseen] = calibrator(data.confidence[m, c, unseen])
    return predicted


def cells(
    data: SelfReports, values: FloatArray, depth: int
) -> Iterator[tuple[FloatArray, IntArray]]:
    """Cut an array by its first `depth` axes; yield each part with the cluster of every value."""
    items = np.broadcast_to(np.arange(data.items)[:, None], values.shape[2:])
    models = np.arange(len(MODELS))[:, None, None, None] * data.items
    clusters = np.broadcast_to(models + items, values.shape)
    for place in np.ndindex(values.shape[:depth]):
        yield values[place].ravel(), clusters[place].ravel().astype(np.int64)


def mean_ece(data: SelfReports, predicted: FloatArray, depth: int) -> float:
    """ECE of each part, averaged."""
    parts = zip(cells(data, predicted, depth), cells(data, data.correct, depth), strict=True)
    return float(np.mean([ece(p, y) for (p, _), (y, _) in parts]))


def mean_floor(data: SelfReports, predicted: FloatArray, depth: int, seed: int) -> float:
    """The ECE that perfect calibration would show, averaged over the parts."""
    parts = cells(data, predicted, depth)
    return float(np.mean([ece_floor(p, c, draws=20, seed=seed) for p, c in parts]))


# Utility.


def utility_rows(data: SelfReports, seeds: int = SEEDS) -> list[Row]:
    """Learn rows from half of the items, one answer each; compare them with fixed rules on the other half."""
    rows, every = [], []
    for ladder in LADDERS:
        results = [utilities(data, ladder, np.random.default_rng(seed)) for seed in range(seeds)]
        every.append(results)
        rows += _utility_rows(f"Utility, {title(ladder)}", results)
    mean = [tuple(np.mean(seed, axis=0)) for seed in zip(*every, strict=True)]
    rows += _utility_rows("Utility, mean of the ladders", mean)
    return rows


def _utility_rows(name: str, results: Sequence[tuple[float, ...]]) -> list[Row]:
    learned, fixed, strong = (100 * np.array(column) for column in zip(*results, strict=True))
    return [
        over_seeds(
            f"{name}: learned less {words}",
            learned - other,
            "pp",
            reference=f"learned {learned.mean():.1f}, {words} {other.mean():.1f}",
            goal=">= 0",
        )
        for words, other in (("8 of 10", fixed), ("strongest only", strong))
    ]


def utilities(
    data: SelfReports, ladder: tuple[int, ...], rng: np.random.Generator
) -> tuple[float, float, float]:
    """Mean utility on unseen items of the learned rows, of the fixed rule, and of the strongest tier alone."""
    order = rng.permutation(data.items)
    seen, unseen = order[: data.items // 2], order[data.items // 2 :]
    contexts = range(len(data.contexts))
    runs = data.confidence.shape[3]
    learned = choose_by_utility(
        [data.outcomes(ladder, c, seen, rng.integers(0, runs, len(seen))) for c in contexts]
    )
    tests = [data.outcomes(ladder, context, unseen) for context in contexts]
    fixed = Candidate(tests[0].tiers, FIXED_RULE)
    strong = Candidate(tests[0].tiers[-1:])
    rules = ([learned[t.task_type] for t in tests], [fixed] * len(tests), [strong] * len(tests))
    learned_value, fixed_value, strong_value = (
        float(np.mean([utility(t, r).mean() for t, r in zip(tests, rule, strict=True)]))
        for rule in rules
    )
    return learned_value, fixed_value, strong_value
