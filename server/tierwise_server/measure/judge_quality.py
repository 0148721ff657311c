"""How far the judge can be believed: whether the order of showing moves it, and whether people agree with it.

Judgements of one task are alike, so that tasks are what is counted: every figure is a mean over tasks of a mean within
the task, n is their number, and the interval is one of so many independent values. A share's is Wilson's, as no value
in [0, 1] varies more than a yes or no of the same mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tierwise_server.core.model import FinishReason
from tierwise_server.measure.collect import Measurement
from tierwise_server.measure.grading import HIGHEST, LOWEST, Scores
from tierwise_server.measure.judging import (
    PROMPT_VERSION,
    Pair,
    chosen_judge,
    judgements,
    pairs,
    read_verdict,
)
from tierwise_server.measure.outcomes import FloatArray
from tierwise_server.measure.signals import GOOD
from tierwise_server.measure.state import CallKey, Entry
from tierwise_server.measure.statistics import Interval, mean_interval, wilson

BoolArray = npt.NDArray[np.bool_]

ONE_POINT = 1.0 / (HIGHEST - LOWEST)
"""One point of the 1-10 scale, as quality."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """A grader beside people, on the answers that both graded.

    Attributes:
        n: tasks with such answers.
        within_a_point: the share of answers on which they differ by one point of ten at most.
        bias: the grader's mean quality less people's: above 0 it is kinder.
        kappa: Cohen's kappa (1960) on good or not (quality 0.5 or more); None when chance alone explains everything.
    """

    n: int
    within_a_point: Interval
    bias: Interval
    kappa: Interval | None


@dataclass(frozen=True, slots=True)
class JudgeQuality:
    """The judge over the whole run.

    Attributes:
        model: who judged.
        set_aside: who judged as well, and is not counted.
        judges_itself: whether it fills a measured tier.
        unreadable: the share of judgements that could not be read.
        steady: the share of pairs whose result did not change with the order of showing.
        first_wins: how often the answer shown first won, of judgements that were no tie; 0.5 is no bias.
        repeat_gap: the mean difference of an answer's scores between the two orders, in points of ten.
        people: agreement with human labels; None without any.
    """

    model: str
    set_aside: tuple[str, ...]
    prompt_version: str
    judges_itself: bool
    unreadable: Interval
    steady: Interval | None
    first_wins: Interval | None
    repeat_gap: Interval | None
    people: Agreement | None


def judge_quality(measurement: Measurement) -> JudgeQuality | None:
    """Look at the judge; None when none was asked."""
    settings, state = measurement.settings, measurement.state
    model = chosen_judge(measurement.folder.tasks, settings.tiers, state)
    if model is None:
        return None
    asked = list(judgements(state))
    unreadable = _share([(_task(entry), _unread(entry)) for one, entry in asked if one == model])
    assert unreadable is not None  # noqa: S101 - it was asked at least once
    judged = list(pairs(measurement.folder.tasks, settings.tiers, state))
    grades = measurement.grades
    return JudgeQuality(
        model=model,
        set_aside=tuple(sorted({one for one, _ in asked if one != model})),
        prompt_version=PROMPT_VERSION,
        judges_itself=model in settings.models.values(),
        unreadable=unreadable,
        steady=_share([(p.task, float(p.steady)) for p in judged if p.steady is not None]),
        first_wins=_share(_first_wins(judged)),
        repeat_gap=_mean(_repeat_gaps(judged)),
        people=agreement(grades.judge, grades.human),
    )


def checks_beside_people(measurement: Measurement) -> Agreement | None:
    """The checks beside human labels, where both graded; None without such answers. The checks decide all the same."""
    grades = measurement.grades
    checked = {task.id for task in measurement.folder.tasks if task.checks}
    passed = {place: one.quality for place, one in grades.final.items() if place[0] in checked}
    return agreement(passed, grades.human)


def _task(entry: Entry) -> str:
    return CallKey.read(entry["call"]).task


def _unread(entry: Entry) -> float:
    is_whole = FinishReason[entry["finish_reason"]].whole
    return float(not is_whole or read_verdict(entry["text"]) is None)


Told = Sequence[tuple[str, float]]
"""(task, value)."""


def _by_task(told: Told) -> FloatArray:
    """One value a task: the mean of its values."""
    values: dict[str, list[float]] = {}
    for task, value in told:
        values.setdefault(task, []).append(value)
    return np.array([sum(given) / len(given) for given in values.values()])


def _share(told: Told) -> Interval | None:
    means = _by_task(told)
    return wilson(float(means.sum()), len(means)) if len(means) else None


def _mean(told: Told) -> Interval | None:
    means = _by_task(told)
    return mean_interval(means) if len(means) else None


def _first_wins(judged: Sequence[Pair]) -> Told:
    """Wins of the answer shown first: the lesser tier's in one order, the strongest tier's in the other."""
    straight = [(p.task, p.shown_first[2]) for p in judged if p.shown_first is not None]
    swapped = [(p.task, 1.0 - p.shown_second[2]) for p in judged if p.shown_second is not None]
    return [(task, result) for task, result in (*straight, *swapped) if result != 0.5]


def _repeat_gaps(judged: Sequence[Pair]) -> Told:
    return [
        (pair.task, float(abs(one - other)))
        for pair in judged
        if pair.shown_first is not None and pair.shown_second is not None
        for one, other in zip(pair.shown_first[:2], pair.shown_second[:2], strict=True)
    ]


def agreement(grader: Scores, people: Scores) -> Agreement | None:
    """Hold a grader's qualities, by (task, tier), against people's; None where they graded nothing in common."""
    both = sorted(set(people) & set(grader))
    if not both:
        return None
    apart = [(place[0], grader[place] - people[place]) for place in both]
    close = [(task, float(abs(gap) <= ONE_POINT + 1e-9)) for task, gap in apart]
    within, bias = _share(close), _mean(apart)
    assert within is not None  # noqa: S101 - `both` is not empty
    assert bias is not None  # noqa: S101 - likewise
    good = np.array([people[place] >= GOOD for place in both])
    said = np.array([grader[place] >= GOOD for place in both])
    same = [(place[0], float(a == b)) for place, a, b in zip(both, good, said, strict=True)]
    return Agreement(within.n, within, bias, _kappa_interval(good, said, same))


def kappa(one: BoolArray, other: BoolArray) -> float:
    """Cohen's kappa (1960): agreement beyond chance; 1 where both say the same of everything."""
    chance = _by_chance(one, other)
    return 1.0 if chance >= 1.0 else _beyond(float(np.mean(one == other)), chance)


def _by_chance(one: BoolArray, other: BoolArray) -> float:
    return float(one.mean() * other.mean() + (1 - one.mean()) * (1 - other.mean()))


def _beyond(agreed: float, chance: float) -> float:
    return (agreed - chance) / (1.0 - chance)


def _kappa_interval(good: BoolArray, said: BoolArray, same: Told) -> Interval | None:
    """Kappa at the ends of the agreement's interval, chance being as it was seen."""
    chance = _by_chance(good, said)
    agreed = _share(same)
    if chance >= 1.0 or agreed is None:
        return None
    low, high = (_beyond(end, chance) for end in (agreed.low, agreed.high))
    return Interval(kappa(good, said), low, high, agreed.n, agreed.confidence)
