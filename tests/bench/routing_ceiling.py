"""How far any learning from few labels could get that treats task types alike: one told everything about the others.

For each type the prior is made of all tasks of all other types, which no user has; only the type itself is seen through
its few labels. It says whether a goal that is missed was missed by the estimator or asks for more than the labels hold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tests.bench.recorded import Graded
from tierwise_server.measure.outcomes import FloatArray

CEILING = "told all about the other types"
OWN_SHARE = 0.2
"""How much of the options' covariance counts as independent: thirteen types cannot span nine options."""


def mmlu_prior(data: Graded) -> Callable[[Sequence[FloatArray]], FloatArray]:
    """Gains of right or wrong pairs: Bayes over the other types' outcomes, which are weighted by their traffic."""
    sizes = np.array([len(tasks) for tasks in data.quality], dtype=np.float64)
    shares = np.stack([_outcomes(tasks) + 0.5 for tasks in data.quality]) / (sizes + 2.0)[:, None]
    gain = shares[:, 2] - shares[:, 1]

    def learn(label: Sequence[FloatArray]) -> FloatArray:
        seen = np.stack([_outcomes(tasks) for tasks in label])
        likely = seen @ np.log(shares).T + np.log(sizes)
        np.fill_diagonal(likely, -np.inf)
        weight = np.exp(likely - likely.max(axis=1, keepdims=True))
        return np.asarray(weight @ gain / weight.sum(axis=1))

    return learn


def _outcomes(tasks: FloatArray) -> FloatArray:
    """How often both are right, only the first, only the second, neither."""
    weak, strong = tasks[:, 0], tasks[:, 1]
    pairs = (weak * strong, weak * (1 - strong), (1 - weak) * strong, (1 - weak) * (1 - strong))
    return np.array([pair.sum() for pair in pairs])


def router_prior(data: Graded, label: Sequence[FloatArray]) -> FloatArray:
    """Every option's quality in every type: a normal prior from the other types, the options' covariance and all."""
    whole = np.stack([tasks.mean(axis=0) for tasks in data.quality])
    pooled = np.mean([np.cov(tasks.T) for tasks in label], axis=0)
    posterior = []
    for place, tasks in enumerate(label):
        others = np.delete(whole, place, axis=0)
        spread = np.cov(others.T)
        spread = (1 - OWN_SHARE) * spread + OWN_SHARE * np.diag(np.diag(spread))
        own = (len(tasks) * np.cov(tasks.T) + 15 * pooled) / (len(tasks) + 15)
        away = tasks.mean(axis=0) - others.mean(axis=0)
        weight = np.linalg.solve(spread + own / len(tasks), away)
        posterior.append(others.mean(axis=0) + spread @ weight)
    return np.stack(posterior)
