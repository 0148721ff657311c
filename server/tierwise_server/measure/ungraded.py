"""What can be said of answers that nobody graded: what they cost, and how long they took."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tierwise_server.core.model import CallKind
from tierwise_server.measure.collect import Measurement
from tierwise_server.measure.outcomes import FloatArray
from tierwise_server.measure.state import answer_key
from tierwise_server.measure.statistics import Interval, mean_interval, quantile_interval


@dataclass(frozen=True, slots=True)
class Answered:
    """One tier's answers to the tasks of one type, each for itself: other tiers may have answered other tasks.

    Attributes:
        p50_s, p95_s: latency quantiles; None where nothing was timed.
    """

    task_type: str
    tier: str
    model: str
    n: int
    cost_nano_usd: Interval
    check_cost_nano_usd: Interval
    p50_s: Interval | None
    p95_s: Interval | None


def answered(measurement: Measurement) -> tuple[Answered, ...]:
    """Every tier that answered something, of each task type that has no task with a graded answer at every tier."""
    found = (
        _answered(measurement, task_type, tier)
        for task_type in measurement.empty
        for tier in measurement.settings.tiers
    )
    return tuple(one for one in found if one is not None)


def _answered(measurement: Measurement, task_type: str, tier: str) -> Answered | None:
    state, settings = measurement.state, measurement.settings
    tasks = [
        task.id
        for task in measurement.folder.tasks
        if task.task_type == task_type and state.done(task.id, tier)
    ]
    entries = [state.answered(answer_key(task, tier, CallKind.DIRECT)) for task in tasks]
    known = [(task, entry) for task, entry in zip(tasks, entries, strict=True) if entry is not None]
    if not known:
        return None

    def each(value: Callable[[str], float]) -> FloatArray:
        return np.array([value(task) for task, _ in known], dtype=np.float64)

    def cost(kind: CallKind) -> Interval:
        return mean_interval(each(lambda task: state.cost_nano_usd(answer_key(task, tier, kind))))

    times = np.array([entry["duration_s"] for _, entry in known], dtype=np.float64)
    timed = not settings.batched
    return Answered(
        task_type,
        tier,
        settings.models[tier],
        len(known),
        cost(CallKind.DIRECT),
        cost(CallKind.CHECK),
        quantile_interval(times, 0.5) if timed else None,
        quantile_interval(times, 0.95) if timed else None,
    )
