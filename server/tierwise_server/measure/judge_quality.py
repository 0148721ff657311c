"""How far the judge can be believed: whether the order of showing moves it, and whether people agree with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tierwise_server.core.model import FinishReason
from tierwise_server.measure.collect import Measurement
from tierwise_server.measure.grading import HIGHEST, LOWEST
from tierwise_server.measure.judging import JUDGE, PROMPT_VERSION, Pair, pairs, read_verdict
from tierwise_server.measure.outcomes import IntArray
from tierwise_server.measure.signals import GOOD
from tierwise_server.measure.statistics import Interval, bootstrap, mean_interval, wilson

BoolArray = npt.NDArray[np.bool_]

ONE_POINT = 1.0 / (HIGHEST - LOWEST)
"""One point of the 1-10 scale, as quality."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """The judge beside people, on the answers that both graded.

    Attributes:
        within_a_point: the share of answers on which they differ by one point of ten at most.
        bias: the judge's mean quality less people's: above 0 it is kinder.
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
        models: who judged.
        judges_itself: whether one of them fills a measured tier.
        unreadable: the share of judgements that could not be read.
        steady: the share of pairs whose result did not change with the order of showing.
        first_wins: how often the answer shown first won, of judgements that were no tie; 0.5 is no bias.
        repeat_gap: the mean difference of an answer's scores between the two orders, in points of ten.
        people: agreement with human labels; None without any.
    """

    models: tuple[str, ...]
    prompt_version: str
    judges_itself: bool
    unreadable: Interval
    steady: Interval | None
    first_wins: Interval | None
    repeat_gap: Interval | None
    people: Agreement | None


def judge_quality(measurement: Measurement) -> JudgeQuality | None:
    """Look at the judge; None when none was asked."""
    entries = [
        entry
        for key, entry in measurement.state.outcomes.items()
        if key.startswith(JUDGE) and entry["kind"] == "answered"
    ]
    if not entries:
        return None
    models = tuple(sorted({entry["model"] for entry in entries}))
    unread = sum(
        not FinishReason[entry["finish_reason"]].whole or read_verdict(entry["text"]) is None
        for entry in entries
    )
    settings = measurement.settings
    judged = list(pairs(measurement.folder.tasks, settings.tiers, measurement.state))
    both = [pair.steady for pair in judged if pair.steady is not None]
    return JudgeQuality(
        models=models,
        prompt_version=PROMPT_VERSION,
        judges_itself=bool(set(models) & set(settings.models.values())),
        unreadable=wilson(unread, len(entries)),
        steady=wilson(sum(both), len(both)) if both else None,
        first_wins=_first_wins(judged),
        repeat_gap=_repeat_gap(judged),
        people=_agreement(measurement),
    )


def _first_wins(judged: list[Pair]) -> Interval | None:
    """Wins of the answer shown first: the lesser tier's in one order, the strongest tier's in the other."""
    straight = [pair.shown_first[2] for pair in judged if pair.shown_first is not None]
    swapped = [1.0 - pair.shown_second[2] for pair in judged if pair.shown_second is not None]
    decided = [result for result in (*straight, *swapped) if result != 0.5]
    return wilson(sum(decided), len(decided)) if decided else None


def _repeat_gap(judged: list[Pair]) -> Interval | None:
    gaps = [
        float(abs(one - other))
        for pair in judged
        if pair.shown_first is not None and pair.shown_second is not None
        for one, other in zip(pair.shown_first[:2], pair.shown_second[:2], strict=True)
    ]
    return mean_interval(np.array(gaps)) if gaps else None


def _agreement(measurement: Measurement) -> Agreement | None:
    human, judge = measurement.grades.human, measurement.grades.judge
    both = sorted(set(human) & set(judge))
    if not both:
        return None
    people = np.array([human[place] for place in both])
    machine = np.array([judge[place] for place in both])
    close = int(np.sum(np.abs(people - machine) <= ONE_POINT + 1e-9))
    return Agreement(
        len(both),
        wilson(close, len(both)),
        mean_interval(machine - people),
        _kappa_interval(people >= GOOD, machine >= GOOD),
    )


def kappa(one: BoolArray, other: BoolArray) -> float:
    """Cohen's kappa (1960): agreement beyond chance; 1 where both say the same of everything."""
    agreed = float(np.mean(one == other))
    chance = float(one.mean() * other.mean() + (1 - one.mean()) * (1 - other.mean()))
    return 1.0 if chance >= 1.0 else (agreed - chance) / (1.0 - chance)


def _kappa_interval(good: BoolArray, said: BoolArray) -> Interval | None:
    if (good.all() and said.all()) or not (good.any() or said.any()):
        return None

    def statistic(rows: IntArray) -> float:
        return kappa(good[rows], said[rows])

    whole = np.zeros(len(good), dtype=np.int64)
    return bootstrap(statistic, len(good), strata=whole)
