"""How good a table is that was learned from a few labels per task type, on tasks it has not seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from tests.bench.recorded import Graded
from tests.bench.routing_ceiling import CEILING, mmlu_prior, router_prior
from tests.bench.rows import Row
from tierwise_server.measure.metrics import RoutingCurve, apgr, cpt, routing_curve
from tierwise_server.measure.outcomes import FloatArray, IntArray
from tierwise_server.measure.shrinkage import choose, shrunk_gains

SEEDS = 400
GUARD = 0.95
GUARDED = (5, 10, 20, 50)
LEAST_HARM = 0.5
"""Points below the best single model that do not matter."""
ROUTELLM = "best published router 0.603 with about 1,500 labels"
APGR_GOALS = {10: 0.61, 20: 0.635, 50: 0.66}
SCORE_GOALS = {10: 0.639, 20: 0.647, 50: 0.658}
CEILING_SEEDS = 100

Samples = Sequence[FloatArray]
Split = tuple[Samples, Samples]


def over_seeds(
    name: str, values: Iterable[float], unit: str, *, reference: str = "", goal: str = ""
) -> Row:
    """Make a row: the mean over seeds, and between what limits 95% of the seeds lie."""
    seen = np.array(list(values))
    low, high = np.quantile(seen, [0.025, 0.975])
    return Row(name, float(seen.mean()), float(low), float(high), unit, reference, goal)


def halves(samples: Samples, rng: np.random.Generator) -> Split:
    """Split every type's tasks into one half to label and one to test on."""
    orders = [rng.permutation(len(sample)) for sample in samples]
    label = [s[order[: len(s) // 2]] for s, order in zip(samples, orders, strict=True)]
    test = [s[order[len(s) // 2 :]] for s, order in zip(samples, orders, strict=True)]
    return label, test


def per_type(n: int) -> Callable[[Samples, np.random.Generator], Split]:
    """Label n tasks of each type's half, or as many as the half has; test on the other half."""

    def split(samples: Samples, rng: np.random.Generator) -> Split:
        label, test = halves(samples, rng)
        return [half[:n] for half in label], test

    return split


def by_traffic(n: int) -> Callable[[Samples, np.random.Generator], Split]:
    """Label n tasks a type on average, drawn as tasks come: common types get more, as in `measure run --sample`."""

    def split(samples: Samples, rng: np.random.Generator) -> Split:
        label, test = halves(samples, rng)
        owner = np.concatenate([np.full(len(half), t) for t, half in enumerate(label)])
        drawn = rng.permutation(owner)[: n * len(samples)]
        counts = np.bincount(drawn, minlength=len(samples))
        return [half[: max(1, count)] for half, count in zip(label, counts, strict=True)], test

    return split


def all_others(n: int) -> Callable[[Samples, np.random.Generator], Split]:
    """Label n tasks of each type; test on every task that was not labelled."""

    def split(samples: Samples, rng: np.random.Generator) -> Split:
        mixed = [rng.permutation(sample) for sample in samples]
        return [sample[:n] for sample in mixed], [sample[n:] for sample in mixed]

    return split


def learned_gains(label: Samples) -> FloatArray:
    """What the second model is thought to gain over the first, per type."""
    return shrunk_gains(label, fallback=0).mean[:, 1]


def mmlu_rows(data: Graded, seeds: int = SEEDS) -> list[Row]:
    """Route RouteLLM's pair of models by subject alone."""
    rows = []
    for n, goal in APGR_GOALS.items():
        curves = mmlu_curves(data, per_type(n), seeds)
        used = np.mean([min(n, len(sample) // 2) for sample in data.quality])
        ceiling = over_seeds(
            "", map(apgr, mmlu_curves(data, per_type(n), CEILING_SEEDS, mmlu_prior(data))), ""
        )
        name = f"MMLU, subject table, {n} labels per type"
        if used < n:
            name += f" ({used:.0f} on average: a half holds no more)"
        rows.append(
            over_seeds(
                name,
                map(apgr, curves),
                "APGR",
                reference=f"{ROUTELLM}; {CEILING} {ceiling.value:.4f}",
                goal=f">= {goal}",
            )
        )
    for n, goal in APGR_GOALS.items():
        curves = mmlu_curves(data, by_traffic(n), seeds)
        name = f"MMLU, subject table, {n} labels per type on average, by traffic"
        rows.append(
            over_seeds(name, map(apgr, curves), "APGR", reference=ROUTELLM, goal=f">= {goal}")
        )
    name = "MMLU, subject table, 50 labels per type, tested on all others"
    curves = mmlu_curves(data, all_others(50), seeds)
    rows.append(over_seeds(name, map(apgr, curves), "APGR", reference=ROUTELLM, goal=">= 0.66"))
    curves = mmlu_curves(data, per_type(20), seeds)
    for target, published in ((0.5, 0.354), (0.8, 0.716)):
        shares = [cpt(curve, target) for curve in curves]
        name = f"MMLU, subject table, 20 labels per type, CPT({target:.0%})"
        rows.append(over_seeds(name, shares, "share", reference=f"RouteLLM {published}"))
    return rows


def mmlu_curves(
    data: Graded,
    split: Callable[[Samples, np.random.Generator], Split],
    seeds: int,
    learn: Callable[[Samples], FloatArray] = learned_gains,
) -> list[RoutingCurve]:
    """Learn the subjects' gains from the labels and route the test tasks by them, once a seed."""
    curves = []
    for seed in range(seeds):
        label, test = split(data.quality, np.random.default_rng(seed))
        gain = learn(label)
        score = np.repeat(gain, [len(sample) for sample in test])
        tasks = np.concatenate(test)
        curves.append(routing_curve(score, tasks[:, 0], tasks[:, 1]))
    return curves


def llm_router_rows(data: Graded, seeds: int = SEEDS) -> list[Row]:
    """Choose one of nine models per task type."""
    best = f"best single model {data.every.mean(axis=0).max():.4f}"
    rows = []
    for n, goal in SCORE_GOALS.items():
        scores = [learned_score(data, n, seed)[0] for seed in range(seeds)]
        ceiling = np.mean([ceiling_score(data, n, seed) for seed in range(CEILING_SEEDS)])
        name = f"LLMRouter, type table, {n} labels per type"
        reference = f"{best}; {CEILING} {ceiling:.4f}"
        rows.append(over_seeds(name, scores, "score", reference=reference, goal=f">= {goal}"))
    for n in GUARDED:
        rows += beside_best_rows(data, n, seeds)
    return rows


def beside_best_rows(data: Graded, n: int, seeds: int) -> list[Row]:
    """Tables beside the best single model of the same test half: how far off on average, and in the worst seed.

    A guarded table departs from a row in force, and only on evidence. Where that row is named by somebody who knows,
    as a configuration names its strongest tier, few labels do no harm; a row in force chosen by the same few labels
    is wrong as often as they are.
    """
    goal = ">= -0.5" if n == min(GUARDED) else ""
    learned = {
        "guarded table, row in force the best single model of the whole label half": [
            beside_best(data, n, seed, guard=GUARD, named=True) for seed in range(seeds)
        ],
        "guarded table, row in force chosen by the same labels": [
            beside_best(data, n, seed, guard=GUARD) for seed in range(seeds)
        ],
        "unguarded table": [beside_best(data, n, seed) for seed in range(seeds)],
        CEILING: [ceiling_beside_best(data, n, seed) for seed in range(CEILING_SEEDS)],
    }
    rows = []
    for words, above in learned.items():
        name = f"LLMRouter, {n} labels per type, {words}"
        # Adding 0.0 makes a rounded -0 a plain 0.
        low, high = np.quantile(above, [0.025, 0.975]).round(6) + 0.0
        below = np.mean(np.array(above) < -LEAST_HARM)
        reference = (
            f"mean {np.mean(above):+.2f}; {below:.0%} of {len(above)} seeds below -{LEAST_HARM}"
        )
        row = Row(
            f"{name}: worst seed beside the best single model",
            round(float(min(above)), 6),
            float(low),
            float(high),
            "pp",
            reference,
            "" if words == CEILING else goal,
        )
        rows.append(row)
    return rows


def ceiling_score(data: Graded, n: int, seed: int) -> float:
    """The mean score of picks by a prior that knows all other types, on the same halves as the table's."""
    return _ceiling(data, n, seed)[0]


def ceiling_beside_best(data: Graded, n: int, seed: int) -> float:
    """The same beside the best single model, in points."""
    score, single = _ceiling(data, n, seed)
    return 100 * (score - single)


def _ceiling(data: Graded, n: int, seed: int) -> tuple[float, float]:
    label, test = halves(data.quality, np.random.default_rng(seed))
    return _scores(router_prior(data, [half[:n] for half in label]).argmax(axis=1), test)


def learned_score(
    data: Graded, n: int, seed: int, guard: float | None = None, *, named: bool = False
) -> tuple[float, float]:
    """The table's mean score on the test half, and the best single model's.

    A named row in force is the best single model of the whole label half, which stands for the tier that a
    configuration names strongest. Without it a table is given nothing but its n labels per type: they choose the row
    in force too, all types counting alike.
    """
    label, test = halves(data.quality, np.random.default_rng(seed))
    in_force = int(np.argmax(np.concatenate(label).mean(axis=0))) if named else None
    gains = shrunk_gains([half[:n] for half in label], fallback=in_force)
    return _scores(choose(gains, guard), test)


def beside_best(
    data: Graded, n: int, seed: int, guard: float | None = None, *, named: bool = False
) -> float:
    """How far the table is above the best single model, in points."""
    score, single = learned_score(data, n, seed, guard, named=named)
    return 100 * (score - single)


def _scores(picks: Sequence[int] | IntArray, test: Samples) -> tuple[float, float]:
    chosen = np.concatenate([half[:, pick] for half, pick in zip(test, picks, strict=True)])
    return float(chosen.mean()), float(np.concatenate(test).mean(axis=0).max())
