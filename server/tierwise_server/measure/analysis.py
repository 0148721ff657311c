"""Everything the report says, as numbers: each with its interval and how many tasks stand behind it. Costs nothing.

Costs are in nano-USD per task, at the prices of serving; times in seconds; qualities and shares in [0, 1].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tierwise_server.measure import metrics
from tierwise_server.measure.collect import Measurement, TypeSample
from tierwise_server.measure.judge_quality import (
    Agreement,
    JudgeQuality,
    checks_beside_people,
    judge_quality,
)
from tierwise_server.measure.outcomes import Candidate, FloatArray, Outcomes, Played, play
from tierwise_server.measure.policy import (
    Dominated,
    Measured,
    dominated_tiers,
    measure,
    measure_table,
)
from tierwise_server.measure.ranking import Ranking, ranking
from tierwise_server.measure.recovered import recovered
from tierwise_server.measure.signals import SignalQuality, signal_quality
from tierwise_server.measure.statistics import (
    Interval,
    mean_interval,
    quality_interval,
    quantile_interval,
    weighted_interval,
    wilson,
)
from tierwise_server.measure.table import ProposedRow
from tierwise_server.measure.ungraded import Answered, answered
from tierwise_server.measure.winning import Wins, wins

ALL = "all task types"


@dataclass(frozen=True, slots=True)
class TierNumbers:
    """One tier on the tasks of one type.

    Attributes:
        enough: the share of tasks on which it is no worse than the strongest tier.
        p50_s, p95_s: latency quantiles; None where nothing was timed.
    """

    tier: str
    model: str
    quality: Interval
    cost_nano_usd: Interval
    check_cost_nano_usd: Interval
    enough: Interval
    p50_s: Interval | None
    p95_s: Interval | None


@dataclass(frozen=True, slots=True)
class Spot:
    """A way to serve all tasks of a type: a point of the quality-cost picture."""

    name: str
    cost_nano_usd: Interval
    quality: Interval


@dataclass(frozen=True, slots=True)
class TypeNumbers:
    """Everything about one task type, or about all of them together.

    Attributes:
        cascade: cost and quality of drafting with the weakest tier for the strongest, at every threshold; empty for
            all task types together.
        current, proposed: what the tables would have done; None where there is none.
        current_pgr, proposed_pgr: the share of the gap between the weakest and the strongest tier that they recover;
            None where there is none to recover, or too few tasks to tell.
    """

    name: str
    n: int
    left_out: int
    tiers: tuple[TierNumbers, ...]
    dominated: tuple[Dominated, ...]
    fixed: tuple[Spot, ...]
    oracle: Spot
    current: Measured | None
    proposed: Measured
    current_pgr: Interval | None
    proposed_pgr: Interval | None
    cascade: tuple[tuple[float, float], ...]
    ranking: Ranking
    row: ProposedRow | None


@dataclass(frozen=True, slots=True)
class Money:
    """What the run itself has cost, by what it was for; nano-USD, as paid."""

    answers: int
    checks: int
    judge: int
    unanswered: int
    total: int
    calls: int
    lost: int


@dataclass(frozen=True, slots=True)
class Analysis:
    """A whole report.

    Attributes:
        overall: all task types together; None where nothing was graded.
        wins: each tier's answers beside the strongest tier's, where a judge decided.
        ungraded: what is known of task types without a graded task.
    """

    measurement: Measurement
    types: tuple[TypeNumbers, ...]
    overall: TypeNumbers | None
    signals: tuple[SignalQuality, ...]
    judge: JudgeQuality | None
    checks: Agreement | None
    money: Money
    wins: tuple[Wins, ...]
    ungraded: tuple[Answered, ...]


def analyse(measurement: Measurement, rows: Sequence[ProposedRow]) -> Analysis:
    """Work out the report of a run and its proposed rows; without rows, what is known without grades."""
    types = tuple(_type_numbers(measurement, row) for row in rows)
    return Analysis(
        measurement,
        types,
        _overall(measurement, rows, types) if types else None,
        signal_quality(measurement),
        judge_quality(measurement),
        checks_beside_people(measurement),
        _money(measurement),
        wins(measurement),
        answered(measurement),
    )


def _type_numbers(measurement: Measurement, row: ProposedRow) -> TypeNumbers:
    sample = row.sample
    raw = sample.raw
    return TypeNumbers(
        name=sample.task_type,
        n=raw.n,
        left_out=sample.left_out,
        tiers=_tiers(measurement, raw),
        dominated=dominated_tiers(raw),
        fixed=_fixed(raw),
        oracle=_oracle(raw),
        current=row.current,
        proposed=row.proposal.measured,
        current_pgr=_current_pgr((row,)),
        proposed_pgr=_proposed_pgr((row,)),
        cascade=_cascade_line(sample),
        ranking=ranking(raw, _proposed_play(row)),
        row=row,
    )


def _proposed_play(row: ProposedRow) -> Played | None:
    """What the proposed row did; None for the strongest tier alone, which buys nothing beyond itself."""
    alone = row.candidate.cascade == (row.outcomes.strongest,)
    return None if alone else play(row.outcomes, row.candidate)


def _tiers(measurement: Measurement, raw: Outcomes) -> tuple[TierNumbers, ...]:
    good = raw.quality >= raw.quality[:, -1:]
    return tuple(
        TierNumbers(
            tier=tier,
            model=measurement.settings.models[tier],
            quality=quality_interval(raw.quality[:, column]),
            cost_nano_usd=mean_interval(raw.cost_nano_usd[:, column]),
            check_cost_nano_usd=mean_interval(raw.check_cost_nano_usd[:, column]),
            enough=wilson(int(good[:, column].sum()), raw.n),
            p50_s=_quantile(raw.latency_s, column, 0.5),
            p95_s=_quantile(raw.latency_s, column, 0.95),
        )
        for column, tier in enumerate(raw.tiers)
    )


def _quantile(latency_s: FloatArray | None, column: int, q: float) -> Interval | None:
    return None if latency_s is None else quantile_interval(latency_s[:, column], q)


def _fixed(raw: Outcomes) -> tuple[Spot, ...]:
    found = [measure(raw, Candidate((tier,))) for tier in raw.tiers]
    return tuple(Spot(one.candidate.cascade[0], one.cost_nano_usd, one.quality) for one in found)


def _oracle(raw: Outcomes) -> Spot:
    best, cost = metrics.oracle(raw.quality, raw.cost_nano_usd)
    return Spot("oracle", mean_interval(cost), quality_interval(best))


def _cascade_line(sample: TypeSample) -> tuple[tuple[float, float], ...]:
    raw = sample.raw
    if len(raw.tiers) < 2:
        return ()
    levels = np.unique(raw.confidence[:, 0][~np.isnan(raw.confidence[:, 0])])
    rows = [Candidate((raw.tiers[0], raw.tiers[-1]), float(level)) for level in (*levels, 1.01)]
    played = [measure(raw, row) for row in rows]
    return tuple((one.cost_nano_usd.value, one.quality.value) for one in played)


def _overall(
    measurement: Measurement, rows: Sequence[ProposedRow], types: Sequence[TypeNumbers]
) -> TypeNumbers:
    raws = [row.sample.raw for row in rows]
    weights = np.array([raw.n for raw in raws], dtype=np.float64)
    joined = _joined(raws)

    def mean(parts: Sequence[FloatArray]) -> Interval:
        return weighted_interval([mean_interval(part) for part in parts], weights)

    def quality(parts: Sequence[FloatArray]) -> Interval:
        return weighted_interval([quality_interval(part) for part in parts], weights)

    fixed = tuple(
        Spot(
            tier,
            mean([raw.cost_nano_usd[:, c] for raw in raws]),
            quality([raw.quality[:, c] for raw in raws]),
        )
        for c, tier in enumerate(joined.tiers)
    )
    # Task types were sampled apart: the same intervals as in the picture and the tables, not those of one heap.
    tiers = tuple(
        replace(
            tier,
            quality=spot.quality,
            cost_nano_usd=spot.cost_nano_usd,
            check_cost_nano_usd=mean([raw.check_cost_nano_usd[:, c] for raw in raws]),
            enough=weighted_interval([one.tiers[c].enough for one in types], weights),
        )
        for c, (tier, spot) in enumerate(zip(_tiers(measurement, joined), fixed, strict=True))
    )
    bests = [metrics.oracle(raw.quality, raw.cost_nano_usd) for raw in raws]
    return TypeNumbers(
        name=ALL,
        n=joined.n,
        left_out=sum(one.left_out for one in types),
        tiers=tiers,
        dominated=dominated_tiers(joined),
        fixed=fixed,
        oracle=Spot("oracle", mean([c for _, c in bests]), quality([q for q, _ in bests])),
        current=_current_table(rows),
        proposed=_proposed_table(rows),
        current_pgr=_current_pgr(rows),
        proposed_pgr=_proposed_pgr(rows),
        cascade=(),
        ranking=ranking(joined, None),
        row=None,
    )


def _proposed_table(rows: Sequence[ProposedRow]) -> Measured:
    samples = [row.outcomes for row in rows]
    return measure_table(samples, {row.sample.task_type: row.candidate for row in rows})


def _current_table(rows: Sequence[ProposedRow]) -> Measured | None:
    known = [row for row in rows if row.current is not None]
    if len(known) < len(rows):
        return None
    samples = [row.current_outcomes for row in rows if row.current_outcomes is not None]
    return measure_table(
        samples, {row.sample.task_type: row.current.candidate for row in known if row.current}
    )


def _proposed_pgr(rows: Sequence[ProposedRow]) -> Interval | None:
    return recovered([(row.outcomes, row.candidate) for row in rows])


def _current_pgr(rows: Sequence[ProposedRow]) -> Interval | None:
    known = [
        (row.current_outcomes, row.current.candidate)
        for row in rows
        if row.current is not None and row.current_outcomes is not None
    ]
    return recovered(known) if len(known) == len(rows) else None


def _joined(raws: Sequence[Outcomes]) -> Outcomes:
    def join(name: str) -> FloatArray:
        return np.concatenate([getattr(raw, name) for raw in raws])

    timed = all(raw.latency_s is not None for raw in raws)
    return Outcomes(
        ALL,
        raws[0].tiers,
        join("quality"),
        join("cost_nano_usd"),
        join("confidence"),
        join("check_cost_nano_usd"),
        join("latency_s") if timed else None,
        join("check_latency_s") if timed else None,
    )


def _money(measurement: Measurement) -> Money:
    spent = {"answer": 0, "check": 0, "judge": 0}
    unanswered = calls = 0
    for key, entry in measurement.state.outcomes.items():
        calls += 1
        if entry["kind"] == "answered":
            spent[key.split("/")[0].split("%3A")[0]] += entry["paid_nano_usd"]
    unanswered = measurement.state.paid_nano_usd - sum(spent.values())
    return Money(
        spent["answer"],
        spent["check"],
        spent["judge"],
        unanswered,
        measurement.state.paid_nano_usd,
        calls,
        measurement.state.lost,
    )
